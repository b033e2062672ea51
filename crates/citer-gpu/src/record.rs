//! A record: what one step says, small enough to be read back after every token.

use crate::kernels::choose::{RECORD, TOP};

/// The step's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The most likely token.
    pub token: u32,
    /// The router's score, 0 to 1; 1 without a router.
    pub score: f32,
    /// The best tokens with their probabilities, best first.
    pub top: Vec<(u32, f32)>,
    /// Entropy of the distribution over all tokens, in nats.
    pub entropy: f32,
}

impl Record {
    /// Bytes of a record on the GPU.
    pub(crate) const BYTES: usize = RECORD * 4;

    /// Reads records that lie behind each other.
    pub(crate) fn parse(bytes: &[u8]) -> Vec<Self> {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
        let record = |words: &[u32]| {
            let ids = words[2..2 + TOP].iter().copied();
            let probabilities = words[2 + TOP..2 + 2 * TOP].iter().map(|bits| f32::from_bits(*bits));
            // A vocabulary smaller than the list leaves places without a token.
            let top = ids.zip(probabilities).filter(|(id, _)| *id != u32::MAX).collect();
            let entropy = f32::from_bits(words[2 + 2 * TOP]);
            // Rounding may leave a certain distribution a hair below none.
            let entropy = if entropy < 0.0 { 0.0 } else { entropy };
            Self { token: words[0], score: f32::from_bits(words[1]), top, entropy }
        };
        words.chunks_exact(RECORD).map(record).collect()
    }
}
