//! Conversations in the browser's origin-private file system: a folder `conversations` with a file each. A write replaces
//! the whole file or nothing, and a lock over all tabs keeps two of them from writing one conversation over the other.

use crate::lock::Lock;
use crate::store_error::{StoreError, settled, text_of};
use citer_chat::{Conversation, Record};
use js_sys::{AsyncIterator, Function, Promise, Reflect};
use leptos::prelude::window;
use wasm_bindgen::prelude::*;
use web_sys::{
    Blob, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions,
};

const FOLDER: &str = "conversations";
const ENDING: &str = ".json";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = FileSystemFileHandle)]
    type FileHandle;
    #[wasm_bindgen(method, js_name = createWritable)]
    fn writable(this: &FileHandle) -> Promise;

    type Writable;
    #[wasm_bindgen(method)]
    fn write(this: &Writable, text: &str) -> Promise;
    #[wasm_bindgen(method)]
    fn close(this: &Writable) -> Promise;

    #[derive(Clone, Debug)]
    #[wasm_bindgen(extends = FileSystemDirectoryHandle)]
    type Directory;
    #[wasm_bindgen(method)]
    fn keys(this: &Directory) -> AsyncIterator;
}

/// What came of saving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Stored with this revision.
    Stored(u64),
    /// Another tab changed it meanwhile, so it was stored beside that, under this name.
    Beside(String),
}

/// The conversations' folder.
#[derive(Clone, Debug)]
pub struct Store(Directory);

impl Store {
    /// Opens it.
    pub async fn open() -> Result<Self, StoreError> {
        let storage = Reflect::get(&window().navigator(), &"storage".into()).unwrap_or_default();
        let can = Reflect::get(&storage, &"getDirectory".into()).is_ok_and(|f| f.is_instance_of::<Function>());
        if !can {
            return Err(StoreError::Denied(String::new()));
        }
        let root = settled(window().navigator().storage().get_directory()).await;
        let root: FileSystemDirectoryHandle = root.map_err(|error| StoreError::Denied(words(error)))?.unchecked_into();
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        let folder = settled(root.get_directory_handle_with_options(FOLDER, &options)).await;
        Ok(Self(folder.map_err(|error| StoreError::Denied(words(error)))?.unchecked_into()))
    }

    /// The names of all stored conversations.
    pub async fn list(&self) -> Result<Vec<String>, StoreError> {
        let keys = self.0.keys();
        let mut names = Vec::new();
        loop {
            let next = settled(keys.next().map_err(|error| StoreError::Failed(text_of(&error)))?).await?;
            if Reflect::get(&next, &"done".into()).unwrap_or(JsValue::TRUE).is_truthy() {
                return Ok(names);
            }
            let name = Reflect::get(&next, &"value".into()).ok().and_then(|name| name.as_string()).unwrap_or_default();
            names.extend(name.strip_suffix(ENDING).map(str::to_owned));
        }
    }

    /// The JSON of a conversation, if it is there.
    pub async fn read(&self, id: &str) -> Result<Option<String>, StoreError> {
        let file = match settled(self.0.get_file_handle(&format!("{id}{ENDING}"))).await {
            Ok(file) => file.unchecked_into::<FileSystemFileHandle>(),
            Err(StoreError::Failed(name)) if name.starts_with("NotFoundError") => return Ok(None),
            Err(error) => return Err(error),
        };
        let blob: Blob = settled(file.get_file()).await?.unchecked_into();
        Ok(settled(blob.text()).await?.as_string())
    }

    /// Stores a conversation, unless another tab stored a later one: then it is stored beside that.
    pub async fn save(&self, conversation: &Conversation) -> Result<Saved, StoreError> {
        let mut record = Record::from(conversation);
        let lock = Lock::take(&format!("citer.conversation.{}", record.id)).await;
        let stored = self.read(&record.id).await?;
        // Nobody needs a stored file that cannot be read; the conversation at hand is whole.
        let theirs = stored.and_then(|json| serde_json::from_str::<Record>(&json).ok()).map(|record| record.revision);
        let saved = match theirs {
            Some(theirs) if theirs != record.revision => {
                record.id = super::new_id();
                record.revision = 0;
                Saved::Beside(record.id.clone())
            }
            _ => {
                record.revision += 1;
                Saved::Stored(record.revision)
            }
        };
        let written = self.write(&record).await;
        drop(lock);
        written.map(|()| saved)
    }

    async fn write(&self, record: &Record) -> Result<(), StoreError> {
        let json = record.to_json().map_err(|error| StoreError::Failed(error.to_string()))?;
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let name = format!("{}{ENDING}", record.id);
        let file = settled(self.0.get_file_handle_with_options(&name, &options)).await?;
        let writable: Writable = settled(file.unchecked_into::<FileHandle>().writable()).await?.unchecked_into();
        settled(writable.write(&json)).await?;
        // What was written replaces the file only now.
        settled(writable.close()).await.map(drop)
    }

    /// Deletes a conversation.
    pub async fn delete(&self, id: &str) -> Result<(), StoreError> {
        match settled(self.0.remove_entry(&format!("{id}{ENDING}"))).await {
            Err(StoreError::Failed(name)) if name.starts_with("NotFoundError") => Ok(()),
            other => other.map(drop),
        }
    }
}

fn words(error: StoreError) -> String {
    match error {
        StoreError::Denied(words) | StoreError::Failed(words) => words,
        StoreError::Full => String::new(),
    }
}
