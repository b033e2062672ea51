//! Rotation of queries and keys (RoPE, arXiv 2104.09864, half-split layout) and the write into the KV cache, whose numbers
//! are f32 or, where the adapter has it and it is asked for, f16 (`C`).

// The macro writes public items of its own beside each kernel.
#![allow(missing_docs)]

use cubecl::prelude::*;

/// Most query heads that an invocation makes together.
const SHARED: usize = 8;

/// Sizes of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Heads {
    /// Query heads.
    pub queries: usize,
    /// Key and value heads.
    pub keys: usize,
    /// Width of a head.
    pub width: usize,
    /// Positions in the cache.
    pub capacity: usize,
    /// Values in a row of `qkv`.
    pub row: usize,
}

impl Heads {
    /// Width of a head in vectors of four.
    pub const fn vectors(&self) -> usize {
        self.width.div_ceil(4)
    }

    /// Positions from one vector of a key to the next: an odd number of cache lines, so that the vectors of one position do
    /// not all fall into the same few sets of a cache.
    pub const fn stride(&self) -> usize {
        4 * (self.capacity.div_ceil(4) | 1)
    }

    /// Query heads that an invocation makes together: as many of those with the same keys as is reasonable.
    pub const fn shared(&self) -> usize {
        let group = self.queries / self.keys;
        let mut shared = if group < SHARED { group } else { SHARED };
        while !group.is_multiple_of(shared) {
            shared -= 1;
        }
        shared
    }

    /// Width of a head in buffers, a multiple of four.
    pub const fn padded(&self) -> usize {
        self.vectors() * 4
    }
}

/// The factor of RMSNorm over one head.
#[cube]
fn head_norm(qkv: &[f32], from: usize, #[comptime] width: usize, #[comptime] epsilon: u32) -> f32 {
    let mut sum = 0.0f32;
    for place in 0..width {
        let value = qkv[from + place];
        sum += value * value;
    }
    let mean = sum * comptime!(1.0 / width as f32).runtime();
    (mean + comptime!(f32::from_bits(epsilon)).runtime()).inverse_sqrt()
}

/// Normalises (where the family does) and rotates queries and keys and stores keys and values; one invocation a pair of
/// values of one head of one token.
///
/// Shapes: `qkv` `[tokens, row]`; `gains` `[2, width]` for queries and keys; `cosines`, `sines` `[capacity, width / 2]`;
/// `query` `[tokens, heads, padded]`; `keys` `[kv_heads, vectors, stride, 4]`; `values` `[kv_heads, capacity, padded]`.
#[cube(launch_unchecked)]
pub fn rotate<C: Float>(
    qkv: &[f32],
    gains: &[f32],
    cosines: &[f32],
    sines: &[f32],
    state: &[u32],
    query: &mut [f32],
    keys: &mut [C],
    values: &mut [C],
    #[comptime] heads: Heads,
    #[comptime] norms: bool,
    #[comptime] epsilon: u32,
) {
    let half = comptime!(heads.width / 2);
    let width = comptime!(heads.width);
    let padded = comptime!(heads.padded());
    let all = comptime!(heads.queries + 2 * heads.keys);
    let at = ABSOLUTE_POS;
    if at < state[1] as usize * all * half {
        let low = at % half;
        let head = at / half % all;
        let token = at / (half * all);
        let position = state[0] as usize + token;
        let from = token * heads.row + head * width;
        let mut a = qkv[from + low];
        let mut b = qkv[from + half + low];
        if head < heads.queries + heads.keys {
            if comptime!(norms) {
                let factor = head_norm(qkv, from, width, epsilon);
                let mut gain = 0usize;
                if head >= heads.queries {
                    gain = width;
                }
                a *= factor * gains[gain + low];
                b *= factor * gains[gain + half + low];
            }
            let cosine = cosines[position * half + low];
            let sine = sines[position * half + low];
            let turned = a * cosine - b * sine;
            b = b * cosine + a * sine;
            a = turned;
        }
        if head < heads.queries {
            let to = (token * heads.queries + head) * padded;
            query[to + low] = a;
            query[to + half + low] = b;
        } else if head < heads.queries + heads.keys {
            let head = head - heads.queries;
            let high = half + low;
            let (vectors, stride) = comptime!((heads.vectors(), heads.stride()));
            keys[((head * vectors + low / 4) * stride + position) * 4 + low % 4] = C::cast_from(a);
            keys[((head * vectors + high / 4) * stride + position) * 4 + high % 4] = C::cast_from(b);
        } else {
            let head = head - heads.queries - heads.keys;
            let to = (head * heads.capacity + position) * padded;
            values[to + low] = C::cast_from(a);
            values[to + half + low] = C::cast_from(b);
        }
    }
}
