//! Temporary folders that vanish with the test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A fresh folder, removed on drop.
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// A new empty folder.
    #[expect(clippy::new_without_default, reason = "it makes a folder, which a default should not")]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("citer-tests-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A new folder with a copy of everything in `source`.
    pub fn copy_of(source: &Path) -> Self {
        let folder = Self::new();
        copy(source, folder.path());
        folder
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies everything in `source` over what is in `target`.
pub fn copy(source: &Path, target: &Path) {
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let to = target.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_whole_and_vanishes() {
        let source = TemporaryFolder::new();
        fs::create_dir(source.path().join("inner")).unwrap();
        fs::write(source.path().join("inner/file"), "text").unwrap();
        let copy = TemporaryFolder::copy_of(source.path());
        assert_eq!(fs::read_to_string(copy.path().join("inner/file")).unwrap(), "text");
        let path = copy.path().to_path_buf();
        drop(copy);
        assert!(!path.exists());
    }
}
