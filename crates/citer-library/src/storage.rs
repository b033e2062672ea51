//! Storage: named pieces of bytes, one folder a model.

/// Why storage does not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Private mode, or a setting.
    #[error("this browser does not let the page store files ({0}): leave private mode or allow site data")]
    Denied(String),
    /// No room.
    #[error("the storage is full: delete a model here or free disk space, then resume")]
    Full,
    /// Another tab holds the file.
    #[error("another tab uses this model: close it there, then try again")]
    Busy,
    /// Anything else.
    #[error("the storage failed ({0}): reload the page and try again")]
    Io(String),
}

/// Named pieces of bytes, one folder a model. Folder and piece names are plain words ([`crate::Source::id`]).
#[allow(async_fn_in_trait)]
pub trait Storage {
    /// The folders.
    async fn models(&self) -> Result<Vec<String>, StorageError>;

    /// The pieces of a folder with their lengths; none where there is no such folder.
    async fn pieces(&self, model: &str) -> Result<Vec<(String, u64)>, StorageError>;

    /// A piece's bytes; `None` where there is none.
    async fn read(&self, model: &str, piece: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Writes a piece, over what was there, and returns once it is on the disk. Interrupted, it may leave anything.
    async fn write(&self, model: &str, piece: &str, bytes: &[u8]) -> Result<(), StorageError>;

    /// Deletes a piece; nothing happens where there is none.
    async fn delete(&self, model: &str, piece: &str) -> Result<(), StorageError>;

    /// Deletes a folder and what is left in it.
    async fn delete_model(&self, model: &str) -> Result<(), StorageError>;
}
