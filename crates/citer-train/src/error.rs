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
    #[error("{path}: {detail}")]
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
    /// Labels or answers on disk that cannot be used.
    #[error("{path}: {detail}")]
    Store {
        /// Which file or folder.
        path: String,
        /// What is wrong and what to do.
        detail: String,
    },
    /// An LLM that gives no usable answer.
    #[error("the LLM cannot teach: {0}")]
    Teacher(String),
    /// Settings that make no sense.
    #[error("{0}")]
    Settings(String),
    /// Ended by the user.
    #[error("stopped: run the same command again")]
    Stopped,
    /// A run of labels that ended early.
    #[error(
        "{cause}\n{done} of {total} questions are labelled and kept in {folder}: run the same command again to go on"
    )]
    Partly {
        /// What ended it.
        cause: Box<TrainError>,
        /// Questions done.
        done: usize,
        /// All questions.
        total: usize,
        /// Where they are kept.
        folder: String,
    },
    /// The routed decoder.
    #[error("the answer broke off: {0}")]
    Decode(String),
}

impl TrainError {
    /// For `map_err`: names the file.
    pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |e| {
            let advice = match e.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    "the disk is full: make room and run the same command again, what was finished is kept"
                }
                std::io::ErrorKind::NotFound => "check the path",
                _ => "check the folder and its permissions",
            };
            Self::Io { path, detail: format!("{e}; {advice}") }
        }
    }
}
