//! Number formats of tensors (floats and GGML's block formats) and how they become f32.
//!
//! A quantised value is off by at most half a step of its block, so for a block of weights w the error is at most
//! max|w| / 254 in Q8_0, max|w| / 8 in Q4_0 (the extreme of the other sign is cut to 7 of 8 steps) and max|w| / 16 in
//! Q5_0, each plus the rounding of the block's F16 scale; Q4_K and Q6_K divide a range of 32 (16) values into 15 (63)
//! steps. Reading adds nothing to that: the values are those of the format.

use half::{bf16, f16};

/// A supported number format, by the name that model files use.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats with the exponent of F32.
    BF16,
    /// Blocks of 32: an F16 scale and 4-bit numbers from -8.
    Q4_0,
    /// Blocks of 32: an F16 scale and 5-bit numbers from -16.
    Q5_0,
    /// Blocks of 32: an F16 scale and 8-bit numbers.
    Q8_0,
    /// Blocks of 256: eight 6-bit scales and minima under two F16 scales, and 4-bit numbers from 0.
    Q4_K,
    /// Blocks of 256: sixteen 8-bit scales under an F16 scale, and 6-bit numbers from -32.
    Q6_K,
}

/// Names of GGML's formats by number, for messages about those that are not supported.
const NAMES: [&str; 31] = [
    "F32", "F16", "Q4_0", "Q4_1", "Q4_2", "Q4_3", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
    "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8", "I16", "I32",
    "I64", "F64", "IQ1_M", "BF16",
];

/// The name of GGML's format `number`.
pub fn ggml_name(number: u32) -> String {
    NAMES.get(number as usize).map_or_else(|| format!("number {number}"), |name| (*name).into())
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 8] =
        [Self::F32, Self::F16, Self::BF16, Self::Q4_0, Self::Q5_0, Self::Q8_0, Self::Q4_K, Self::Q6_K];

    /// Its number in GGML.
    pub fn ggml(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q5_0 => 6,
            Self::Q8_0 => 8,
            Self::Q4_K => 12,
            Self::Q6_K => 14,
            Self::BF16 => 30,
        }
    }

    /// GGML's format `number`, if it is supported.
    pub fn from_ggml(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.ggml() == number)
    }

    /// Its name, as in GGML.
    pub fn name(self) -> &'static str {
        NAMES[self.ggml() as usize]
    }

    /// Values and bytes of a block.
    pub fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q5_0 => (32, 22),
            Self::Q8_0 => (32, 34),
            Self::Q4_K => (256, 144),
            Self::Q6_K => (256, 210),
        }
    }

    /// Bytes of a row of `columns` values; `None` unless they fill whole blocks and the number can be told.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        let (per_block, bytes) = self.block();
        columns.is_multiple_of(per_block).then(|| (columns / per_block).checked_mul(bytes)).flatten()
    }

    /// The values of whole blocks; a rest that fills no block is left out.
    pub fn values(self, data: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F16 => data.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Self::BF16 => data.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            Self::Q4_0 => blocks::<18, 32>(data, q4_0),
            Self::Q5_0 => blocks::<22, 32>(data, q5_0),
            Self::Q8_0 => blocks::<34, 32>(data, q8_0),
            Self::Q4_K => blocks::<144, 256>(data, q4_k),
            Self::Q6_K => blocks::<210, 256>(data, q6_k),
        }
    }
}

fn blocks<const BYTES: usize, const VALUES: usize>(data: &[u8], read: fn(&[u8; BYTES]) -> [f32; VALUES]) -> Vec<f32> {
    data.as_chunks::<BYTES>().0.iter().flat_map(read).collect()
}

fn scale(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The 4-bit number `i` of 32 packed as all low halves, then all high halves.
fn nibble(packed: &[u8], i: usize) -> u8 {
    let half = packed.len();
    if i < half { packed[i] & 15 } else { packed[i - half] >> 4 }
}

fn q4_0(block: &[u8; 18]) -> [f32; 32] {
    let d = scale(block, 0);
    std::array::from_fn(|i| d * (f32::from(nibble(&block[2..], i)) - 8.0))
}

fn q5_0(block: &[u8; 22]) -> [f32; 32] {
    let d = scale(block, 0);
    let fifth = |i: usize| (block[2 + i / 8] >> (i % 8)) & 1;
    std::array::from_fn(|i| d * (f32::from(nibble(&block[6..], i) | (fifth(i) << 4)) - 16.0))
}

fn q8_0(block: &[u8; 34]) -> [f32; 32] {
    let d = scale(block, 0);
    std::array::from_fn(|i| d * f32::from(block[2 + i] as i8))
}

fn q4_k(block: &[u8; 144]) -> [f32; 256] {
    let (d, least) = (scale(block, 0), scale(block, 2));
    let packed = &block[4..16];
    // Scale and minimum of a group of 32. The last four groups keep their upper two bits above those of the first four.
    let group = |g: usize| {
        if g < 4 {
            return (packed[g] & 63, packed[g + 4] & 63);
        }
        let low = packed[g + 4];
        ((low & 15) | (packed[g - 4] >> 6 << 4), (low >> 4) | (packed[g] >> 6 << 4))
    };
    let groups: [(f32, f32); 8] = std::array::from_fn(|g| {
        let (scale, minimum) = group(g);
        (d * f32::from(scale), least * f32::from(minimum))
    });
    // Two groups share 32 bytes: the first has the low halves.
    std::array::from_fn(|i| {
        let (scale, minimum) = groups[i / 32];
        scale * f32::from(nibble(&block[16 + i / 64 * 32..][..32], i % 64)) - minimum
    })
}

fn q6_k(block: &[u8; 210]) -> [f32; 256] {
    let d = scale(block, 208);
    std::array::from_fn(|i| {
        // 128 values share 64 bytes of low and 32 bytes of high bits; quarter k of them has the high bits from 2k on.
        let (half, k, l) = (i / 128, i % 128 / 32, i % 32);
        let low = nibble(&block[64 * half..][..64], i % 128);
        let high = (block[128 + 32 * half + l] >> (2 * k)) & 3;
        let scale = d * f32::from(block[192 + i / 16] as i8);
        scale * (f32::from(low | (high << 4)) - 32.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_whole() {
        assert_eq!(Format::Q4_K.row_bytes(512), Some(288));
        assert_eq!(Format::Q8_0.row_bytes(33), None);
        assert_eq!(Format::F32.row_bytes(usize::MAX), None);
        assert_eq!(Format::from_ggml(13), None);
        assert_eq!((ggml_name(13), ggml_name(99)), ("Q5_K".into(), "number 99".into()));
    }
}
