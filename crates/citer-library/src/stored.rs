//! Chunks of a stored file as one run of bytes: which parts of which chunks a read touches.

use crate::manifest::{FileEntry, Manifest};

/// A file cut into chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    size: u64,
    chunk_size: u64,
}

/// A part of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which chunk.
    pub chunk: usize,
    /// First byte within the chunk.
    pub from: u64,
    /// Number of bytes.
    pub length: usize,
}

impl Chunks {
    /// The chunks of a complete file of `manifest`.
    pub fn of(manifest: &Manifest, file: &FileEntry) -> Option<Self> {
        let size = file.size.filter(|_| file.complete)?;
        Some(Self { size, chunk_size: manifest.chunk_size })
    }

    /// Length of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The parts that `length` bytes from `offset` on lie in, in order; `None` where the file ends before.
    pub fn parts(&self, offset: u64, length: usize) -> Option<impl Iterator<Item = Part> + use<>> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.size)?;
        let chunk_size = self.chunk_size;
        let mut at = offset;
        Some(std::iter::from_fn(move || {
            let from = at % chunk_size;
            let part = (chunk_size - from).min(end - at);
            let chunk = at / chunk_size;
            at += part;
            (part > 0).then_some(Part { chunk: chunk as usize, from, length: part as usize })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_read_over_chunks_is_a_read_of_the_file(size in 0usize..200, chunk_size in 1usize..50, at in 0usize..220, length in 0usize..220) {
            let file: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
            let pieces: Vec<&[u8]> = file.chunks(chunk_size).collect();
            let chunks = Chunks { size: size as u64, chunk_size: chunk_size as u64 };
            match chunks.parts(at as u64, length) {
                None => prop_assert!(at + length > size),
                Some(parts) => {
                    let read: Vec<u8> = parts.flat_map(|p| pieces[p.chunk][p.from as usize..][..p.length].to_vec()).collect();
                    prop_assert_eq!(&read, &file[at..at + length]);
                }
            }
        }
    }

    #[test]
    fn a_read_past_any_end_is_refused() {
        assert!(Chunks { size: 9, chunk_size: 4 }.parts(u64::MAX, 2).is_none());
    }
}
