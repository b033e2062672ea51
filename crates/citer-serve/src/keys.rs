//! API keys: 192 random bits each, of which the server stores only a hash.
//!
//! So much randomness cannot be guessed or looked up, so one round of SHA-256 is enough; a slow hash would only make every
//! request slow. A key is compared with all hashes, each in constant time.

use crate::{
    allowance::Limits,
    secret::{self, NoRandomness, hex},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What every key begins with, so that one is recognised where it should not be.
const START: &str = "citer_";

/// One key as the configuration has it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// Who has it; appears in logs.
    pub name: String,
    /// SHA-256 of the key, in hexadecimal.
    pub sha256: String,
    /// Requests a minute.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Tokens computed a day.
    #[serde(default)]
    pub tokens_per_day: Option<u64>,
}

impl KeyEntry {
    /// What it may use.
    pub fn limits(&self) -> Limits {
        Limits { requests_per_minute: self.requests_per_minute, tokens_per_day: self.tokens_per_day }
    }
}

/// A hash that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of {0:?} is not a SHA-256 in 64 hexadecimal digits: make one with `citer key`")]
pub struct BadHash(pub String);

/// All keys.
#[derive(Clone, Debug, Default)]
pub struct ApiKeys {
    hashes: Vec<[u8; 32]>,
}

impl ApiKeys {
    /// Reads the hashes, in their order.
    ///
    /// # Errors
    /// One that is no hash.
    pub fn new(entries: &[KeyEntry]) -> Result<Self, BadHash> {
        let hashes = entries.iter().map(|entry| parse(&entry.sha256).ok_or_else(|| BadHash(entry.name.clone())));
        Ok(Self { hashes: hashes.collect::<Result<_, _>>()? })
    }

    /// Which entry has this key.
    pub fn find(&self, key: &str) -> Option<usize> {
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut found = None;
        for (place, hash) in self.hashes.iter().enumerate() {
            if bool::from(hash.ct_eq(&digest)) {
                found = Some(place);
            }
        }
        found
    }
}

/// A new key and its hash.
///
/// # Errors
/// A system without randomness.
pub fn create() -> Result<(String, String), NoRandomness> {
    let key = format!("{START}{}", secret::random_hex()?);
    let hash = hex(&Sha256::digest(key.as_bytes()));
    Ok((key, hash))
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, sha256: &str) -> KeyEntry {
        KeyEntry { name: name.into(), sha256: sha256.into(), requests_per_minute: None, tokens_per_day: None }
    }

    #[test]
    fn a_new_key_is_found_by_its_hash_and_no_other_is() {
        let (first, second) = (create().unwrap(), create().unwrap());
        assert_ne!(first.0, second.0);
        let keys = ApiKeys::new(&[entry("a", &first.1), entry("b", &second.1)]).unwrap();
        assert_eq!((keys.find(&first.0), keys.find(&second.0)), (Some(0), Some(1)));
        for other in ["", "citer_", &first.0[..first.0.len() - 1], &first.1, &format!("{}0", first.0)] {
            assert_eq!(keys.find(other), None, "{other}");
        }
        assert!(!first.1.contains(&first.0[START.len()..]));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for bad in ["", "citer_ab", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            assert_eq!(ApiKeys::new(&[entry("ann", bad)]).unwrap_err(), BadHash("ann".into()));
        }
    }
}
