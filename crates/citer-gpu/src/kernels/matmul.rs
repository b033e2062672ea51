//! Products of weights with activations: decode (one token) and prefill (a tile of tokens) are the same kernels.
//!
//! An invocation makes one output row for `tokens` tokens. With `slices > 1` that many invocations share a row, each
//! taking every `slices`-th block, and meet once in shared memory; with one slice there is no barrier at all, which is
//! what software adapters want.

// The macro writes public items of its own beside each kernel.
#![allow(missing_docs)]

use super::decode::{F4, U4, decode};
use crate::format::{Format, PANEL};
use cubecl::prelude::*;

/// The part of a product that a kernel variant chooses, and the sizes it is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Format of the weights.
    pub format: Format,
    /// Blocks in a row.
    pub blocks: usize,
    /// Panels of rows.
    pub panels: usize,
    /// Tokens an invocation makes.
    pub tokens: usize,
    /// Invocations that share a row.
    pub slices: usize,
    /// Panels a cube makes.
    pub span: usize,
}

impl Tiling {
    /// Size of a cube.
    pub fn cube(&self) -> CubeDim {
        CubeDim::new_2d((PANEL * self.span) as u32, self.slices as u32)
    }

    /// Cubes for `tokens` tokens.
    pub fn count(&self, tokens: usize) -> CubeCount {
        CubeCount::Static(self.panels.div_ceil(self.span) as u32, tokens.div_ceil(self.tokens) as u32, 1)
    }
}

/// What a projection does besides multiplying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Projection {
    /// Sizes and variant.
    pub tiling: Tiling,
    /// RMSNorm of the input over this many values; 0 for none.
    pub norm: usize,
    /// Bits of the norm's epsilon.
    pub epsilon: u32,
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether negative results become zero.
    pub relu: bool,
    /// Whether only the last token is projected (into row 0).
    pub last: bool,
}

#[cube]
fn total(v: F4) -> f32 {
    v.extract(0usize) + v.extract(1usize) + v.extract(2usize) + v.extract(3usize)
}

/// Products of one row with the inputs of `tokens` tokens from `first` on; only every `slices`-th block.
#[cube]
fn products(
    quants: &[U4],
    scales: &[f32],
    input: &[F4],
    panel: usize,
    first: usize,
    #[comptime] tiling: Tiling,
) -> Array<f32> {
    let tokens = comptime!(tiling.tokens);
    let blocks = comptime!(tiling.blocks);
    let words = comptime!(tiling.format.words());
    let slots = comptime!(tiling.format.slots());
    let lane = UNIT_POS_X as usize % PANEL;
    let mut sums = Array::<F4>::new(tokens);
    #[unroll]
    for token in 0..tokens {
        sums[token] = F4::new(0.0f32);
    }
    for block in range_stepped(UNIT_POS_Y as usize, blocks, tiling.slices) {
        let at = panel * blocks + block;
        let base = at * words * PANEL + lane;
        let column = first * blocks * 8 + block * 8;
        if comptime!(tiling.format.is_quantised() && tokens == 1) {
            let mut part = F4::new(0.0f32);
            #[unroll]
            for word in 0..words {
                let bits = quants[base + word * PANEL];
                #[unroll]
                for slot in 0..slots {
                    part += decode(bits, slot, tiling.format) * input[column + word * slots + slot];
                }
            }
            sums[0] += part * F4::new(scales[at * PANEL + lane]);
        } else {
            let mut scale = F4::new(1.0f32);
            if comptime!(tiling.format.is_quantised()) {
                scale = F4::new(scales[at * PANEL + lane]);
            }
            #[unroll]
            for word in 0..words {
                let bits = quants[base + word * PANEL];
                #[unroll]
                for slot in 0..slots {
                    let mut weights = decode(bits, slot, tiling.format);
                    if comptime!(tiling.format.is_quantised()) {
                        weights *= scale;
                    }
                    #[unroll]
                    for token in 0..tokens {
                        sums[token] += weights * input[column + token * blocks * 8 + word * slots + slot];
                    }
                }
            }
        }
    }
    let mut totals = Array::<f32>::new(tokens);
    #[unroll]
    for token in 0..tokens {
        totals[token] = total(sums[token]);
    }
    totals
}

/// Sums of squares of the inputs of `tokens` tokens; only this slice's share.
#[cube]
fn squares(plain: &[F4], first: usize, #[comptime] tiling: Tiling) -> Array<f32> {
    let tokens = comptime!(tiling.tokens);
    let groups = comptime!(tiling.blocks * 8);
    let mut sums = Array::<F4>::new(tokens);
    #[unroll]
    for token in 0..tokens {
        sums[token] = F4::new(0.0f32);
    }
    for group in range_stepped(UNIT_POS_Y as usize, groups, tiling.slices) {
        #[unroll]
        for token in 0..tokens {
            let value = plain[(first + token) * groups + group];
            sums[token] += value * value;
        }
    }
    let mut totals = Array::<f32>::new(tokens);
    #[unroll]
    for token in 0..tokens {
        totals[token] = total(sums[token]);
    }
    totals
}

/// Adds up the slices' shares of `count` values; afterwards the first slice holds the sums.
#[cube]
fn meet(values: &mut Array<f32>, shared: &mut Shared<[f32]>, #[comptime] count: usize, #[comptime] tiling: Tiling) {
    let rows = comptime!(PANEL * tiling.span);
    let slices = comptime!(tiling.slices);
    let (row, slice) = (UNIT_POS_X as usize, UNIT_POS_Y as usize);
    // The values of an earlier meeting may still be read.
    sync_cube();
    #[unroll]
    for value in 0..count {
        shared[(value * slices + slice) * rows + row] = values[value];
    }
    sync_cube();
    if slice == 0 {
        #[unroll]
        for value in 0..count {
            let mut sum = 0.0f32;
            #[unroll]
            for other in 0..slices {
                sum += shared[(value * slices + other) * rows + row];
            }
            values[value] = sum;
        }
    }
}

/// `out = norm(plain) gain W^T + bias`, with `scaled = plain gain` made by whoever made `plain`: the norm's factor is a
/// number per token, so it is applied to the finished sum.
///
/// Shapes: `scaled`, `plain` `[tokens, blocks, 8]` vectors; `bias` `[rows]`; `out` `[tokens, panels * PANEL]`.
#[cube(launch_unchecked)]
pub fn project(
    quants: &[U4],
    scales: &[f32],
    scaled: &[F4],
    plain: &[F4],
    bias: &[f32],
    state: &[u32],
    out: &mut [f32],
    #[comptime] projection: Projection,
) {
    let tiling = comptime!(projection.tiling);
    let tokens = comptime!(tiling.tokens);
    let panels = comptime!(tiling.panels);
    let rows = comptime!(PANEL * tiling.panels);
    let wanted = CUBE_POS_X as usize * tiling.span + UNIT_POS_X as usize / PANEL;
    let panel = min(wanted, panels - 1);
    let mut first = CUBE_POS_Y as usize * tokens;
    if comptime!(projection.last) {
        first = state[1] as usize - 1;
    }
    let mut sums = products(quants, scales, scaled, panel, first, tiling);
    let mut norms = Array::<f32>::new(tokens);
    if comptime!(projection.norm > 0) {
        norms = squares(plain, first, tiling);
    }
    if comptime!(tiling.slices > 1) {
        let mut shared = Shared::new_slice(comptime!(PANEL * tiling.span * tiling.slices * tokens));
        meet(&mut sums, &mut shared, tokens, tiling);
        if comptime!(projection.norm > 0) {
            meet(&mut norms, &mut shared, tokens, tiling);
        }
    }
    if UNIT_POS_Y == 0 && wanted < panels {
        let row = panel * PANEL + UNIT_POS_X as usize % PANEL;
        #[unroll]
        for token in 0..tokens {
            let mut value = sums[token];
            if comptime!(projection.norm > 0) {
                let mean = norms[token] * comptime!(1.0 / projection.norm as f32).runtime();
                value *= (mean + comptime!(f32::from_bits(projection.epsilon)).runtime()).inverse_sqrt();
            }
            if comptime!(projection.bias) {
                value += bias[row];
            }
            if comptime!(projection.relu) {
                value = max(value, 0.0f32);
            }
            if comptime!(projection.last) {
                out[row] = value;
            } else {
                out[(first + token) * rows + row] = value;
            }
        }
    }
}

/// `plain += input W^T + bias` and `scaled = plain gain`: a residual addition that prepares the next norm.
///
/// Shapes: `input` `[tokens, blocks, 8]` vectors; `bias`, `gain` `[rows]`; `plain`, `scaled` `[tokens, panels * PANEL]`.
#[cube(launch_unchecked)]
pub fn add(
    quants: &[U4],
    scales: &[f32],
    input: &[F4],
    bias: &[f32],
    gain: &[f32],
    plain: &mut [f32],
    scaled: &mut [f32],
    #[comptime] has_bias: bool,
    #[comptime] tiling: Tiling,
) {
    let tokens = comptime!(tiling.tokens);
    let panels = comptime!(tiling.panels);
    let rows = comptime!(PANEL * tiling.panels);
    let wanted = CUBE_POS_X as usize * tiling.span + UNIT_POS_X as usize / PANEL;
    let panel = min(wanted, panels - 1);
    let first = CUBE_POS_Y as usize * tokens;
    let mut sums = products(quants, scales, input, panel, first, tiling);
    if comptime!(tiling.slices > 1) {
        let mut shared = Shared::new_slice(comptime!(PANEL * tiling.span * tiling.slices * tokens));
        meet(&mut sums, &mut shared, tokens, tiling);
    }
    if UNIT_POS_Y == 0 && wanted < panels {
        let row = panel * PANEL + UNIT_POS_X as usize % PANEL;
        #[unroll]
        for token in 0..tokens {
            let at = (first + token) * rows + row;
            let mut value = plain[at] + sums[token];
            if comptime!(has_bias) {
                value += bias[row];
            }
            plain[at] = value;
            scaled[at] = value * gain[row];
        }
    }
}

/// `out = silu(gate) up` with `gate` and `up` both of the normalised input: their panels alternate in the matrix.
///
/// Shapes as in [`project`]; `out` `[tokens, panels / 2 * PANEL]`.
#[cube(launch_unchecked)]
pub fn gate_up(
    quants: &[U4],
    scales: &[f32],
    scaled: &[F4],
    plain: &[F4],
    out: &mut [f32],
    #[comptime] norm: usize,
    #[comptime] epsilon: u32,
    #[comptime] tiling: Tiling,
) {
    let tokens = comptime!(tiling.tokens);
    let pairs = comptime!(tiling.panels / 2);
    let rows = comptime!(PANEL * pairs);
    let wanted = CUBE_POS_X as usize * tiling.span + UNIT_POS_X as usize / PANEL;
    let pair = min(wanted, pairs - 1);
    let first = CUBE_POS_Y as usize * tokens;
    let mut gates = products(quants, scales, scaled, 2 * pair, first, tiling);
    let mut ups = products(quants, scales, scaled, 2 * pair + 1, first, tiling);
    let mut norms = squares(plain, first, tiling);
    if comptime!(tiling.slices > 1) {
        let mut shared = Shared::new_slice(comptime!(PANEL * tiling.span * tiling.slices * tokens));
        meet(&mut gates, &mut shared, tokens, tiling);
        meet(&mut ups, &mut shared, tokens, tiling);
        meet(&mut norms, &mut shared, tokens, tiling);
    }
    if UNIT_POS_Y == 0 && wanted < pairs {
        let row = pair * PANEL + UNIT_POS_X as usize % PANEL;
        #[unroll]
        for token in 0..tokens {
            let mean = norms[token] * comptime!(1.0 / norm as f32).runtime();
            let factor = (mean + comptime!(f32::from_bits(epsilon)).runtime()).inverse_sqrt();
            let gate = gates[token] * factor;
            out[(first + token) * rows + row] = gate / (1.0f32 + (-gate).exp()) * ups[token] * factor;
        }
    }
}
