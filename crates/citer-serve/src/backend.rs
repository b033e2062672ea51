//! The backend: the LLM as the server sees it, one sequence with a KV cache that can be cut.

use citer_core::{TokenId, message::Turn};

/// A language model that the worker thread owns. All calls block.
pub trait Backend: Send + 'static {
    /// What clients may know about the model. It never changes.
    fn info(&self) -> ModelInfo;

    /// Token ids of `text`; control tokens in it are plain text.
    ///
    /// # Errors
    /// Text that the tokenizer cannot read.
    fn encode(&self, text: &str) -> Result<Vec<TokenId>, BackendError>;

    /// Token ids of a conversation, ending where the assistant's next turn begins.
    ///
    /// # Errors
    /// Text that the tokenizer cannot read.
    fn conversation(&self, turns: &[Turn]) -> Result<Vec<TokenId>, BackendError>;

    /// Bytes of one token; empty for control tokens.
    fn token_bytes(&self, token: TokenId) -> Vec<u8>;

    /// Whether `token` ends the turn.
    fn is_end(&self, token: TokenId) -> bool;

    /// Forgets all cached tokens from `position` on.
    fn truncate(&mut self, position: usize);

    /// Appends `tokens` (at least one, all within the vocabulary and the context) to the cached sequence and chooses
    /// the token after them, with the `top` most likely candidates.
    ///
    /// # Errors
    /// A model that cannot go on; the cache is then cut to nothing before the next step.
    fn step(&mut self, tokens: &[TokenId], sampling: Sampling, top: usize) -> Result<Step, BackendError>;
}

/// What clients may know about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// The name that requests give.
    pub name: String,
    /// SHA-256 of `tokenizer.json`, in hexadecimal.
    pub tokenizer_sha256: String,
    /// Number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// Most tokens in the cached sequence.
    pub context: usize,
}

/// How a token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0 takes the most likely token; 1 samples from the model's own probabilities.
    pub temperature: f32,
    /// The same seed gives the same tokens.
    pub seed: u64,
}

/// A chosen token.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The token.
    pub token: TokenId,
    /// Its natural log probability at temperature 1.
    pub logprob: f32,
    /// The most likely tokens with their log probabilities at temperature 1, best first.
    pub top: Vec<(TokenId, f32)>,
}

/// A model that failed, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model failed ({0}): try again, and restart the server if it stays")]
pub struct BackendError(
    /// The model's own words.
    pub String,
);
