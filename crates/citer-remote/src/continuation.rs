//! A continuation: several tokens of the LLM after a prefix in one request, as teaching and measuring ask for them.

use citer_core::{Candidate, TokenId};

/// Tokens after a prefix and what they cost to get.
#[derive(Clone, Debug, PartialEq)]
pub struct Continuation {
    /// The tokens in order.
    pub tokens: Vec<Continued>,
    /// Whether the server says that the answer ends here. Some servers then leave the end token itself out.
    pub stopped: bool,
    /// Request bytes sent (body).
    pub bytes_sent: u64,
    /// Response bytes received (body).
    pub bytes_received: u64,
    /// Prompt tokens sent.
    pub tokens_sent: u64,
    /// Of those, tokens the server had in its KV cache.
    pub tokens_cached: u64,
}

/// One token of a continuation.
#[derive(Clone, Debug, PartialEq)]
pub struct Continued {
    /// The token, in the shared vocabulary.
    pub token: TokenId,
    /// The LLM's candidates there, best first; may be empty when the server gives none.
    pub top: Vec<Candidate>,
}
