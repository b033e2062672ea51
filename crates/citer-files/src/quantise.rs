//! How f32 values become the bytes of a format.
//!
//! A value read back is off by at most half the block's stored scale; in Q4_0 by at most the whole scale where it has the
//! sign opposite to the block's largest value and more than 7.5 of 8 steps. The scale is that of the block's largest
//! value (a 127th of it in Q8_0, an 8th in Q4_0), rounded up to the next F16.

use crate::format::Format;
use half::{bf16, f16};

impl Format {
    /// Whether [`encode`](Self::encode) knows it.
    pub fn writable(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16 | Self::Q8_0 | Self::Q4_0)
    }

    /// The bytes of `values`; `None` unless they fill whole blocks and the format can hold each of them.
    pub fn encode(self, values: &[f32]) -> Option<Vec<u8>> {
        self.row_bytes(values.len())?;
        match self {
            Self::F32 => Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::F16 => halves(values, |v| f16::from_f32(v).to_le_bytes(), |b| f16::from_le_bytes(b).is_finite()),
            Self::BF16 => halves(values, |v| bf16::from_f32(v).to_le_bytes(), |b| bf16::from_le_bytes(b).is_finite()),
            Self::Q8_0 => blocks(values, q8_0),
            Self::Q4_0 => blocks(values, q4_0),
            Self::Q5_0 | Self::Q4_K | Self::Q6_K => None,
        }
    }
}

fn halves(values: &[f32], round: fn(f32) -> [u8; 2], finite: fn([u8; 2]) -> bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(2 * values.len());
    for value in values {
        let rounded = round(*value);
        bytes.extend(Some(rounded).filter(|bytes| finite(*bytes))?);
    }
    Some(bytes)
}

fn blocks(values: &[f32], write: fn(&[f32; 32], &mut Vec<u8>) -> Option<()>) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(values.len() / 32 * 34);
    for block in values.as_chunks::<32>().0 {
        write(block, &mut bytes)?;
    }
    Some(bytes)
}

/// The smallest F16 whose `steps`-fold is not below the magnitude of `largest`, with its sign.
fn scale(largest: f32, steps: f32) -> Option<f16> {
    let exact = largest.abs() / steps;
    let nearest = f16::from_f32(exact);
    let magnitude = if nearest.to_f32() < exact { f16::from_bits(nearest.to_bits() + 1) } else { nearest };
    magnitude.is_finite().then(|| magnitude.copysign(f16::from_f32(largest.signum())))
}

/// The value of the block with the largest magnitude.
fn largest(block: &[f32; 32]) -> f32 {
    block.iter().fold(0.0, |largest: f32, v| if v.abs() > largest.abs() { *v } else { largest })
}

/// `value` in steps of `scale`, rounded.
fn steps(value: f32, scale: f16) -> f32 {
    if scale.to_f32() == 0.0 { 0.0 } else { (value / scale.to_f32()).round() }
}

fn q8_0(block: &[f32; 32], bytes: &mut Vec<u8>) -> Option<()> {
    let scale = scale(largest(block).abs(), 127.0)?;
    bytes.extend(scale.to_le_bytes());
    bytes.extend(block.iter().map(|v| steps(*v, scale).clamp(-127.0, 127.0) as i8 as u8));
    Some(())
}

fn q4_0(block: &[f32; 32], bytes: &mut Vec<u8>) -> Option<()> {
    // The largest value becomes -8, the end of the range that reaches farther.
    let scale = scale(-largest(block), 8.0)?;
    bytes.extend(scale.to_le_bytes());
    let number = |v: f32| (steps(v, scale) + 8.0).clamp(0.0, 15.0) as u8;
    bytes.extend((0..16).map(|i| number(block[i]) | (number(block[i + 16]) << 4)));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn what_is_read_back_lies_within_the_stated_bound() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for size in [1e-9f32, 1e-6, 1e-3, 0.02, 1.0, 3e4] {
            for _ in 0..200 {
                let values: Vec<f32> = (0..64).map(|_| rng.random_range(-size..size)).collect();
                for (format, block_bytes, whole) in [(Format::Q8_0, 34, 0.5), (Format::Q4_0, 18, 1.0)] {
                    let bytes = format.encode(&values).unwrap();
                    let read = format.values(&bytes);
                    for (i, (value, read)) in values.iter().zip(&read).enumerate() {
                        let scale = f16::from_le_bytes([bytes[i / 32 * block_bytes], bytes[i / 32 * block_bytes + 1]]);
                        let scale = scale.to_f32();
                        let in_reach = value / scale <= 7.5;
                        let bound = scale.abs() * if in_reach { 0.5 } else { whole } * 1.0001;
                        assert!((value - read).abs() <= bound, "{format:?}: {value} became {read}, scale {scale}");
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_without_any_size_are_zeros() {
        for format in [Format::Q8_0, Format::Q4_0] {
            assert_eq!(format.values(&format.encode(&[0.0; 32]).unwrap()), [0.0; 32]);
        }
    }

    #[test]
    fn what_a_format_cannot_hold_is_refused() {
        assert_eq!(Format::F16.encode(&[1e6]), None);
        assert_eq!(Format::BF16.encode(&[f32::MAX]), None);
        assert_eq!(Format::Q8_0.encode(&[1e8; 32]), None);
        assert_eq!(Format::Q4_0.encode(&[-1e8; 32]), None);
        assert_eq!(Format::Q4_0.encode(&[1.0; 33]), None);
        assert!(Format::ALL.into_iter().all(|format| format.encode(&[1.0; 256]).is_some() == format.writable()));
    }
}
