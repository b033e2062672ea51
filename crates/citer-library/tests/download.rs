//! Downloads under every kind of interruption: nothing stored is lost, nothing wrong is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use citer_core::StopFlag;
use citer_files::hash::sha256;
use citer_library::{Library, LibraryError, Manifest, Source, Wanted, complete};
use common::*;
use futures::executor::block_on;

const BASE: &str = "http://site/m";
const CHUNK: u64 = 512;

fn site(seed: u64) -> Site {
    Site {
        files: model(BASE, seed).into_iter().collect::<std::collections::BTreeMap<_, _>>().into(),
        ..Site::default()
    }
}

fn source() -> Source {
    Source::Folder { url: BASE.into() }
}

fn library(memory: &Memory) -> Library<Memory> {
    Library { storage: memory.clone(), chunk_size: CHUNK }
}

/// Looks the model up if need be and downloads what is missing.
fn run(library: &Library<Memory>, site: &Site, stop: &StopFlag) -> Result<Manifest, LibraryError> {
    block_on(async {
        let mut manifest = library.add(site, &source(), stop).await?;
        complete(&library.storage, site, &mut manifest, stop, |_| {}).await?;
        Ok(manifest)
    })
}

/// The model is there, byte for byte.
fn whole(library: &Library<Memory>, site: &Site) {
    block_on(async {
        let manifest = library.ready(&source().id()).await.unwrap();
        let files = site.files.borrow().clone();
        for (url, bytes) in files {
            let name = url.rsplit('/').next().unwrap();
            let stored = library.read(&manifest, name).await.unwrap();
            assert!(stored == Some(bytes), "{name} is not what the site has");
        }
    });
}

/// The model as a source that promises hashes would list it.
fn promised(site: &Site) -> Manifest {
    let files = site.files.borrow();
    let wanted = files.iter().map(|(url, bytes)| Wanted {
        name: url.rsplit('/').next().unwrap().into(),
        url: url.clone(),
        size: Some(bytes.len() as u64),
        sha256: Some(sha256(bytes)),
    });
    Manifest::new(source(), wanted.collect(), CHUNK)
}

#[test]
fn an_undisturbed_download_asks_once_for_each_file() {
    let (memory, site) = (Memory::default(), site(1));
    let library = library(&memory);
    let mut manifest = block_on(library.add(&site, &source(), &StopFlag::default())).unwrap();
    assert_eq!(manifest.size(), site.files.borrow().values().map(|bytes| bytes.len() as u64).sum::<u64>());
    site.log.borrow_mut().clear();
    let mut seen = Vec::new();
    block_on(complete(&memory, &site, &mut manifest, &StopFlag::default(), |p| seen.push(p))).unwrap();
    assert_eq!(site.requests(), 3);
    whole(&library, &site);
    assert!(seen.windows(2).all(|pair| pair[0].done <= pair[1].done && pair[0].total == pair[1].total));
    assert_eq!(seen.last().map(|p| (p.done, p.checking)), Some((manifest.size(), false)));
    // A complete model is not asked for again.
    run(&library, &site, &StopFlag::default()).unwrap();
    assert_eq!(site.requests(), 3);
}

#[test]
fn a_thousand_faulty_networks_end_with_the_right_bytes() {
    let mut gave_up = 0;
    for seed in 0..1_000 {
        let memory = Memory::default();
        let site = site(seed).faulty(seed, &PASSING);
        let library = library(&memory);
        // Giving up is allowed, losing is not: what was stored stays, and another attempt goes on from there.
        let mut stored = 0;
        for attempt in 0.. {
            assert!(attempt < 50, "seed {seed}: no progress");
            match run(&library, &site, &StopFlag::default()) {
                Ok(_) => break,
                Err(LibraryError::Unreachable { .. } | LibraryError::Refused { status: 500.., .. }) => gave_up += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
            let now = block_on(library.manifest(&source().id())).map_or(0, |manifest| manifest.stored());
            assert!(now >= stored, "seed {seed}: stored bytes were lost");
            stored = now;
        }
        whole(&library, &site);
    }
    println!("gave up {gave_up} times in 1,000 downloads");
}

#[test]
fn killed_at_any_moment_a_download_goes_on() {
    let site = site(3);
    let calm = Memory::default();
    run(&library(&calm), &site, &StopFlag::default()).unwrap();
    let operations = calm.operations.get();
    assert!(operations > 20);
    for moment in 1..=operations {
        let memory = Memory::default();
        memory.alive.set(Some(moment));
        let _ = run(&library(&memory), &site, &StopFlag::default());
        // The page opens again.
        memory.alive.set(None);
        let before = block_on(library(&memory).list()).unwrap();
        let stored = before.first().and_then(|(_, manifest)| manifest.as_ref()).map_or(0, Manifest::stored);
        site.log.borrow_mut().clear();
        run(&library(&memory), &site, &StopFlag::default()).unwrap_or_else(|error| panic!("moment {moment}: {error}"));
        whole(&library(&memory), &site);
        let weights: Vec<u64> = site
            .log
            .borrow()
            .iter()
            .filter(|(url, _)| url.ends_with("model.safetensors"))
            .map(|(_, from)| *from)
            .collect();
        if stored > 2 * CHUNK + 800 {
            assert!(
                weights.iter().all(|from| *from > 0),
                "moment {moment}: stored bytes are fetched again: {weights:?}"
            );
        }
    }
}

#[test]
fn killed_twice_with_a_faulty_network_it_still_ends_right() {
    for seed in 0..300 {
        let memory = Memory::default();
        let site = site(seed).faulty(seed, &PASSING);
        let random = Random::new(seed ^ 0xDEAD);
        for _ in 0..3 {
            memory.alive.set(Some(1 + random.below(40)));
            let _ = run(&library(&memory), &site, &StopFlag::default());
        }
        memory.alive.set(None);
        (0..50)
            .find(|_| run(&library(&memory), &site, &StopFlag::default()).is_ok())
            .unwrap_or_else(|| panic!("seed {seed}: no end"));
        whole(&library(&memory), &site);
    }
}

#[test]
fn flipped_bits_are_never_accepted_where_a_hash_is_promised() {
    let (mut right, mut refused) = (0, 0);
    for seed in 0..300 {
        let memory = Memory::default();
        let site = site(seed).faulty(seed, &[Fault::Flipped, Fault::Broken, Fault::Whole]);
        let library = library(&memory);
        let mut manifest = promised(&site);
        match block_on(complete(&memory, &site, &mut manifest, &StopFlag::default(), |_| {})) {
            Ok(()) => {
                right += 1;
                whole(&library, &site);
            }
            Err(LibraryError::Hash(_)) => {
                refused += 1;
                assert!(!manifest.is_complete());
                assert!(matches!(block_on(library.ready(&source().id())), Err(LibraryError::Partial(_))));
            }
            Err(LibraryError::Unreachable { .. }) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(right > 30 && refused > 30, "{right} right, {refused} refused");
}

#[test]
fn a_file_that_changes_is_begun_anew_or_named() {
    for no_ranges in [false, true] {
        let stop = StopFlag::default();
        let memory = Memory::default();
        let site = Site { no_ranges, ..site(5) };
        let library = library(&memory);
        // Paused within the weights, the file changes, and the download goes on.
        let mut manifest = block_on(library.add(&site, &source(), &stop)).unwrap();
        let heard = |progress: citer_library::Progress| {
            if progress.done > 2000 {
                stop.stop();
            }
        };
        let ended = block_on(complete(&memory, &site, &mut manifest, &stop, heard));
        assert_eq!(ended, Err(LibraryError::Stopped));
        let (longer, version) = (noise(99, 6000), site.version.get() + 1);
        let mut changed = vec![8, 0, 0, 0, 0, 0, 0, 0, b'{'];
        changed.extend(longer);
        site.files.borrow_mut().insert(format!("{BASE}/model.safetensors"), changed);
        site.version.set(version);
        run(&library, &site, &StopFlag::default()).unwrap();
        whole(&library, &site);
    }
    // Where the source promised another hash, the change is an error that says what to do.
    let (memory, site) = (Memory::default(), site(5));
    let mut manifest = promised(&site);
    site.files.borrow_mut().insert(format!("{BASE}/config.json"), b"{\"a\":2}".to_vec());
    let ended = block_on(complete(&memory, &site, &mut manifest, &StopFlag::default(), |_| {}));
    assert_eq!(ended, Err(LibraryError::Hash("config.json".into())));
}

#[test]
fn a_body_that_goes_on_past_its_end_is_of_another_file() {
    let (memory, site) = (Memory::default(), Site { surplus: 3, ..site(6) });
    let mut manifest = promised(&site);
    let ended = block_on(complete(&memory, &site, &mut manifest, &StopFlag::default(), |_| {}));
    assert!(matches!(ended, Err(LibraryError::Changed(_))), "{ended:?}");
}

#[test]
fn a_pause_keeps_what_came_and_waits_for_no_retry() {
    let (memory, stop) = (Memory::default(), StopFlag::default());
    let site = site(7);
    let library = library(&memory);
    let mut manifest = block_on(library.add(&site, &source(), &stop)).unwrap();
    let heard = |progress: citer_library::Progress| {
        if progress.done > 3000 {
            stop.stop();
        }
    };
    assert_eq!(block_on(complete(&memory, &site, &mut manifest, &stop, heard)), Err(LibraryError::Stopped));
    let stored = block_on(library.manifest(&source().id())).unwrap().stored();
    assert!((3000 - CHUNK..=3000).contains(&stored), "{stored}");
    site.log.borrow_mut().clear();
    run(&library, &site, &StopFlag::default()).unwrap();
    assert_eq!(site.requests(), 1, "only the weights go on: {:?}", site.log.borrow());
    whole(&library, &site);
}

#[test]
fn a_full_storage_is_named_and_loses_nothing() {
    let (memory, site) = (Memory::default(), site(8));
    let library = library(&memory);
    memory.capacity.set(Some(6000));
    let ended = run(&library, &site, &StopFlag::default());
    assert!(matches!(&ended, Err(LibraryError::Storage(error)) if error.to_string().contains("full")), "{ended:?}");
    let stored = block_on(library.manifest(&source().id())).unwrap().stored();
    assert!(stored > 0);
    memory.capacity.set(None);
    site.log.borrow_mut().clear();
    run(&library, &site, &StopFlag::default()).unwrap();
    assert!(site.log.borrow().iter().all(|(_, from)| *from > 0), "stored chunks are kept");
    whole(&library, &site);
}

#[test]
fn damaged_and_lost_chunks_are_found_and_healed() {
    for seed in 0..100 {
        let (memory, site) = (Memory::default(), site(seed));
        let library = library(&memory);
        run(&library, &site, &StopFlag::default()).unwrap();
        let random = Random::new(seed);
        let mut spoilt = 0;
        memory.pieces.borrow_mut().retain(|(_, piece), bytes| {
            if piece.starts_with("manifest") || random.below(3) > 0 {
                return true;
            }
            spoilt += 1;
            let place = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => return false,
                1 => bytes[place] ^= 1,
                _ => bytes.truncate(place),
            }
            true
        });
        site.log.borrow_mut().clear();
        let (mut manifest, found) = block_on(library.check(&source().id(), &StopFlag::default(), |_| {})).unwrap();
        assert_eq!(found, spoilt, "seed {seed}");
        assert_eq!(site.requests(), 0, "a check needs no network");
        block_on(complete(&memory, &site, &mut manifest, &StopFlag::default(), |_| {})).unwrap();
        assert!(site.requests() as u64 <= spoilt, "only damaged parts are fetched");
        whole(&library, &site);
    }
}

#[test]
fn waits_grow_and_end() {
    let (memory, site) = (Memory::default(), site(9));
    let mut manifest = promised(&site);
    let down = site.faulty(1, &[Fault::Status(503)]);
    // Always this fault: a random source that only has one is asked until it happens six times in a row.
    let ended = (0..200).find_map(|_| {
        let mut fresh = manifest.clone();
        down.waited.set(0);
        block_on(complete(&Memory::default(), &down, &mut fresh, &StopFlag::default(), |_| {})).err()
    });
    assert!(matches!(ended, Some(LibraryError::Unreachable { .. })), "{ended:?}");
    // 1.5 s asked for by the server each time, and 2, 4, 8 s of its own.
    assert!(down.waited.get() >= 1500 + 1500 + 2000 + 4000 + 8000, "{}", down.waited.get());
    let refusing = Site { page: None, ..Site::default() };
    let error = block_on(complete(&memory, &refusing, &mut manifest, &StopFlag::default(), |_| {})).unwrap_err();
    assert!(matches!(error, LibraryError::Refused { status: 404, .. }));
    assert_eq!((refusing.requests(), refusing.waited.get()), (1, 0), "a refusal is not tried again");
}
