//! Storage in the browser's origin-private file system: a folder `models` with a folder a model and a file a piece.

use citer_library::{Storage, StorageError};
use js_sys::{Array, Function, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, DomException, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemRemoveOptions, FileSystemSyncAccessHandle,
};

/// The folder that holds all models.
const FOLDER: &str = "models";

/// A folder of folders, the models' for one.
#[derive(Clone, Debug)]
pub struct Opfs(FileSystemDirectoryHandle);

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = FileSystemFileHandle)]
    type FileHandle;

    /// With options, which browsers without them ignore.
    #[wasm_bindgen(method, js_name = createSyncAccessHandle)]
    fn open_with(this: &FileHandle, options: &JsValue) -> js_sys::Promise;
}

impl Opfs {
    /// Opens the models' folder.
    pub async fn open() -> Result<Self, StorageError> {
        Self::named(FOLDER).await
    }

    /// Opens the folder `name`.
    pub async fn named(name: &str) -> Result<Self, StorageError> {
        let navigator = crate::scope().navigator();
        let storage = Reflect::get(&navigator, &"storage".into()).unwrap_or_default();
        let is_there = Reflect::get(&storage, &"getDirectory".into()).is_ok_and(|f| f.is_instance_of::<Function>());
        if !is_there {
            return Err(StorageError::Denied(
                "it has no file system for this page, which has to come over https".into(),
            ));
        }
        let root: FileSystemDirectoryHandle = settled(navigator.storage().get_directory()).await?;
        Ok(Self(folder(&root, name, true).await?))
    }

    /// A piece, opened for reading at any place without waiting. It stays locked against writing until it is dropped.
    pub async fn piece(&self, model: &str, piece: &str) -> Result<OpenPiece, StorageError> {
        let folder = folder(&self.0, model, false).await?;
        let file: FileSystemFileHandle = settled(folder.get_file_handle(piece)).await?;
        let options = js_sys::Object::new();
        // Several readers at once, where the browser can.
        let _ = Reflect::set(&options, &"mode".into(), &"read-only".into());
        Ok(OpenPiece(settled(file.unchecked_into::<FileHandle>().open_with(&options)).await?))
    }
}

/// A piece that is open; closed when it is dropped.
#[derive(Debug)]
pub struct OpenPiece(FileSystemSyncAccessHandle);

impl OpenPiece {
    /// Reads from `at` on; returns the number of bytes read.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        let options = FileSystemReadWriteOptions::new();
        options.set_at(at as f64);
        let read = self.0.read_with_u8_array_and_options(into, &options).map_err(|error| failure(&error))?;
        Ok(read as usize)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), StorageError> {
        let io = |error: JsValue| failure(&error);
        let options = FileSystemReadWriteOptions::new();
        options.set_at(0.0);
        let written = self.0.write_with_u8_array_and_options(bytes, &options).map_err(io)?;
        if written as usize != bytes.len() {
            return Err(StorageError::Full);
        }
        self.0.truncate_with_f64(bytes.len() as f64).map_err(io)?;
        self.0.flush().map_err(io)
    }
}

impl Drop for OpenPiece {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Storage for Opfs {
    async fn models(&self) -> Result<Vec<String>, StorageError> {
        let entries = entries(&self.0).await?;
        let folders = entries.into_iter().filter(|(_, entry)| entry.is_instance_of::<FileSystemDirectoryHandle>());
        Ok(folders.map(|(name, _)| name).collect())
    }

    async fn pieces(&self, model: &str) -> Result<Vec<(String, u64)>, StorageError> {
        let Some(folder) = present(folder(&self.0, model, false).await)? else { return Ok(Vec::new()) };
        let mut pieces = Vec::new();
        for (name, entry) in entries(&folder).await? {
            if let Ok(file) = entry.dyn_into::<FileSystemFileHandle>() {
                // Deleted since, by another tab.
                let Some(blob) = present(settled::<Blob>(file.get_file()).await)? else { continue };
                pieces.push((name, blob.size() as u64));
            }
        }
        Ok(pieces)
    }

    async fn read(&self, model: &str, piece: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(folder) = present(folder(&self.0, model, false).await)? else { return Ok(None) };
        let file = present(settled::<FileSystemFileHandle>(folder.get_file_handle(piece)).await)?;
        let Some(file) = file else { return Ok(None) };
        let Some(blob) = present(settled::<Blob>(file.get_file()).await)? else { return Ok(None) };
        super::blob::bytes(&blob).await.map(Some).map_err(|error| failure(&error))
    }

    async fn write(&self, model: &str, piece: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let folder = folder(&self.0, model, true).await?;
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file: FileSystemFileHandle = settled(folder.get_file_handle_with_options(piece, &options)).await?;
        OpenPiece(settled(file.create_sync_access_handle()).await?).write(bytes)
    }

    async fn delete(&self, model: &str, piece: &str) -> Result<(), StorageError> {
        let Some(folder) = present(folder(&self.0, model, false).await)? else { return Ok(()) };
        present(settled::<JsValue>(folder.remove_entry(piece)).await).map(|_| ())
    }

    async fn delete_model(&self, model: &str) -> Result<(), StorageError> {
        let options = FileSystemRemoveOptions::new();
        options.set_recursive(true);
        present(settled::<JsValue>(self.0.remove_entry_with_options(model, &options)).await).map(|_| ())
    }
}

async fn folder(
    parent: &FileSystemDirectoryHandle,
    name: &str,
    create: bool,
) -> Result<FileSystemDirectoryHandle, StorageError> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(create);
    settled(parent.get_directory_handle_with_options(name, &options)).await
}

async fn entries(folder: &FileSystemDirectoryHandle) -> Result<Vec<(String, JsValue)>, StorageError> {
    let (all, mut entries) = (folder.entries(), Vec::new());
    loop {
        let next = all.next().map_err(|error| failure(&error))?;
        let next = JsFuture::from(next).await.map_err(|error| failure(&error))?;
        let part = |name: &str| Reflect::get(&next, &name.into()).unwrap_or_default();
        if part("done").is_truthy() {
            return Ok(entries);
        }
        let pair: Array = part("value").unchecked_into();
        entries.push((pair.get(0).as_string().unwrap_or_default(), pair.get(1)));
    }
}

async fn settled<T: JsCast>(promise: js_sys::Promise) -> Result<T, StorageError> {
    JsFuture::from(promise).await.map(JsCast::unchecked_into).map_err(|error| failure(&error))
}

/// What browsers say of a file that is not there.
const NOT_FOUND: &str = "NotFoundError";

/// `None` where there is no such file or folder.
fn present<T>(result: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(StorageError::Io(words)) if words.starts_with(NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

fn failure(error: &JsValue) -> StorageError {
    let Some(exception) = error.dyn_ref::<DomException>() else {
        return StorageError::Io(format!("{error:?}"));
    };
    match exception.name().as_str() {
        "QuotaExceededError" => StorageError::Full,
        "SecurityError" | "NotAllowedError" => StorageError::Denied(exception.message()),
        "NoModificationAllowedError" | "InvalidStateError" => StorageError::Busy,
        name => StorageError::Io(format!("{name}: {}", exception.message())),
    }
}
