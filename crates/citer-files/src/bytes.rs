//! Bytes at rest that are read piece by piece, so that no model file has to fit into memory.

use crate::error::LoadError;

/// A file, or what stands for one: of known length, read at any place.
pub trait Bytes {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `into` with the bytes from `offset` on. Fewer bytes than asked for are an error.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), LoadError>;
}

/// The error of a read beyond the end.
pub(crate) fn too_short() -> LoadError {
    LoadError::Weights("it ends too early".into())
}

impl Bytes for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), LoadError> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)?.get(..into.len()));
        into.copy_from_slice(from.ok_or_else(too_short)?);
        Ok(())
    }
}

impl Bytes for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), LoadError> {
        Bytes::read(self.as_slice(), offset, into)
    }
}

impl<B: Bytes + ?Sized> Bytes for &B {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), LoadError> {
        (**self).read(offset, into)
    }
}

impl<B: Bytes + ?Sized> Bytes for Box<B> {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), LoadError> {
        (**self).read(offset, into)
    }
}

/// All bytes, if there are at most `limit`: for the small files of a model.
pub fn read_all(bytes: &dyn Bytes, limit: u64) -> Result<Vec<u8>, LoadError> {
    let length = Some(bytes.len()).filter(|length| *length <= limit).and_then(|length| usize::try_from(length).ok());
    let too_long = || LoadError::Weights(format!("{} bytes where at most {limit} are expected", bytes.len()));
    let mut all = vec![0; length.ok_or_else(too_long)?];
    bytes.read(0, &mut all)?;
    Ok(all)
}

#[cfg(not(target_family = "wasm"))]
pub use disk::DiskFile;

#[cfg(not(target_family = "wasm"))]
mod disk {
    use super::{Bytes, LoadError};
    use std::{
        fs::File,
        io::Result,
        path::{Path, PathBuf},
    };

    /// A file on disk.
    #[derive(Debug)]
    pub struct DiskFile {
        file: File,
        length: u64,
        path: PathBuf,
    }

    fn failed(path: &Path, detail: impl std::fmt::Display) -> LoadError {
        LoadError::Io { path: path.display().to_string(), detail: detail.to_string() }
    }

    impl DiskFile {
        /// Opens the file at `path`.
        pub fn open(path: &Path) -> std::result::Result<Self, LoadError> {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
            let (about, file) = opened.map_err(|e| failed(path, e))?;
            if !about.is_file() {
                return Err(failed(path, "it is no file"));
            }
            Ok(Self { file, length: about.len(), path: path.into() })
        }
    }

    #[cfg(unix)]
    fn read_at(file: &File, offset: u64, into: &mut [u8]) -> Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
    }

    #[cfg(windows)]
    fn read_at(file: &File, mut offset: u64, mut into: &mut [u8]) -> Result<()> {
        while !into.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(file, into, offset)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            offset += read as u64;
            into = &mut into[read..];
        }
        Ok(())
    }

    impl Bytes for DiskFile {
        fn len(&self) -> u64 {
            self.length
        }

        fn read(&self, offset: u64, into: &mut [u8]) -> std::result::Result<(), LoadError> {
            read_at(&self.file, offset, into).map_err(|e| failed(&self.path, e))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_beyond_the_end_are_errors_and_change_nothing() {
        let bytes = [1u8, 2, 3];
        let mut two = [9; 2];
        for offset in [2, 3, u64::MAX] {
            assert!(Bytes::read(&bytes[..], offset, &mut two).is_err(), "{offset}");
        }
        assert_eq!(two, [9, 9]);
        Bytes::read(&bytes[..], 1, &mut two).unwrap();
        assert_eq!(two, [2, 3]);
        assert!(read_all(&bytes[..].to_vec(), 2).is_err());
        assert_eq!(read_all(&bytes[..].to_vec(), 3).unwrap(), bytes);
    }

    #[test]
    fn a_file_on_disk_is_read_in_pieces_and_a_folder_is_none() {
        let path = std::env::temp_dir().join(format!("citer-bytes-{}", std::process::id()));
        std::fs::write(&path, b"abcdef").unwrap();
        let file = DiskFile::open(&path).unwrap();
        let mut piece = [0; 3];
        let read = file.read(2, &mut piece);
        let beyond = file.read(4, &mut [0; 3]);
        std::fs::remove_file(&path).unwrap();
        read.unwrap();
        assert_eq!((file.len(), &piece[..2]), (6, &b"cd"[..2]));
        assert!(matches!(beyond, Err(LoadError::Io { .. })));
        assert!(matches!(DiskFile::open(&std::env::temp_dir()), Err(LoadError::Io { .. })));
    }
}
