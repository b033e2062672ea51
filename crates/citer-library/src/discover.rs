//! Discovery: from a source to the files that are to be fetched, with their sizes and hashes where they are told.

use crate::{
    choice::{OPTIONAL, REQUIRED, choose},
    error::LibraryError,
    fetch::Fetch,
    hub::{self, Listed, escape, is_inside},
    source::{Source, is_gguf},
    transfer::Transfer,
};
use citer_core::StopFlag;
use citer_files::{folder::WEIGHTS, shards::INDEX};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Longest listing or index that is read.
const MAX_LISTING: usize = 32 << 20;

/// A file that a model needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in the model's folder.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Its length, where it is known before the download.
    pub size: Option<u64>,
    /// The SHA-256 that its source promises.
    pub sha256: Option<String>,
}

/// Finds out which files the model at `source` needs.
///
/// # Errors
/// A source that cannot be reached or read, or that holds no usable model.
pub async fn discover<F: Fetch>(fetch: &F, source: &Source, stop: &StopFlag) -> Result<Vec<Wanted>, LibraryError> {
    match source {
        Source::HuggingFace { repository, file } => {
            // All files are those of one commit, however long the download takes.
            let commit = hub::commit(&whole(fetch, repository, &hub::newest_url(repository), stop).await?)?;
            let listing = whole(fetch, repository, &hub::listing_url(repository, &commit), stop).await?;
            let chosen = choose(&hub::parse(&listing)?, file.as_deref())?;
            let url = |listed: &Listed| hub::file_url(repository, &commit, &listed.name);
            Ok(chosen.into_iter().map(|listed| wanted(url(&listed), listed)).collect())
        }
        Source::Folder { url } => folder(fetch, url, stop).await,
        Source::Gguf { url } => {
            let name = source.name();
            let size = expect(fetch, &name, url, stop).await?.ok_or(LibraryError::Incomplete(name.clone()))?;
            Ok(vec![Wanted { name, url: url.clone(), size, sha256: None }])
        }
        // The person has to give these files each time; see `local`.
        Source::Local { name } => Err(LibraryError::Incomplete(name.clone())),
    }
}

/// The files of a local folder, or the local GGUF file, that a model needs; `files` are names with lengths.
pub(crate) fn local(files: &[(String, u64)]) -> Result<Vec<Wanted>, LibraryError> {
    let base = |name: &str| name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned();
    let listing: Vec<Listed> =
        files.iter().map(|(name, size)| Listed { name: base(name), size: *size, sha256: None }).collect();
    if let Some(bad) = listing.iter().find(|listed| !is_inside(&listed.name)) {
        return Err(LibraryError::BadListing { file: bad.name.clone(), detail: "its name cannot be used".into() });
    }
    Ok(choose(&listing, None)?.into_iter().map(|listed| wanted(listed.name.clone(), listed)).collect())
}

fn wanted(url: String, listed: Listed) -> Wanted {
    let Listed { name, size, sha256 } = listed;
    Wanted { name, url, size: Some(size), sha256 }
}

/// A folder cannot be listed over HTTP: each file that may be there is asked for.
async fn folder<F: Fetch>(fetch: &F, base: &str, stop: &StopFlag) -> Result<Vec<Wanted>, LibraryError> {
    let mut found = Vec::new();
    let mut names: Vec<(String, bool)> = REQUIRED.iter().map(|name| ((*name).to_owned(), true)).collect();
    names.extend(OPTIONAL.iter().map(|name| ((*name).to_owned(), false)));
    let single = expect(fetch, WEIGHTS, &format!("{base}/{WEIGHTS}"), stop).await?;
    match single {
        Some(_) => names.push((WEIGHTS.into(), true)),
        None => {
            if expect(fetch, INDEX, &format!("{base}/{INDEX}"), stop).await?.is_none() {
                return Err(LibraryError::Incomplete(WEIGHTS.into()));
            }
            let index = whole(fetch, INDEX, &format!("{base}/{INDEX}"), stop).await?;
            names.push((INDEX.into(), true));
            names.extend(shards(&index)?.into_iter().map(|name| (name, true)));
        }
    }
    for (name, required) in names {
        let url = format!("{base}/{}", escape(&name));
        match expect(fetch, &name, &url, stop).await? {
            Some(size) => found.push(Wanted { name, url, size, sha256: None }),
            None if required => return Err(LibraryError::Incomplete(name)),
            None => {}
        }
    }
    Ok(found)
}

/// The files that an index names.
fn shards(index: &[u8]) -> Result<BTreeSet<String>, LibraryError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let bad = |detail: String| LibraryError::BadListing { file: INDEX.into(), detail };
    let index: Index = serde_json::from_slice(index).map_err(|e| bad(e.to_string()))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    let outside = |name: &&String| !is_inside(name) || !name.ends_with(".safetensors");
    match names.iter().find(outside) {
        Some(name) => Err(bad(format!("{name:?} names no weights file of this folder"))),
        None if names.is_empty() => Err(bad("it names no file".into())),
        None => Ok(names),
    }
}

/// The length of a file, perhaps unknown, if it is there and begins as its name says. Many servers answer a wrong address
/// with a page.
async fn expect<F: Fetch>(
    fetch: &F,
    name: &str,
    url: &str,
    stop: &StopFlag,
) -> Result<Option<Option<u64>>, LibraryError> {
    let mut transfer = Transfer::new(fetch, stop, name, url);
    match transfer.read(0, 16, |_| {}).await {
        Ok(start) if begins_as(name, &start) => Ok(Some(transfer.size)),
        Ok(_) | Err(LibraryError::Refused { status: 403 | 404 | 410, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn begins_as(name: &str, start: &[u8]) -> bool {
    let text = start.trim_ascii_start();
    match name.rsplit('.').next() {
        Some("json") => text.starts_with(b"{"),
        Some("safetensors") => start.get(8) == Some(&b'{'),
        _ if is_gguf(name) => start.starts_with(b"GGUF"),
        _ => !text.is_empty() && !text.starts_with(b"<!") && !text.to_ascii_lowercase().starts_with(b"<html"),
    }
}

async fn whole<F: Fetch>(fetch: &F, name: &str, url: &str, stop: &StopFlag) -> Result<Vec<u8>, LibraryError> {
    let mut transfer = Transfer::new(fetch, stop, name, url);
    let bytes = transfer.read(0, MAX_LISTING + 1, |_| {}).await?;
    if bytes.len() > MAX_LISTING {
        return Err(LibraryError::BadListing { file: name.into(), detail: "it is too long".into() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_cannot_reach_outside_its_folder() {
        let index = |name: &str| format!(r#"{{"weight_map":{{"a":"{name}","b":"x.safetensors"}}}}"#);
        assert_eq!(shards(index("y.safetensors").as_bytes()).unwrap().len(), 2);
        for name in ["../y.safetensors", "/y.safetensors", "y.bin", ""] {
            assert!(shards(index(name).as_bytes()).is_err(), "{name}");
        }
        assert!(shards(br#"{"weight_map":{}}"#).is_err() && shards(b"<html>").is_err());
    }

    #[test]
    fn a_page_is_no_model_file() {
        let page = b"<!DOCTYPE html><html>";
        let names = ["config.json", "model.safetensors", "m.gguf", "chat_template.jinja", "router.safetensors"];
        for name in names {
            assert!(!begins_as(name, page) && !begins_as(name, b""), "{name}");
        }
        assert!(begins_as("a.json", b" \n{") && begins_as("m.GGUF", b"GGUF\x03") && begins_as("t.jinja", b"{% if"));
        assert!(begins_as("m.safetensors", b"\x40\0\0\0\0\0\0\0{\"a"));
    }

    #[test]
    fn local_folders_are_chosen_from_by_base_name() {
        let files: Vec<(String, u64)> = ["f/README.md", "f/config.json", "f/model.safetensors", "f/tokenizer.json"]
            .iter()
            .map(|name| ((*name).to_owned(), 5))
            .collect();
        let names: Vec<String> = local(&files).unwrap().into_iter().map(|wanted| wanted.name).collect();
        assert_eq!(names, ["config.json", "tokenizer.json", "model.safetensors"]);
        assert_eq!(local(&[("m.gguf".into(), 9)]).unwrap()[0].size, Some(9));
        assert!(local(&[("notes.txt".into(), 9)]).is_err());
    }
}
