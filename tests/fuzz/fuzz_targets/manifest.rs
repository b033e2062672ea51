//! A stored model's manifest, as damaged or hostile as a disk can make it.
#![no_main]

use citer_core::StopFlag;
use citer_files::hash::sha256;
use citer_fuzz::library::{Memory, ready};
use citer_library::{Chunks, Library, Manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Only the folder's name is taken from what nobody has checked yet.
    let Ok(claimed) = serde_json::from_slice::<Manifest>(data) else { return };
    let (library, id) = (Library::new(Memory::default()), claimed.id());
    let record = [sha256(data).as_bytes(), b"\n", data].concat();
    let mut pieces = library.storage.0.borrow_mut();
    pieces.insert((id.clone(), "manifest-0".into()), record.clone());
    pieces.insert((id.clone(), "manifest-1".into()), record[..record.len() / 2].to_vec());
    for chunk in 0..3 {
        pieces.insert((id.clone(), Manifest::piece(0, chunk)), vec![0; 10]);
    }
    drop(pieces);
    let Ok(listed) = ready(library.list()) else { return };
    let Some((_, Some(manifest))) = listed.into_iter().next() else {
        assert!(ready(library.manifest(&id)).is_err());
        return;
    };
    let (size, stored) = (manifest.size(), manifest.stored());
    assert!(stored <= size, "{stored} of {size} bytes");
    let _ = (manifest.weights(), manifest.is_complete());
    for file in &manifest.files {
        let _ = (file.chunk_length(usize::MAX, manifest.chunk_size), ready(library.read(&manifest, &file.name)));
        if let Some(chunks) = Chunks::of(&manifest, file) {
            assert!(chunks.parts(chunks.size(), 1).is_none());
            let _ = chunks.parts(0, 8).map(|parts| parts.take(9).count());
        }
    }
    let _ = ready(library.ready(&id));
    if let Ok((checked, _)) = ready(library.check(&id, &StopFlag::default(), |_| ())) {
        assert!(checked.stored() <= stored, "a check stores nothing");
        assert!(ready(library.manifest(&id)).is_ok(), "what it wrote is read back");
    }
    assert!(ready(library.remove(&id)).is_ok() && library.storage.0.borrow().is_empty());
});
