//! The outline: what a GGUF file says of itself in its header, read before the rest is worth a download.

use crate::{error::LibraryError, fetch::Fetch, fit::Sizes, manifest::FileEntry, transfer::Transfer};
use citer_core::StopFlag;
use citer_files::{Bytes, Format, Gguf, LoadError, gguf_model};
use serde::{Deserialize, Serialize};
use std::cell::Cell;

/// Bytes that are asked for first.
const FIRST: usize = 1 << 20;
/// Most bytes that are asked for: a large vocabulary with its merges has an eighth of it.
const MOST: usize = 1 << 26;

/// What a GGUF file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outline", rename_all = "kebab-case")]
pub enum Outline {
    /// A model that the engine knows.
    Model {
        /// Its configuration, as JSON.
        config: String,
        /// The sizes of its weights on the device.
        sizes: Sizes,
    },
    /// Something else.
    Unsupported {
        /// What is not known.
        detail: String,
    },
}

/// The beginning of a file.
struct Beginning<'a> {
    bytes: &'a [u8],
    size: u64,
    /// Whether more was asked for than is there.
    short: &'a Cell<bool>,
}

impl Bytes for Beginning<'_> {
    fn len(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), LoadError> {
        let end = offset.saturating_add(into.len() as u64);
        // A reader that looks ahead takes what there is.
        self.short.set(self.short.get() || end > self.bytes.len() as u64);
        self.bytes.read(offset, into)
    }
}

impl Outline {
    /// Reads the outline of `file` from its source. `device` says how many bytes a matrix of so many values in a format
    /// takes on the device. `None` where its header is too long to be read ahead.
    ///
    /// # Errors
    /// A source that cannot be reached.
    pub async fn fetch<F: Fetch>(
        fetch: &F,
        file: &FileEntry,
        stop: &StopFlag,
        device: impl Fn(Format, u64) -> u64,
    ) -> Result<Option<Self>, LibraryError> {
        let mut transfer = Transfer::new(fetch, stop, &file.name, &file.url);
        let (mut bytes, mut wanted) = (Vec::new(), FIRST);
        while wanted <= MOST {
            let more = transfer.read(bytes.len() as u64, wanted - bytes.len(), |_| {}).await?;
            let ended = more.len() < wanted - bytes.len();
            bytes.extend(more);
            let short = Cell::new(false);
            let size = transfer.size.unwrap_or(bytes.len() as u64).max(bytes.len() as u64);
            match Self::read(Beginning { bytes: &bytes, size, short: &short }, &device) {
                Ok(outline) => return Ok(Some(outline)),
                Err(_) if short.get() && !ended => wanted *= 2,
                Err(error) => return Ok(Some(Self::Unsupported { detail: error.to_string() })),
            }
        }
        Ok(None)
    }

    fn read(file: Beginning, device: &impl Fn(Format, u64) -> u64) -> Result<Self, LoadError> {
        let file = Gguf::parse(file)?;
        let mut config = gguf_model::config(&file)?;
        let sizes = Sizes::of_gguf(&file, device)?;
        // Sizes do not depend on it, and a table of factors may be long.
        config.rope_scaling = None;
        let config = serde_json::to_string(&config).map_err(|e| LoadError::Weights(e.to_string()))?;
        Ok(Self::Model { config, sizes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citer_files::Config;

    fn file() -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/parity/gguf/qwen2.gguf")).unwrap()
    }

    fn read(bytes: &[u8], size: u64) -> (Result<Outline, LoadError>, bool) {
        let short = Cell::new(false);
        let outline = Outline::read(Beginning { bytes, size, short: &short }, &|_, values| 2 * values);
        (outline, short.get())
    }

    #[test]
    fn a_header_tells_what_the_whole_file_holds() {
        let all = file();
        let size = all.len() as u64;
        let (whole, short) = read(&all, size);
        let Ok(Outline::Model { config, sizes }) = whole.clone() else { panic!("{whole:?}") };
        assert!(!short);
        let config = Config::from_json(config.as_bytes()).unwrap();
        assert_eq!(sizes.weights, 2 * config.parameters());
        assert_eq!(sizes.embedding, 2 * (config.vocab_size * config.hidden_size) as u64);
        // Less than the header is recognised as that.
        for length in [0, 3, 100, 1000] {
            let (outline, short) = read(&all[..length], size);
            assert!(outline.is_err() && short, "{length}: {outline:?}");
        }
        // The same header before a file that is longer than what was fetched.
        let long = [all.clone(), vec![0; 1 << 20]].concat();
        let (outline, _) = read(&long[..all.len() + (1 << 16)], long.len() as u64);
        assert_eq!(outline, whole);
    }

    #[test]
    fn what_is_no_model_is_said_to_be_none() {
        let mut bytes = file();
        bytes[4] = 9;
        let (outline, short) = read(&bytes, bytes.len() as u64);
        assert!(outline.is_err_and(|error| error.to_string().contains("version")) && !short);
    }
}
