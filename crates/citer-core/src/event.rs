//! The token event: one emitted token with who made it, why, and what it cost.

use serde::{Deserialize, Serialize};

/// A token's number in the shared vocabulary.
pub type TokenId = u32;

/// A possible next token with its probability under the model that proposed it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The token.
    pub id: TokenId,
    /// Its probability, 0 to 1.
    pub probability: f32,
}

/// Who made a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The SLM; the LLM was not asked.
    Local,
    /// The LLM was asked and its token differs from the SLM's.
    Remote,
    /// The LLM was asked and gave the SLM's token.
    Agreed,
    /// The LLM should have been asked, but the SLM's token had to stand.
    Forced(ForcedReason),
}

impl Source {
    /// Whether the LLM answered for this token.
    pub fn is_remote(self) -> bool {
        matches!(self, Self::Remote | Self::Agreed)
    }

    /// Whether a request was made for this token, answered or not.
    pub fn was_asked(self) -> bool {
        use ForcedReason::{BadAnswer, Busy, Timeout, Unreachable};
        self.is_remote() || matches!(self, Self::Forced(Unreachable | Timeout | Busy | BadAnswer))
    }
}

/// Why a critical token stayed local.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForcedReason {
    /// No remote model is configured or it cannot be used.
    NoRemote,
    /// The network or the server failed.
    Unreachable,
    /// The server did not answer in time.
    Timeout,
    /// The server asked to slow down (429).
    Busy,
    /// The server answered with something that is not a token of this vocabulary.
    BadAnswer,
    /// The budget is spent.
    Budget,
    /// The server failed, now or too often in this answer, and is left alone for a while.
    Cooldown,
}

/// One emitted token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenEvent {
    /// Position in the answer, from 0.
    pub index: usize,
    /// The token that stands.
    pub id: TokenId,
    /// Text completed by this token; may be empty when it ends inside a UTF-8 character.
    pub text: String,
    /// Who made it.
    pub source: Source,
    /// The router's P(the SLM's token is good enough), 0 to 1; 0 when the router gave no number, which is critical.
    pub score: f32,
    /// The threshold it was compared with.
    pub threshold: f32,
    /// The SLM's own choice, which is not its best candidate where tokens are drawn; absent in records of before.
    #[serde(default)]
    pub own: Option<TokenId>,
    /// The SLM's candidates, best first.
    pub local: Vec<Candidate>,
    /// The LLM's candidates, best first; empty when it was not asked or failed.
    pub remote: Vec<Candidate>,
    /// Milliseconds of SLM and router compute for this token.
    pub compute_ms: f64,
    /// Milliseconds between asking the LLM and its answer.
    pub wait_ms: f64,
    /// Of those, milliseconds in which the SLM made tokens that stood.
    #[serde(default)]
    pub hidden_ms: f64,
    /// Milliseconds that the server computed; 0 when it did not say.
    #[serde(default)]
    pub server_ms: f64,
    /// Requests beyond the first that this token took.
    #[serde(default)]
    pub retries: u32,
    /// Whether the LLM had made this token for an earlier request, so that none was made now.
    #[serde(default)]
    pub reserved: bool,
    /// Request bytes sent for this token.
    pub bytes_sent: u64,
    /// Response bytes received for this token.
    pub bytes_received: u64,
    /// Token ids sent to the LLM.
    pub tokens_sent: u64,
    /// Of those, tokens the server had in its KV cache.
    pub tokens_cached: u64,
    /// Tokens that the LLM made for this request; 0 too where records of it do not tell.
    #[serde(default)]
    pub tokens_received: u64,
}
