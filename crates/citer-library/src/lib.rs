//! The model library: where models come from, what is stored of them, and whether they run here. No I/O and no DOM:
//! bytes come through [`Fetch`] and go through [`Storage`], so every interruption can be tested.
//!
//! A model is a folder of chunks with a manifest. One loop ([`complete`]) downloads, resumes and heals: it walks the
//! chunks in order, reads what is stored, fetches what is missing or damaged, and hashes both on the way.

mod choice;
mod discover;
mod download;
mod error;
mod fetch;
mod fit;
mod hash;
mod hub;
mod library;
mod manifest;
mod outline;
mod slots;
mod source;
mod storage;
mod stored;
mod transfer;

pub use discover::{Wanted, discover};
pub use download::{Progress, complete, complete_one};
pub use error::LibraryError;
pub use fetch::{Body, ContentRange, Fetch, FetchError, Reply};
pub use fit::{Machine, Needs, Sizes, room, verdict};
pub use library::Library;
pub use manifest::{FileEntry, MAX_CHUNK_SIZE, Manifest};
pub use outline::Outline;
pub use source::{Source, SourceError};
pub use storage::{Storage, StorageError};
pub use stored::{Chunks, Part};
