//! Attention over the KV cache in chunks of positions with a running softmax (FlashAttention, arXiv 2205.14135;
//! split over the context as in Flash-Decoding), then one pass that joins the chunks.

// The macro writes public items of its own beside each kernel.
#![allow(missing_docs)]
// Kernels have no `div_ceil`.
#![allow(clippy::manual_div_ceil)]

use super::decode::F4;
use super::rotary::Heads;
use cubecl::prelude::*;

/// Positions a chunk covers.
pub const CHUNK: usize = 64;

/// Below every score.
const LOWEST: f32 = -1.0e30;

/// Chunks of a cache.
pub const fn chunks(capacity: usize) -> usize {
    capacity.div_ceil(CHUNK)
}

/// One invocation a chunk and token for the query heads that share their keys and values, without barriers: what software
/// adapters want. Every key and value that is loaded serves all of them.
///
/// Shapes: `query` `[tokens, heads, vectors]`, `keys` `[kv_heads, vectors, stride]`, `values`
/// `[kv_heads, capacity, vectors]`, `mixed` `[tokens, heads, chunks, vectors]` vectors of four; `peaks`
/// `[tokens, heads, chunks, 2]` with the chunk's highest score and the sum of its weights.
#[cube(launch_unchecked)]
pub fn attend_alone<C: Float>(
    query: &[F4],
    keys: &[Vector<C, Const<4>>],
    values: &[Vector<C, Const<4>>],
    state: &[u32],
    mixed: &mut [F4],
    peaks: &mut [f32],
    #[comptime] heads: Heads,
) {
    let vectors = comptime!(heads.vectors());
    let shared = comptime!(heads.shared());
    let stride = comptime!(heads.stride());
    let capacity = comptime!(heads.capacity);
    let count = comptime!(chunks(heads.capacity));
    let chunk = ABSOLUTE_POS_X as usize;
    let first = CUBE_POS_Y as usize * shared;
    let token = CUBE_POS_Z as usize;
    let end = state[0] as usize + token + 1;
    let from = chunk * CHUNK;
    if from < end {
        let to = min(from + CHUNK, end);
        let key_head = first / comptime!(heads.queries / heads.keys);
        let row = token * heads.queries + first;
        let scale = F4::new(comptime!(1.0 / (heads.width as f32).sqrt()).runtime());
        let mut asked = Array::<F4>::new(comptime!(shared * vectors));
        let mut sums = Array::<F4>::new(comptime!(shared * vectors));
        let mut products = Array::<F4>::new(shared);
        let mut highest = Array::<f32>::new(shared);
        let mut weights = Array::<f32>::new(shared);
        let mut shares = Array::<f32>::new(shared);
        #[unroll]
        for head in 0..shared {
            highest[head] = LOWEST.runtime();
            weights[head] = 0.0f32;
            #[unroll]
            for vector in 0..vectors {
                asked[head * vectors + vector] = query[(row + head) * vectors + vector] * scale;
                sums[head * vectors + vector] = F4::new(0.0f32);
            }
        }
        for position in from..to {
            #[unroll]
            for head in 0..shared {
                products[head] = F4::new(0.0f32);
            }
            #[unroll]
            for vector in 0..vectors {
                let key = F4::cast_from(keys[(key_head * vectors + vector) * stride + position]);
                #[unroll]
                for head in 0..shared {
                    products[head] += asked[head * vectors + vector] * key;
                }
            }
            #[unroll]
            for head in 0..shared {
                let product = products[head];
                let score = product.extract(0usize)
                    + product.extract(1usize)
                    + product.extract(2usize)
                    + product.extract(3usize);
                if score > highest[head] {
                    let shrink = (highest[head] - score).exp();
                    weights[head] *= shrink;
                    #[unroll]
                    for vector in 0..vectors {
                        sums[head * vectors + vector] *= F4::new(shrink);
                    }
                    highest[head] = score;
                }
                let share = (score - highest[head]).exp();
                weights[head] += share;
                shares[head] = share;
            }
            #[unroll]
            for vector in 0..vectors {
                let value = F4::cast_from(values[(key_head * capacity + position) * vectors + vector]);
                #[unroll]
                for head in 0..shared {
                    sums[head * vectors + vector] += F4::new(shares[head]) * value;
                }
            }
        }
        #[unroll]
        for head in 0..shared {
            let place = (row + head) * count + chunk;
            #[unroll]
            for vector in 0..vectors {
                mixed[place * vectors + vector] = sums[head * vectors + vector];
            }
            peaks[2 * place] = highest[head];
            peaks[2 * place + 1] = weights[head];
        }
    }
}

/// One cube a chunk, head and token: an invocation first takes a position, then a value of the head.
///
/// Shapes as in [`attend_alone`], with `values` `[kv_heads, capacity, padded]` and `mixed`
/// `[tokens, heads, chunks, padded]` in single floats.
#[cube(launch_unchecked)]
pub fn attend_together<C: Float>(
    query: &[F4],
    keys: &[Vector<C, Const<4>>],
    values: &[C],
    state: &[u32],
    mixed: &mut [f32],
    peaks: &mut [f32],
    #[comptime] heads: Heads,
) {
    let vectors = comptime!(heads.vectors());
    let padded = comptime!(heads.padded());
    let stride = comptime!(heads.stride());
    let capacity = comptime!(heads.capacity);
    let count = comptime!(chunks(heads.capacity));
    let chunk = CUBE_POS_X as usize;
    let head = CUBE_POS_Y as usize;
    let token = CUBE_POS_Z as usize;
    let lane = UNIT_POS as usize;
    let end = state[0] as usize + token + 1;
    let from = chunk * CHUNK;
    if from >= end {
        terminate!();
    }
    let key_head = head / comptime!(heads.queries / heads.keys);
    let asked = (token * heads.queries + head) * vectors;
    let position = from + lane;
    let mut scores = Shared::new_slice(CHUNK);
    let mut shares = Shared::new_slice(CHUNK);
    let mut score = LOWEST.runtime();
    if position < end {
        let mut product = F4::new(0.0f32);
        #[unroll]
        for vector in 0..vectors {
            product += query[asked + vector] * F4::cast_from(keys[(key_head * vectors + vector) * stride + position]);
        }
        score = (product.extract(0usize) + product.extract(1usize) + product.extract(2usize) + product.extract(3usize))
            * comptime!(1.0 / (heads.width as f32).sqrt()).runtime();
    }
    scores[lane] = score;
    sync_cube();
    let mut peak = LOWEST.runtime();
    for other in 0..CHUNK {
        peak = max(peak, scores[other]);
    }
    let mut share = 0.0f32;
    if position < end {
        share = (score - peak).exp();
    }
    shares[lane] = share;
    sync_cube();
    let place = (token * heads.queries + head) * count + chunk;
    let covered = min(CHUNK, end - from);
    for value in range_stepped(lane, padded, CHUNK) {
        let mut sum = 0.0f32;
        for other in 0..covered {
            sum += shares[other] * f32::cast_from(values[(key_head * capacity + from + other) * padded + value]);
        }
        mixed[place * padded + value] = sum;
    }
    if lane == 0 {
        let mut weight = 0.0f32;
        for other in 0..covered {
            weight += shares[other];
        }
        peaks[2 * place] = peak;
        peaks[2 * place + 1] = weight;
    }
}

/// Joins the chunks; one invocation a value of a head of a token.
///
/// Shapes: `mixed` `[tokens, heads, chunks, padded]`, `peaks` `[tokens, heads, chunks, 2]`, `out`
/// `[tokens, row]` with the heads' values side by side.
#[cube(launch_unchecked)]
pub fn join(
    mixed: &[f32],
    peaks: &[f32],
    state: &[u32],
    out: &mut [f32],
    #[comptime] heads: Heads,
    #[comptime] row: usize,
) {
    let padded = comptime!(heads.padded());
    let width = comptime!(heads.width);
    let count = comptime!(chunks(heads.capacity));
    let at = ABSOLUTE_POS;
    if at < state[1] as usize * heads.queries * width {
        let value = at % width;
        let head = at / width % heads.queries;
        let token = at / (width * heads.queries);
        let end = state[0] as usize + token + 1;
        let used = (end + CHUNK - 1) / CHUNK;
        let first = (token * heads.queries + head) * count;
        let mut peak = LOWEST.runtime();
        for chunk in 0..used {
            peak = max(peak, peaks[2 * (first + chunk)]);
        }
        let mut sum = 0.0f32;
        let mut weight = 0.0f32;
        for chunk in 0..used {
            let share = (peaks[2 * (first + chunk)] - peak).exp();
            weight += share * peaks[2 * (first + chunk) + 1];
            sum += share * mixed[(first + chunk) * padded + value];
        }
        out[token * row + head * width + value] = sum / weight;
    }
}
