//! What can go wrong with a model of the library; every message says the next action.

use crate::{source::SourceError, storage::StorageError};

/// A model that cannot be added, downloaded or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// The text names no source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The person paused it; what came so far is kept.
    #[error("paused: resume to go on where it stopped")]
    Stopped,
    /// The connection failed too often in a row.
    #[error(
        "{file}: the download does not get on ({detail}): what came so far is kept; check the connection and resume"
    )]
    Unreachable {
        /// Which file.
        file: String,
        /// What the last attempt met.
        detail: String,
    },
    /// The server refuses.
    #[error("{file}: the server refuses it (status {status}): {advice}")]
    Refused {
        /// Which file.
        file: String,
        /// HTTP status.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// The file is not the one that was begun.
    #[error("{0}: the file changed on the server during the download: remove the model and add it again")]
    Changed(String),
    /// The bytes are not those that the source promises.
    #[error("{0}: what the server sends does not have the promised SHA-256: try again later or use another source")]
    Hash(String),
    /// The source lacks a file that every model needs.
    #[error(
        "{0} is not there: choose a repository or folder with config.json, tokenizer.json and safetensors, or a GGUF file"
    )]
    Incomplete(String),
    /// No file of this repository fits what was asked.
    #[error("no GGUF file of this repository is called like {wanted:?}: choose one of {available}")]
    NoSuchFile {
        /// What was asked.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// The source's own description makes no sense.
    #[error("{file} is not usable ({detail}): use another source")]
    BadListing {
        /// Which file.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// The manifest is gone or damaged.
    #[error("the record of the stored model {0} is damaged: remove the model and add it again")]
    Manifest(String),
    /// Nothing of this name is stored.
    #[error("no model {0} is stored: add it first")]
    Unknown(String),
    /// It is not complete.
    #[error("{0} is not complete: resume its download first")]
    Partial(String),
}
