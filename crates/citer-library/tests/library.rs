//! The library's shelf: looking up, listing and deleting, whatever the site or an interruption leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use citer_core::StopFlag;
use citer_files::hash::sha256;
use citer_library::{Library, LibraryError, Source, complete, complete_one, discover};
use common::*;
use futures::executor::block_on;

const BASE: &str = "http://site/m";

fn names(site: &Site, source: &Source) -> Result<Vec<String>, LibraryError> {
    let found = block_on(discover(site, source, &StopFlag::default()))?;
    Ok(found.into_iter().map(|wanted| wanted.name).collect())
}

fn folder() -> Source {
    Source::Folder { url: BASE.into() }
}

#[test]
fn a_folder_is_asked_for_each_file_even_where_every_address_answers() {
    let site = Site::default();
    site.files.borrow_mut().extend(model(BASE, 1));
    let site = Site { page: Some(b"<!DOCTYPE html><title>Not here</title>".to_vec()), ..site };
    assert_eq!(names(&site, &folder()).unwrap(), ["config.json", "tokenizer.json", "model.safetensors"]);
    site.files.borrow_mut().insert(format!("{BASE}/generation_config.json"), b"{}".to_vec());
    assert_eq!(names(&site, &folder()).unwrap().len(), 4);
    site.files.borrow_mut().remove(&format!("{BASE}/tokenizer.json"));
    assert_eq!(names(&site, &folder()), Err(LibraryError::Incomplete("tokenizer.json".into())));
}

#[test]
fn a_folder_in_shards_is_found_through_its_index() {
    let site = Site::default();
    site.files.borrow_mut().extend(model(BASE, 1));
    let weights = site.files.borrow_mut().remove(&format!("{BASE}/model.safetensors")).unwrap();
    let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let index = format!(r#"{{"weight_map":{{"a":"{}","b":"{}","c":"{}"}}}}"#, shards[0], shards[1], shards[0]);
    site.files.borrow_mut().insert(format!("{BASE}/model.safetensors.index.json"), index.into_bytes());
    site.files.borrow_mut().insert(format!("{BASE}/{}", shards[0]), weights.clone());
    assert_eq!(names(&site, &folder()), Err(LibraryError::Incomplete(shards[1].into())));
    site.files.borrow_mut().insert(format!("{BASE}/{}", shards[1]), weights);
    let expected = ["config.json", "tokenizer.json", "model.safetensors.index.json", shards[0], shards[1]];
    assert_eq!(names(&site, &folder()).unwrap(), expected);
}

#[test]
fn a_hub_repository_brings_sizes_and_hashes_and_is_checked_by_them() {
    let repository = "https://huggingface.co/o/n";
    let site = Site::default();
    let commit = "00000000000000000000000000000000000000ab";
    let files = model(&format!("{repository}/resolve/{commit}"), 4);
    let weights = &files[2].1;
    let listing = format!(
        r#"[{{"type":"file","path":"config.json","size":{}}},{{"type":"file","path":"tokenizer.json","size":{}}},
            {{"type":"file","path":"model.safetensors","size":{},"lfs":{{"oid":"{}","size":{}}}}}]"#,
        files[0].1.len(),
        files[1].1.len(),
        weights.len(),
        sha256(weights),
        weights.len()
    );
    let api = "https://huggingface.co/api/models/o/n";
    let newest = format!(r#"{{"sha":"{commit}"}}"#);
    site.files.borrow_mut().insert(format!("{api}/revision/main"), newest.into_bytes());
    site.files.borrow_mut().insert(format!("{api}/tree/{commit}?recursive=true"), listing.into_bytes());
    site.files.borrow_mut().extend(files.clone());
    let library = Library { storage: Memory::default(), chunk_size: Some(1000) };
    let stop = StopFlag::default();
    block_on(async {
        let source = Source::parse("o/n").unwrap();
        let mut manifest = library.add(&site, &source, &stop).await.unwrap();
        assert_eq!(manifest.size(), files.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>());
        // The repository moves on; the model stays at its commit.
        site.files.borrow_mut().insert(format!("{api}/revision/main"), br#"{"sha":"gone"}"#.to_vec());
        complete(&library.storage, &site, &mut manifest, &stop, |_| {}).await.unwrap();
        assert_eq!(library.read(&manifest, "model.safetensors").await.unwrap().as_ref(), Some(weights));
        let missing = library.add(&site, &Source::parse("o/other").unwrap(), &stop).await.unwrap_err();
        assert!(matches!(missing, LibraryError::Refused { status: 404, .. }), "{missing}");
    });
}

#[test]
fn a_listing_that_no_disk_could_hold_is_refused_and_leaves_nothing() {
    let commit = "00000000000000000000000000000000000000ab";
    let api = "https://huggingface.co/api/models/o/n";
    let shard = "model-00001-of-00002.safetensors";
    let names = |weights| ["config.json", "tokenizer.json"].into_iter().chain(weights);
    let twice: Vec<&str> = names(vec!["model.safetensors.index.json", shard, shard]).collect();
    let single: Vec<&str> = names(vec!["model.safetensors"]).collect();
    for (names, size) in [(twice, 9), (single, u64::MAX)] {
        let files = names.iter().map(|name| format!(r#"{{"type":"file","path":"{name}","size":{size}}}"#));
        let listing = format!("[{}]", files.collect::<Vec<_>>().join(","));
        let site = Site::default();
        site.files.borrow_mut().extend([
            (format!("{api}/revision/main"), format!(r#"{{"sha":"{commit}"}}"#).into_bytes()),
            (format!("{api}/tree/{commit}?recursive=true"), listing.into_bytes()),
        ]);
        let library = Library::new(Memory::default());
        let added = block_on(library.add(&site, &Source::parse("o/n").unwrap(), &StopFlag::default()));
        assert!(matches!(added, Err(LibraryError::BadListing { .. })), "{size}: {added:?}");
        assert_eq!(block_on(library.list()).unwrap(), []);
    }
}

#[test]
fn what_a_model_says_of_itself_comes_before_its_weights() {
    let site = Site::default();
    site.files.borrow_mut().extend(model(BASE, 1));
    let stop = StopFlag::default();
    let library = Library { storage: Memory::default(), chunk_size: Some(512) };
    block_on(async {
        let mut manifest = library.add(&site, &folder(), &stop).await.unwrap();
        let weights = site.files.borrow()[&format!("{BASE}/model.safetensors")].len() as u64;
        assert_eq!(manifest.weights(), weights);
        complete_one(&library.storage, &site, &mut manifest, "config.json", &stop).await.unwrap();
        complete_one(&library.storage, &site, &mut manifest, "no such file", &stop).await.unwrap();
        let stored = library.manifest(&manifest.id()).await.unwrap();
        assert_eq!(library.read(&stored, "config.json").await.unwrap(), Some(b"{\"a\":1}".to_vec()));
        assert!(matches!(library.read(&stored, "model.safetensors").await, Err(LibraryError::Partial(_))));
        assert_eq!(stored.stored(), 7);
    });
}

#[test]
fn a_gguf_file_stands_alone() {
    let site = Site::with(&[("http://site/m-Q4_0.gguf", [b"GGUF".to_vec(), noise(1, 900)].concat())]);
    let source = Source::parse("http://site/m-Q4_0.gguf").unwrap();
    assert_eq!(names(&site, &source).unwrap(), ["m-Q4_0.gguf"]);
    let page = Site::with(&[("http://site/m-Q4_0.gguf", b"<html>".to_vec())]);
    assert!(matches!(names(&page, &source), Err(LibraryError::Incomplete(_))));
}

#[test]
fn local_files_are_imported_resumed_and_not_mixed_up() {
    let site = Site::with(&[("m.gguf", [b"GGUF".to_vec(), noise(1, 900)].concat())]);
    let library = Library { storage: Memory::default(), chunk_size: Some(100) };
    let stop = StopFlag::default();
    block_on(async {
        let files = [("m.gguf".to_owned(), 904)];
        let mut manifest = library.import("m.gguf", &files).await.unwrap();
        let pause = |progress: citer_library::Progress| {
            if progress.done > 400 {
                stop.stop();
            }
        };
        let paused = complete(&library.storage, &site, &mut manifest, &stop, pause).await;
        assert_eq!(paused, Err(LibraryError::Stopped));
        let mut again = library.import("m.gguf", &files).await.unwrap();
        assert!(again.stored() >= 300, "{}", again.stored());
        complete(&library.storage, &site, &mut again, &StopFlag::default(), |_| {}).await.unwrap();
        assert_eq!(library.read(&again, "m.gguf").await.unwrap().unwrap(), site.files.borrow()["m.gguf"]);
        let other = library.import("m.gguf", &[("m.gguf".into(), 905)]).await;
        assert_eq!(other, Err(LibraryError::Taken("m.gguf".into())));
    });
}

#[test]
fn a_list_survives_damaged_records_and_finishes_deletions() {
    let site = Site::default();
    site.files.borrow_mut().extend(model(BASE, 1));
    let stop = StopFlag::default();
    let memory = Memory::default();
    let library = Library { storage: memory.clone(), chunk_size: Some(512) };
    block_on(async {
        let mut manifest = library.add(&site, &folder(), &stop).await.unwrap();
        complete(&memory, &site, &mut manifest, &stop, |_| {}).await.unwrap();
        let id = manifest.id();

        // One damaged record is made good by the other.
        let newest = format!("manifest-{}", manifest.sequence % 2);
        memory.pieces.borrow_mut().get_mut(&(id.clone(), newest)).unwrap()[80] ^= 1;
        assert!(library.manifest(&id).await.is_ok());
        // Both damaged: listed as such, and removable.
        for slot in ["manifest-0", "manifest-1"] {
            memory.pieces.borrow_mut().insert((id.clone(), slot.into()), b"junk".to_vec());
        }
        assert_eq!(library.list().await.unwrap(), [(id.clone(), None)]);
        assert_eq!(library.manifest(&id).await, Err(LibraryError::Manifest(id.clone())));
        library.remove(&id).await.unwrap();
        assert_eq!((library.list().await.unwrap().len(), memory.bytes()), (0, 0));
        assert_eq!(library.manifest(&id).await, Err(LibraryError::Unknown(id)));
    });
}

#[test]
fn a_deletion_killed_at_any_moment_is_finished_by_the_next_list_or_undone() {
    let site = Site::default();
    site.files.borrow_mut().extend(model(BASE, 1));
    let stop = StopFlag::default();
    for moment in 1..=3 {
        let memory = Memory::default();
        let library = Library { storage: memory.clone(), chunk_size: Some(512) };
        block_on(async {
            let mut manifest = library.add(&site, &folder(), &stop).await.unwrap();
            complete(&memory, &site, &mut manifest, &stop, |_| {}).await.unwrap();
            memory.alive.set(Some(moment));
            let _ = library.remove(&manifest.id()).await;
            memory.alive.set(None);
            match library.list().await.unwrap().as_slice() {
                [] => assert_eq!(memory.bytes(), 0, "moment {moment}"),
                [(_, Some(_))] => {
                    let mut again = library.manifest(&manifest.id()).await.unwrap();
                    complete(&memory, &site, &mut again, &stop, |_| {}).await.unwrap();
                    library.ready(&manifest.id()).await.unwrap();
                }
                other => panic!("moment {moment}: {other:?}"),
            }
        });
    }
}

#[test]
fn a_complete_model_that_lost_a_chunk_is_not_ready() {
    let site = Site::default();
    site.files.borrow_mut().extend(model(BASE, 1));
    let stop = StopFlag::default();
    let memory = Memory::default();
    let library = Library { storage: memory.clone(), chunk_size: Some(512) };
    block_on(async {
        let mut manifest = library.add(&site, &folder(), &stop).await.unwrap();
        complete(&memory, &site, &mut manifest, &stop, |_| {}).await.unwrap();
        assert!(library.ready(&manifest.id()).await.is_ok());
        memory.pieces.borrow_mut().remove(&(manifest.id(), "002-00004".into())).unwrap();
        assert!(matches!(library.ready(&manifest.id()).await, Err(LibraryError::Partial(_))));
    });
}
