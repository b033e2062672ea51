//! The failure: what went wrong and what to do next, for the person at the terminal.

use std::{fmt, io, path::Path};

/// A message that ends the task.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A file or folder that could not be used.
    pub fn file(path: &Path, error: &io::Error) -> Self {
        Self(format!(
            "{}: {error}; check that it exists and may be written, and that the disk is not full",
            path.display()
        ))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
