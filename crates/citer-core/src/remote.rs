//! The remote model: the LLM as the decoder sees it, one token per call.

use crate::{
    event::{Candidate, ForcedReason, TokenId},
    sampling::Sampling,
};

/// The LLM's next token and what it cost to get.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteToken {
    /// The token, in the shared vocabulary. The end-of-turn token is a token like any other.
    pub token: TokenId,
    /// The LLM's candidates, best first; may be empty when the server gives none.
    pub top: Vec<Candidate>,
    /// Request bytes sent (body).
    pub bytes_sent: u64,
    /// Response bytes received (body).
    pub bytes_received: u64,
    /// Prompt tokens sent.
    pub tokens_sent: u64,
    /// Of those, tokens the server had in its KV cache.
    pub tokens_cached: u64,
    /// Tokens that the LLM made.
    pub tokens_received: u64,
    /// Tokens that follow with it: what a server of another vocabulary said in one token may take several here. They stand
    /// as the first one does.
    pub rest: Vec<TokenId>,
    /// Whether it was made for an earlier request, so that none was made now.
    pub reserved: bool,
    /// Milliseconds that the server computed; 0 when it does not say.
    pub server_ms: f64,
    /// Milliseconds that the request waited for its turn at the server; 0 when it does not say.
    pub queue_ms: f64,
}

/// Why no token came. None of these ends the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// Nothing to ask.
    #[error("no remote model is set: start `citer serve` or choose local only")]
    NotConfigured,
    /// The connection failed.
    #[error("the server cannot be reached ({0}): check that it runs and that the address is right")]
    Unreachable(String),
    /// No answer in time.
    #[error("the server did not answer within {0} ms: try again or lower the threshold")]
    Timeout(u64),
    /// 429 or 503.
    #[error("the server is busy: wait {0} s")]
    Busy(u64),
    /// The server failed shortly before and is left alone; no request was made.
    #[error("the server failed shortly before: it is asked again in {0} ms")]
    Cooling(u64),
    /// Any other error status.
    #[error("the server refused the request ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The server's own words.
        message: String,
    },
    /// An answer that cannot be used.
    #[error("the server's answer is not usable: {0}")]
    BadAnswer(String),
}

impl RemoteError {
    /// The mark that the kept local token carries.
    pub fn reason(&self) -> ForcedReason {
        match self {
            Self::NotConfigured => ForcedReason::NoRemote,
            Self::Unreachable(_) | Self::Refused { .. } => ForcedReason::Unreachable,
            Self::Timeout(_) => ForcedReason::Timeout,
            Self::Busy(_) => ForcedReason::Busy,
            Self::BadAnswer(_) => ForcedReason::BadAnswer,
            Self::Cooling(_) => ForcedReason::Cooldown,
        }
    }
}

/// A model that runs elsewhere.
#[allow(async_fn_in_trait)]
pub trait RemoteModel {
    /// How tokens are chosen from the next request on.
    fn sample(&mut self, sampling: Sampling);

    /// The LLM's token after `prefix` (the prompt and the answer so far).
    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError>;

    /// Requests beyond the first that the last call made, whether or not it brought a token.
    fn retries(&self) -> u32 {
        0
    }
}
