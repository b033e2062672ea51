//! A model's folder: its files by name, on a disk or wherever else they are kept.

use crate::{
    bytes::{Bytes, read_all},
    error::LoadError,
};

/// The tokenizer.
pub const TOKENIZER: &str = "tokenizer.json";
/// The configuration.
pub const CONFIG: &str = "config.json";
/// The weights, when they are one file.
pub const WEIGHTS: &str = "model.safetensors";
/// Special tokens and the chat template.
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// The chat template where newer tools write it.
pub const TEMPLATE: &str = "chat_template.jinja";
/// Stop ids.
pub const GENERATION_CONFIG: &str = "generation_config.json";

/// Longest file that is read whole: several times the tokenizer.json of a large vocabulary.
const WHOLE: u64 = 1 << 26;

/// Files by name.
pub trait Folder {
    /// An open file.
    type File: Bytes + 'static;

    /// Opens the file `name`; `None` if there is none.
    fn open(&self, name: &str) -> Result<Option<Self::File>, LoadError>;

    /// The name of the file `name` for messages.
    fn label(&self, name: &str) -> String {
        name.into()
    }

    /// Opens the file `name`, which has to be there.
    fn needed(&self, name: &str) -> Result<Self::File, LoadError> {
        let missing = || LoadError::Io { path: self.label(name), detail: "there is no such file".into() };
        self.open(name)?.ok_or_else(missing)
    }

    /// The bytes of a small file, if it is there.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, LoadError> {
        let failed = |error: LoadError| match error {
            LoadError::Weights(detail) => LoadError::Io { path: self.label(name), detail },
            other => other,
        };
        self.open(name)?.map(|file| read_all(&file, WHOLE).map_err(failed)).transpose()
    }

    /// The bytes of a small file, which has to be there.
    fn read_needed(&self, name: &str) -> Result<Vec<u8>, LoadError> {
        let missing = || LoadError::Io { path: self.label(name), detail: "there is no such file".into() };
        self.read(name)?.ok_or_else(missing)
    }
}

#[cfg(not(target_family = "wasm"))]
impl Folder for std::path::Path {
    type File = crate::bytes::DiskFile;

    fn open(&self, name: &str) -> Result<Option<Self::File>, LoadError> {
        let path = self.join(name);
        path.is_file().then(|| crate::bytes::DiskFile::open(&path)).transpose()
    }

    fn label(&self, name: &str) -> String {
        self.join(name).display().to_string()
    }
}
