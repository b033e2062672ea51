//! Slots: the manifest is written to two pieces in turn, so that a torn write leaves the one before.

use crate::{
    error::LibraryError,
    manifest::Manifest,
    storage::{Storage, StorageError},
};
use citer_files::hash::sha256;

pub(crate) const SLOTS: [&str; 2] = ["manifest-0", "manifest-1"];

/// Writes the manifest over the older of the two.
pub(crate) async fn save<S: Storage>(storage: &S, manifest: &mut Manifest) -> Result<(), LibraryError> {
    let next = Manifest { sequence: manifest.sequence + 1, ..manifest.clone() };
    let json = next.to_json()?;
    let mut bytes = sha256(&json).into_bytes();
    bytes.push(b'\n');
    bytes.extend(json);
    let slot = SLOTS[(next.sequence % 2) as usize];
    storage.write(&next.id(), slot, &bytes).await?;
    // Only now: after a failed write the same slot is tried again, and the good one stays.
    manifest.sequence = next.sequence;
    Ok(())
}

/// The newest manifest of the folder `model` that can be read.
pub(crate) async fn load<S: Storage>(storage: &S, model: &str) -> Result<Option<Manifest>, StorageError> {
    let mut newest: Option<Manifest> = None;
    for slot in SLOTS {
        let found = storage.read(model, slot).await?.as_deref().and_then(read);
        // A folder that was renamed or copied is not the model it says.
        let found = found.filter(|manifest| manifest.id() == model);
        if found.as_ref().map(|manifest| manifest.sequence) > newest.as_ref().map(|manifest| manifest.sequence) {
            newest = found;
        }
    }
    Ok(newest)
}

fn read(bytes: &[u8]) -> Option<Manifest> {
    let (hash, rest) = bytes.split_at_checked(64)?;
    let json = rest.strip_prefix(b"\n")?;
    (sha256(json).as_bytes() == hash).then(|| Manifest::parse(json)).flatten()
}
