//! The hub's listing of a repository: names, sizes and hashes of its files.

use crate::{error::LibraryError, hash::is_sha256, source::HUB};
use serde::Deserialize;

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub name: String,
    pub size: u64,
    pub sha256: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

/// Where it is told which commit of `repository` is the newest.
pub(crate) fn newest_url(repository: &str) -> String {
    format!("{HUB}/api/models/{repository}/revision/main")
}

/// Where the listing of `repository` at `commit` is.
pub(crate) fn listing_url(repository: &str, commit: &str) -> String {
    format!("{HUB}/api/models/{repository}/tree/{commit}?recursive=true")
}

/// Where a file of `repository` at `commit` is.
pub(crate) fn file_url(repository: &str, commit: &str, name: &str) -> String {
    format!("{HUB}/{repository}/resolve/{commit}/{}", escape(name))
}

/// Reads which commit a repository is at.
pub(crate) fn commit(json: &[u8]) -> Result<String, LibraryError> {
    #[derive(Deserialize)]
    struct Revision {
        sha: String,
    }
    let bad = |detail: String| LibraryError::BadListing { file: "the repository's description".into(), detail };
    let Revision { sha } = serde_json::from_slice(json).map_err(|e| bad(e.to_string()))?;
    let is_commit = sha.len() == 40 && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit { Ok(sha) } else { Err(bad(format!("{sha:?} names no commit"))) }
}

/// Reads a listing. A name that leaves the folder is an error.
pub(crate) fn parse(json: &[u8]) -> Result<Vec<Listed>, LibraryError> {
    let bad = |detail: String| LibraryError::BadListing { file: "the repository's file list".into(), detail };
    let entries: Vec<Entry> = serde_json::from_slice(json).map_err(|e| bad(e.to_string()))?;
    let files = entries.into_iter().filter(|entry| entry.kind == "file");
    files
        .map(|Entry { path, size, lfs, .. }| {
            if !is_inside(&path) {
                return Err(bad(format!("{path:?} names no file of it")));
            }
            let size = lfs.as_ref().map_or(size, |lfs| lfs.size);
            let sha256 = lfs.map(|lfs| lfs.oid.trim_start_matches("sha256:").to_owned()).filter(|oid| is_sha256(oid));
            Ok(Listed { name: path, size, sha256 })
        })
        .collect()
}

/// Whether a path stays in its folder.
pub(crate) fn is_inside(path: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':']);
    path.split('/').all(part) && !path.chars().any(char::is_control)
}

/// Escapes what a URL's path may not hold.
pub(crate) fn escape(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    path.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_bring_their_hash() {
        let hash = "a".repeat(64);
        let json = format!(
            r#"[{{"type":"directory","oid":"1","size":0,"path":"onnx"}},
                {{"type":"file","oid":"2","size":7,"path":"config.json"}},
                {{"type":"file","oid":"3","size":135,"path":"m.safetensors",
                  "lfs":{{"oid":"{hash}","size":900,"pointerSize":135}},"xetHash":"x"}}]"#
        );
        let expected = [
            Listed { name: "config.json".into(), size: 7, sha256: None },
            Listed { name: "m.safetensors".into(), size: 900, sha256: Some(hash) },
        ];
        assert_eq!(parse(json.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn hostile_listings_are_refused() {
        for path in ["../x", "/etc/passwd", "a/../b", "a//b", "c:x", "a\\\\b", ""] {
            let json = format!(r#"[{{"type":"file","path":"{path}","size":1}}]"#);
            assert!(matches!(parse(json.as_bytes()), Err(LibraryError::BadListing { .. })), "{path}");
        }
        assert!(parse(b"{}").is_err() && parse(b"<html>").is_err());
    }

    #[test]
    fn addresses_are_escaped() {
        assert_eq!(file_url("o/n", "c0", "a b/é#.gguf"), "https://huggingface.co/o/n/resolve/c0/a%20b/%C3%A9%23.gguf");
    }

    #[test]
    fn only_a_commit_pins_a_repository() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(commit(format!(r#"{{"id":"o/n","sha":"{sha}"}}"#).as_bytes()).unwrap(), sha);
        for bad in [r#"{"sha":"main"}"#, r#"{"sha":"../../../x"}"#, r#"{"id":"o/n"}"#, "<html>"] {
            assert!(matches!(commit(bad.as_bytes()), Err(LibraryError::BadListing { .. })), "{bad}");
        }
    }
}
