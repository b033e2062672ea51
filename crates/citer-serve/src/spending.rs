//! Spending: what every key has used of the day's tokens, in one small file, so that a restart does not give it back.
//!
//! The file names keys by the hashes that the configuration has and holds no text. It is written under another name and
//! renamed, at most once a second and when the server ends: a server that is killed forgets a second.

use crate::{answer::now, meter::KeyState};
use citer_core::limits::day;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How often it is written, if anything was used.
const EVERY: Duration = Duration::from_secs(1);

/// The file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Days since 1970, in UTC.
    day: u64,
    /// Tokens used that day, by the SHA-256 of the key.
    tokens: BTreeMap<String, u64>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the file of today's spending {} ({detail}): make it readable and writable, or remove it, which gives every \
     key its day's tokens again",
    path.display()
)]
pub struct SpendingError {
    path: PathBuf,
    detail: String,
}

/// What the keys of a server use, kept in a file.
pub(crate) struct Spending {
    path: PathBuf,
    keys: Vec<(String, Arc<KeyState>)>,
    /// What the file said when the server started, for keys that it does not have now.
    found: Kept,
    written: Mutex<Kept>,
}

impl Spending {
    /// Gives every key, named by its hash, what the file says it used today. A file that is not there is made.
    ///
    /// # Errors
    /// A file that is damaged, or cannot be read or written: budgets that are not kept would be none.
    pub fn open(path: &Path, keys: Vec<(String, Arc<KeyState>)>) -> Result<Self, SpendingError> {
        let fail = |detail: String| SpendingError { path: path.into(), detail };
        let found: Kept = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(fail(error.to_string())),
        };
        for (hash, state) in &keys {
            if let Some(used) = found.tokens.get(hash) {
                state.allowance.lock().unwrap_or_else(PoisonError::into_inner).restore(found.day, *used);
            }
        }
        let all = Self { path: path.into(), keys, found, written: Mutex::default() };
        all.save(now()).map_err(|error| fail(error.to_string()))?;
        Ok(all)
    }

    /// Writes what was used by `unix`, if that is not what the file holds.
    pub fn save(&self, unix: u64) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Kept { day: day(unix), tokens: BTreeMap::new() };
        if self.found.day == next.day {
            next.tokens.clone_from(&self.found.tokens);
        }
        for (hash, state) in &self.keys {
            let used = state.allowance.lock().unwrap_or_else(PoisonError::into_inner).used_on(next.day);
            if used > 0 {
                next.tokens.insert(hash.clone(), used);
            }
        }
        if *written != next {
            replace(&self.path, &serde_json::to_vec_pretty(&next)?)?;
            *written = next;
        }
        Ok(())
    }

    /// Goes on writing. A disk that refuses is named once, and tried again.
    pub async fn keep(self: Arc<Self>) {
        let mut is_named = false;
        loop {
            tokio::time::sleep(EVERY).await;
            let spending = self.clone();
            let saved = tokio::task::spawn_blocking(move || spending.save(now())).await;
            let Ok(Err(error)) = saved else {
                is_named = false;
                continue;
            };
            if !is_named {
                self.complain(&error);
            }
            is_named = true;
        }
    }

    /// Says on standard error that the file is not written.
    pub fn complain(&self, error: &io::Error) {
        eprintln!("today's spending cannot be written to {} ({error}): free some space", self.path.display());
    }
}

/// Puts `bytes` in the place of the file: whole, or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowance::{Allowance, Limits};
    use std::time::Instant;

    fn keys(names: &[&str]) -> Vec<(String, Arc<KeyState>)> {
        let allowance = || Mutex::new(Allowance::new(Limits::default(), Instant::now()));
        names
            .iter()
            .map(|name| ((*name).into(), Arc::new(KeyState { name: (*name).into(), allowance: allowance() })))
            .collect()
    }

    fn used(spending: &Spending, place: usize) -> u64 {
        spending.keys[place].1.allowance.lock().unwrap().used_on(day(now()))
    }

    #[test]
    fn spending_is_read_back_on_the_same_day_only_and_for_keys_that_are_gone_too() {
        let path = std::env::temp_dir().join(format!("citer-spending-{}.json", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let first = Spending::open(&path, keys(&["a", "b"])).unwrap();
        first.keys[0].1.allowance.lock().unwrap().charge(7, now());
        first.keys[1].1.allowance.lock().unwrap().charge(9, now());
        first.save(now()).unwrap();
        // A server with other keys leaves those of today that it does not know.
        let second = Spending::open(&path, keys(&["c", "b"])).unwrap();
        assert_eq!((used(&second, 0), used(&second, 1)), (0, 9));
        second.keys[1].1.allowance.lock().unwrap().charge(1, now());
        second.save(now()).unwrap();
        let third = Spending::open(&path, keys(&["a", "b"])).unwrap();
        assert_eq!((used(&third, 0), used(&third, 1)), (7, 10));
        // The next day begins anew.
        third.save(now() + 86_400).unwrap();
        let file: Kept = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(file, Kept { day: day(now()) + 1, tokens: BTreeMap::new() });
        std::fs::remove_file(&path).unwrap();
    }
}
