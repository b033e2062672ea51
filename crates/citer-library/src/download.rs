//! The download: one loop that fetches what is missing, resumes and heals.

use crate::{
    error::LibraryError, fetch::Fetch, hash::Hasher, manifest::Manifest, slots, storage::Storage, transfer::Transfer,
};
use citer_core::StopFlag;
use citer_files::hash::sha256;

/// How far a download or check is, over all files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are stored, or were checked.
    pub done: u64,
    /// Bytes of all files.
    pub total: u64,
    /// Whether stored bytes are being read rather than new ones fetched.
    pub checking: bool,
}

/// Makes the model complete: walks the chunks of every file that is not, keeps those that are stored and undamaged,
/// fetches the others, and checks the SHA-256 of the whole. Every chunk that was stored stays stored, whatever happens.
///
/// A file whose hash or version turns out wrong is fetched once more from its beginning.
///
/// # Errors
/// Everything of [`LibraryError`] that a network and a storage can do; call it again to go on.
pub async fn complete<S: Storage, F: Fetch>(
    storage: &S,
    fetch: &F,
    manifest: &mut Manifest,
    stop: &StopFlag,
    mut progress: impl FnMut(Progress),
) -> Result<(), LibraryError> {
    for file in 0..manifest.files.len() {
        once_more(storage, fetch, manifest, file, stop, &mut progress).await?;
    }
    Ok(())
}

/// Makes the one file `name` complete, as [`complete`] does with all: what a model says of itself before the rest is worth a
/// download. Nothing happens where it has no such file.
pub async fn complete_one<S: Storage, F: Fetch>(
    storage: &S,
    fetch: &F,
    manifest: &mut Manifest,
    name: &str,
    stop: &StopFlag,
) -> Result<(), LibraryError> {
    match manifest.file(name) {
        Some(file) => once_more(storage, fetch, manifest, file, stop, &mut |_| {}).await,
        None => Ok(()),
    }
}

/// A file whose hash or version is wrong gets a second chance.
async fn once_more<S: Storage, F: Fetch>(
    storage: &S,
    fetch: &F,
    manifest: &mut Manifest,
    file: usize,
    stop: &StopFlag,
    progress: &mut impl FnMut(Progress),
) -> Result<(), LibraryError> {
    if manifest.files[file].complete {
        return Ok(());
    }
    match complete_file(storage, fetch, manifest, file, stop, progress).await {
        Err(LibraryError::Changed(_) | LibraryError::Hash(_)) => {
            forget(storage, manifest, file).await?;
            complete_file(storage, fetch, manifest, file, stop, progress).await
        }
        other => other,
    }
}

async fn complete_file<S: Storage, F: Fetch>(
    storage: &S,
    fetch: &F,
    manifest: &mut Manifest,
    file: usize,
    stop: &StopFlag,
    progress: &mut impl FnMut(Progress),
) -> Result<(), LibraryError> {
    let (id, chunk_size) = (manifest.id(), manifest.chunk_size);
    let entry = &manifest.files[file];
    let mut transfer = Transfer::new(fetch, stop, &entry.name, &entry.url).knowing(
        entry.size,
        entry.etag.clone(),
        entry.sha256.is_some(),
    );
    let mut hasher = Hasher::default();
    for chunk in 0.. {
        if stop.is_stopped() {
            return Err(LibraryError::Stopped);
        }
        let begin = chunk as u64 * chunk_size;
        if manifest.files[file].size.is_some_and(|size| begin >= size) {
            break;
        }
        if let Some(bytes) = intact(storage, manifest, file, chunk).await? {
            hasher.add(&bytes);
            progress(Progress { done: manifest.stored(), total: manifest.size(), checking: true });
            continue;
        }
        if let Some(hash) = manifest.files[file].chunks.get_mut(chunk) {
            *hash = None;
        }
        let (stored, total) = (manifest.stored(), manifest.size());
        let heard = |come| progress(Progress { done: stored + come, total: total.max(stored + come), checking: false });
        let bytes = transfer.read(begin, chunk_size as usize, heard).await?;
        let entry = &mut manifest.files[file];
        (entry.size, entry.etag) = (transfer.size, transfer.etag.clone());
        if bytes.is_empty() {
            // A file of unknown length ended with the chunk before.
            break;
        }
        storage.write(&id, &Manifest::piece(file, chunk), &bytes).await?;
        if entry.chunks.len() <= chunk {
            entry.chunks.resize(chunk + 1, None);
        }
        entry.chunks[chunk] = Some(sha256(&bytes));
        slots::save(storage, manifest).await?;
        hasher.add(&bytes);
    }
    transfer.finish().await?;
    let hash = hasher.finish();
    let entry = &mut manifest.files[file];
    if entry.sha256.as_ref().is_some_and(|promised| *promised != hash) {
        return Err(LibraryError::Hash(entry.name.clone()));
    }
    (entry.sha256, entry.complete) = (Some(hash), true);
    slots::save(storage, manifest).await
}

/// Reads every stored chunk and marks the damaged and lost ones as missing. Returns how many there are.
pub(crate) async fn check<S: Storage>(
    storage: &S,
    manifest: &mut Manifest,
    stop: &StopFlag,
    mut progress: impl FnMut(Progress),
) -> Result<u64, LibraryError> {
    let (mut damaged, mut done, total) = (0, 0, manifest.stored());
    for file in 0..manifest.files.len() {
        for chunk in 0..manifest.files[file].chunks.len() {
            if stop.is_stopped() {
                return Err(LibraryError::Stopped);
            }
            if manifest.files[file].chunks[chunk].is_none() {
                continue;
            }
            done += manifest.files[file].chunk_length(chunk, manifest.chunk_size).unwrap_or(manifest.chunk_size);
            progress(Progress { done, total, checking: true });
            if intact(storage, manifest, file, chunk).await?.is_none() {
                manifest.files[file].chunks[chunk] = None;
                manifest.files[file].complete = false;
                damaged += 1;
            }
        }
    }
    if damaged > 0 {
        slots::save(storage, manifest).await?;
    }
    Ok(damaged)
}

/// The bytes of a chunk, if it is stored as the manifest says.
async fn intact<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    file: usize,
    chunk: usize,
) -> Result<Option<Vec<u8>>, LibraryError> {
    let entry = &manifest.files[file];
    let Some(Some(hash)) = entry.chunks.get(chunk) else { return Ok(None) };
    let length = entry.chunk_length(chunk, manifest.chunk_size).unwrap_or(manifest.chunk_size);
    let bytes = storage.read(&manifest.id(), &Manifest::piece(file, chunk)).await?;
    Ok(bytes.filter(|bytes| bytes.len() as u64 == length && sha256(bytes) == *hash))
}

/// Forgets a file that is not the one promised. Its length is learned anew unless its source promised it.
async fn forget<S: Storage>(storage: &S, manifest: &mut Manifest, file: usize) -> Result<(), LibraryError> {
    let id = manifest.id();
    let chunks = manifest.files[file].chunks.len();
    manifest.files[file].forget();
    if manifest.files[file].sha256.is_none() {
        manifest.files[file].size = None;
    }
    slots::save(storage, manifest).await?;
    for chunk in 0..chunks {
        storage.delete(&id, &Manifest::piece(file, chunk)).await?;
    }
    Ok(())
}
