//! The manifest: what a model consists of and what of it is stored. Versioned JSON.

use crate::{
    discover::Wanted,
    error::LibraryError,
    hash::is_sha256,
    hub::is_inside,
    outline::Outline,
    source::{Source, is_gguf},
};
use serde::{Deserialize, Serialize};

/// Bytes in a chunk of a large model: what an interruption can cost, and what is in memory at once.
const CHUNK_SIZE: u64 = 8 << 20;
/// Bytes in a chunk of a small model.
const SMALL_CHUNK_SIZE: u64 = 64 << 10;
/// Chunks that a model is cut into, if they are not too small or large then.
const CHUNKS: u64 = 64;
/// Most bytes in a chunk.
pub const MAX_CHUNK_SIZE: u64 = 64 << 20;
/// Largest file that is believed.
const MAX_FILE_SIZE: u64 = 1 << 44;

/// A model in storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format: [`Manifest::VERSION`].
    pub version: u32,
    /// Counts the writes; the highest readable one is in force.
    pub sequence: u64,
    /// Where it comes from.
    pub source: Source,
    /// Bytes in a chunk; the last one of a file may be shorter.
    pub chunk_size: u64,
    /// Its files.
    pub files: Vec<FileEntry>,
    /// What its GGUF file says of itself, once that was read.
    #[serde(default)]
    pub outline: Option<Outline>,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the model's folder.
    pub name: String,
    /// Where it comes from.
    pub url: String,
    /// Its length, once it is known.
    pub size: Option<u64>,
    /// The SHA-256 that its source promises; when it promises none, that of the first complete download.
    pub sha256: Option<String>,
    /// The version that the download began with, where only this names it.
    #[serde(default)]
    pub etag: Option<String>,
    /// The SHA-256 of every stored chunk; `None` for one that is missing. As many as were seen so far.
    pub chunks: Vec<Option<String>>,
    /// Whether all chunks are stored and the whole file had its SHA-256.
    pub complete: bool,
}

impl FileEntry {
    fn new(wanted: Wanted) -> Self {
        let Wanted { name, url, size, sha256 } = wanted;
        Self { name, url, size, sha256, etag: None, chunks: Vec::new(), complete: false }
    }

    /// Length of chunk `index`, where the file's length is known; 0 past its end.
    pub fn chunk_length(&self, index: usize, chunk_size: u64) -> Option<u64> {
        let begin = (index as u64).saturating_mul(chunk_size);
        self.size.map(|size| size.saturating_sub(begin).min(chunk_size))
    }

    /// Bytes that are stored.
    pub fn stored(&self, chunk_size: u64) -> u64 {
        let present = self.chunks.iter().enumerate().filter(|(_, hash)| hash.is_some());
        present.map(|(index, _)| self.chunk_length(index, chunk_size).unwrap_or(chunk_size)).sum()
    }

    /// Forgets every chunk: the file is to be fetched anew.
    pub(crate) fn forget(&mut self) {
        *self = Self { etag: None, chunks: Vec::new(), complete: false, ..self.clone() };
    }
}

impl Manifest {
    /// The format version this program writes and reads.
    pub const VERSION: u32 = 1;

    /// The size of chunks for a model of these files.
    pub fn chunk_size(wanted: &[Wanted]) -> u64 {
        let bytes = wanted.iter().filter_map(|file| file.size).fold(0u64, u64::saturating_add);
        (bytes / CHUNKS).clamp(SMALL_CHUNK_SIZE, CHUNK_SIZE).next_power_of_two()
    }

    /// A model of which nothing is stored yet.
    pub fn new(source: Source, wanted: Vec<Wanted>, chunk_size: u64) -> Self {
        let files = wanted.into_iter().map(FileEntry::new).collect();
        let chunk_size = chunk_size.clamp(1, MAX_CHUNK_SIZE);
        Self { version: Self::VERSION, sequence: 0, source, chunk_size, files, outline: None }
    }

    /// The name of the model's folder.
    pub fn id(&self) -> String {
        self.source.id()
    }

    /// The piece that holds chunk `chunk` of file `file`.
    pub fn piece(file: usize, chunk: usize) -> String {
        format!("{file:03}-{chunk:05}")
    }

    /// The place of the file `name`.
    pub fn file(&self, name: &str) -> Option<usize> {
        self.files.iter().position(|file| file.name == name)
    }

    /// Bytes of all files; of those of unknown length, what is stored.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size.unwrap_or_else(|| file.stored(self.chunk_size))).sum()
    }

    /// Bytes that are stored.
    pub fn stored(&self) -> u64 {
        self.files.iter().map(|file| file.stored(self.chunk_size)).sum()
    }

    /// Bytes of its weights, as far as they are known.
    pub fn weights(&self) -> u64 {
        let weights = self.files.iter().filter(|file| is_gguf(&file.name) || is_weights(&file.name));
        weights.filter_map(|file| file.size).sum()
    }

    /// Whether every file is stored and checked.
    pub fn is_complete(&self) -> bool {
        self.files.iter().all(|file| file.complete)
    }

    /// The manifest as JSON.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, LibraryError> {
        serde_json::to_vec(self).map_err(|_| LibraryError::Manifest(self.id()))
    }

    /// Reads a manifest; `None` when it is of another version, or contradicts itself.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(json).ok()?;
        manifest.holds().then_some(manifest)
    }

    /// Whether it does not contradict itself: only such a manifest is written or read.
    pub(crate) fn holds(&self) -> bool {
        let mut names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        names.sort_unstable();
        self.version == Self::VERSION
            && (1..=MAX_CHUNK_SIZE).contains(&self.chunk_size)
            && names.windows(2).all(|pair| pair[0] != pair[1])
            && self.files.iter().all(|file| self.file_holds(file))
    }

    fn file_holds(&self, file: &FileEntry) -> bool {
        let hashes = file.chunks.iter().flatten().chain(&file.sha256);
        let count = file.size.map(|size| size.div_ceil(self.chunk_size));
        let seen = file.chunks.len() as u64;
        is_inside(&file.name)
            && file.size.is_none_or(|size| size <= MAX_FILE_SIZE)
            && hashes.into_iter().all(|hash| is_sha256(hash))
            && count.is_none_or(|count| seen <= count)
            && (!file.complete || (count == Some(seen) && file.chunks.iter().all(Option::is_some)))
    }
}

fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors") && !name.starts_with("router")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let wanted = |name: &str, size| Wanted { name: name.into(), url: "u".into(), size, sha256: None };
        let source = Source::Local { name: "x".into() };
        Manifest::new(source, vec![wanted("a", Some(25)), wanted("b", None)], 10)
    }

    #[test]
    fn chunks_cover_a_file_exactly() {
        let mut manifest = manifest();
        let lengths: Vec<_> = (0..4).map(|index| manifest.files[0].chunk_length(index, 10)).collect();
        assert_eq!(lengths, [Some(10), Some(10), Some(5), Some(0)]);
        assert_eq!(manifest.files[1].chunk_length(0, 10), None);
        manifest.files[0].chunks = vec![Some("0".repeat(64)), None, Some("1".repeat(64))];
        assert_eq!((manifest.size(), manifest.stored()), (25, 15));
    }

    #[test]
    fn what_is_written_is_read_and_what_contradicts_itself_is_not() {
        let good = manifest();
        assert_eq!(Manifest::parse(&good.to_json().unwrap()), Some(good.clone()));
        let spoilt: [fn(&mut Manifest); 9] = [
            |m| m.version = 2,
            |m| m.chunk_size = 0,
            |m| m.chunk_size = MAX_CHUNK_SIZE + 1,
            |m| m.files[1].name = "a".into(),
            |m| m.files[0].name = "../a".into(),
            |m| m.files[0].sha256 = Some("short".into()),
            |m| m.files[0].chunks = vec![None; 4],
            |m| m.files[0].complete = true,
            |m| m.files[0].size = Some(u64::MAX),
        ];
        for (number, spoil) in spoilt.into_iter().enumerate() {
            let mut bad = good.clone();
            spoil(&mut bad);
            assert_eq!(Manifest::parse(&bad.to_json().unwrap()), None, "{number}");
        }
        assert_eq!(Manifest::parse(b"{"), None);
    }
}
