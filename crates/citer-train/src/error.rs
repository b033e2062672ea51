//! What can go wrong while training or measuring.

use citer_lm::{EngineError, LoadError};

/// A training or evaluation run that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A model or router file.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A model that fails while running.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file that cannot be read or written.
    #[error("{path}: {detail}; check the folder and its permissions")]
    Io {
        /// Which file.
        path: String,
        /// What the system said.
        detail: String,
    },
    /// A checkpoint that does not fit.
    #[error("the checkpoint in {path} cannot be used ({detail}): delete the folder to start again")]
    Checkpoint {
        /// Which folder.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// A tokenizer that cannot be built.
    #[error("the tokenizer cannot be trained: {0}")]
    Tokenizer(String),
    /// Settings that make no sense.
    #[error("{0}")]
    Settings(String),
    /// Ended by the user.
    #[error("stopped: run the same command again")]
    Stopped,
    /// The routed decoder.
    #[error("the answer broke off: {0}")]
    Decode(String),
}

impl TrainError {
    /// For `map_err`: names the file.
    pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |e| Self::Io { path, detail: e.to_string() }
    }
}
