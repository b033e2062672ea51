//! What can go wrong while a model runs.

pub use citer_files::LoadError;

/// A model that cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Nothing to feed.
    #[error("nothing to read: type a question")]
    Empty,
    /// A token that the vocabulary does not have.
    #[error("token {id} is outside the vocabulary of {vocab} tokens: check the tokenizer")]
    Token {
        /// The token.
        id: u32,
        /// Vocabulary size.
        vocab: usize,
    },
    /// More tokens than positions.
    #[error(
        "the conversation needs {needed} tokens and the model holds {capacity}: start a new chat or shorten the question"
    )]
    ContextFull {
        /// Tokens needed.
        needed: usize,
        /// Tokens that fit.
        capacity: usize,
    },
    /// A prefill that was ended from outside.
    #[error("reading the prompt was stopped")]
    Stopped,
    /// The device failed.
    #[error("the graphics device failed ({0}): reload the page to start it again")]
    Device(String),
}
