//! Seeded randomness: one independent stream per question, and a hash that stays the same on every machine.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::family::{Family, Split};

/// The random stream of one question.
pub(crate) type Stream = ChaCha8Rng;

/// Opens the stream of question `index`; different arguments give unrelated streams.
pub(crate) fn stream(family: Family, split: Split, seed: u64, index: u64) -> Stream {
    let mut bytes = [0_u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&index.to_le_bytes());
    bytes[16..24].copy_from_slice(&hash(family.name()).to_le_bytes());
    bytes[24..].copy_from_slice(&hash(split.name()).to_le_bytes());
    Stream::from_seed(bytes)
}

/// FNV-1a over the bytes, then the splitmix64 finaliser so that every bit of the result is usable.
pub(crate) fn hash(text: &str) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// One item of a table that is never empty.
pub(crate) fn pick<T: Copy>(stream: &mut Stream, items: &[T]) -> T {
    items[stream.random_range(0..items.len())]
}

/// Replaces each `{name}` in a template by its value.
pub(crate) fn fill(template: &str, fields: &[(&str, String)]) -> String {
    fields.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_depend_on_every_argument() {
        let first = |family, split, seed, index| stream(family, split, seed, index).random::<u64>();
        let base = first(Family::Word, Split::Train, 1, 2);
        assert_eq!(base, first(Family::Word, Split::Train, 1, 2));
        assert_ne!(base, first(Family::Algebra, Split::Train, 1, 2));
        assert_ne!(base, first(Family::Word, Split::Test, 1, 2));
        assert_ne!(base, first(Family::Word, Split::Train, 2, 2));
        assert_ne!(base, first(Family::Word, Split::Train, 1, 3));
    }

    #[test]
    fn fill_keeps_the_braces_around_a_field() {
        assert_eq!(fill("\\boxed{{y}} {z}", &[("y", "5".to_owned())]), "\\boxed{5} {z}");
    }
}
