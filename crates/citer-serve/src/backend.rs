//! The backend: the LLM as the server sees it, many sequences whose keys and values lie in blocks that they share.

use citer_core::{Sampling, TokenId, message::Turn};

/// A language model that the worker thread owns. All calls block.
pub trait Backend: Send + 'static {
    /// Keys and values of up to [`crate::prefix_tree::BLOCK`] tokens. A clone is cheap and shares them until one is written.
    type Block: Clone;

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

    /// Bytes of a block.
    fn block_bytes(&self) -> usize;

    /// Adds every row's tokens to its sequence and chooses the token after them: one result a row. The blocks of a row that
    /// failed are worth nothing.
    fn step(&mut self, rows: &mut [Row<'_, Self::Block>]) -> Vec<Result<Step, BackendError>>;
}

/// A sequence that goes on.
#[derive(Debug)]
pub struct Row<'a, B> {
    /// What holds the first `position` tokens, as many blocks as these need; the step adds those of the new tokens.
    pub blocks: &'a mut Vec<B>,
    /// Number of tokens before the new ones.
    pub position: usize,
    /// The new tokens: at least one, all within the vocabulary and the context.
    pub tokens: &'a [TokenId],
    /// How to choose the next one.
    pub sampling: Sampling,
    /// How many candidates to report.
    pub top: usize,
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
