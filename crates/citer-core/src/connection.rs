//! The connection to an LLM's server: which dialect it speaks and what it can do, as found out when connecting.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How tokens are asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// `citer serve`: a session on the server, to which only new ids are sent.
    Session,
    /// `/v1/completions` with token ids as prompt: vLLM, SGLang, llama.cpp, `citer serve`.
    Tokens,
    /// `/v1/completions` with text as prompt: Ollama, TGI, mistral.rs.
    Text,
    /// `/v1/chat/completions` that goes on with the assistant's message.
    Chat,
}

/// What a server can do, found out by asking it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Name of its model.
    pub model: String,
    /// How it is asked.
    pub dialect: Dialect,
    /// Whether it is given exactly the tokens of this device; otherwise it makes its own from their text.
    pub exact_tokens: bool,
    /// Whether it answers with token ids; otherwise its text is turned into tokens here.
    pub ids_back: bool,
    /// Whether it tells its candidates' probabilities.
    pub logprobs: bool,
    /// Whether it tells how much of a prompt it had in its cache.
    pub cached_counts: bool,
    /// Whether its tokenizer is this device's, by hash; `None` when it does not say.
    pub same_tokenizer: Option<bool>,
    /// Most tokens in a conversation, if it says so.
    pub context: Option<u64>,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Tokens => "tokens",
            Self::Text => "text",
            Self::Chat => "chat",
        })
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let tokenizer = self.same_tokenizer.map_or("not said", |same| if same { "same" } else { "another" });
        write!(
            f,
            "{}, dialect {}: exact token hand-off {}, ids back {}, candidates {}, cached counts {}, tokenizer {tokenizer}",
            self.model,
            self.dialect,
            yes(self.exact_tokens),
            yes(self.ids_back),
            yes(self.logprobs),
            yes(self.cached_counts),
        )
    }
}
