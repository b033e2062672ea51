//! A stored model as a folder of files that are read in place: nothing is copied before it is needed.

use super::opfs::{OpenPiece, Opfs};
use citer_files::folder::{Folder, WEIGHTS};
use citer_files::{Bytes, LoadError, shards::INDEX};
use citer_library::{Chunks, Library, LibraryError, Manifest};
use std::rc::Rc;

/// A file whose pieces are all open.
#[derive(Clone, Debug)]
pub struct StoredFile {
    name: String,
    chunks: Chunks,
    pieces: Rc<[OpenPiece]>,
}

impl Bytes for StoredFile {
    fn len(&self) -> u64 {
        self.chunks.size()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), LoadError> {
        let failed = |detail: String| LoadError::Io { path: self.name.clone(), detail };
        let parts =
            self.chunks.parts(offset, into.len()).ok_or_else(|| LoadError::Weights("it ends too early".into()))?;
        let mut rest = into;
        for part in parts {
            let (now, later) = rest.split_at_mut(part.length);
            rest = later;
            let piece = self.pieces.get(part.chunk).ok_or_else(|| failed("a part is missing".into()))?;
            let read = piece.read(part.from, now).map_err(|error| failed(error.to_string()))?;
            if read != part.length {
                return Err(failed("a stored part is too short: check the model".into()));
            }
        }
        Ok(())
    }
}

/// A complete model of the library, opened.
#[derive(Debug)]
pub struct StoredFolder {
    /// What the manifest says.
    pub manifest: Manifest,
    files: Vec<StoredFile>,
}

impl StoredFolder {
    /// Opens the model `id`, which has to be complete. Its pieces stay locked against changes until this is dropped.
    pub async fn open(library: &Library<Opfs>, id: &str) -> Result<Self, LibraryError> {
        let manifest = library.ready(id).await?;
        let mut files = Vec::new();
        for (index, file) in manifest.files.iter().enumerate() {
            let partial = || LibraryError::Partial(manifest.source.name());
            let chunks = Chunks::of(&manifest, file).ok_or_else(partial)?;
            let mut pieces = Vec::new();
            for chunk in 0..file.chunks.len() {
                pieces.push(library.storage.piece(id, &Manifest::piece(index, chunk)).await?);
            }
            files.push(StoredFile { name: file.name.clone(), chunks, pieces: pieces.into() });
        }
        Ok(Self { manifest, files })
    }

    /// The GGUF file, where the model is one.
    pub fn gguf(&self) -> Option<StoredFile> {
        self.files.iter().find(|file| is_gguf(&file.name)).cloned()
    }

    /// The SHA-256 of the weights, or of their index where they are in several files.
    pub fn weights_sha256(&self) -> Option<String> {
        let holds = |name: &str| name == WEIGHTS || name == INDEX || is_gguf(name);
        self.manifest.files.iter().find(|file| holds(&file.name)).and_then(|file| file.sha256.clone())
    }
}

fn is_gguf(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".gguf")
}

impl Folder for StoredFolder {
    type File = StoredFile;

    fn open(&self, name: &str) -> Result<Option<StoredFile>, LoadError> {
        Ok(self.files.iter().find(|file| file.name == name).cloned())
    }
}
