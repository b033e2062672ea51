//! Products of weights with activations: decode (one token) and prefill (a tile of tokens) are the same kernels.
//!
//! An invocation makes `rows` output rows, one in each of as many panels, for `tokens` tokens: every input it loads serves
//! all its rows and every weight it decodes all its tokens. With `slices > 1` that many invocations share their rows, each
//! taking every `slices`-th block, and meet once in shared memory; with one slice there is no barrier at all, which is what
//! software adapters want.

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
    /// Rows an invocation makes, one a panel.
    pub rows: usize,
    /// Tokens an invocation makes.
    pub tokens: usize,
    /// Invocations that share a row.
    pub slices: usize,
    /// Groups of `rows` panels a cube makes.
    pub span: usize,
    /// For tests: leaves out the last block, as a miscompiled kernel might.
    pub faulty: bool,
}

impl Tiling {
    /// Groups of `rows` panels.
    pub const fn groups(&self) -> usize {
        self.panels.div_ceil(self.rows)
    }

    /// Blocks that a product goes through.
    const fn read(&self) -> usize {
        self.blocks - self.faulty as usize
    }

    /// Results of an invocation.
    pub const fn results(&self) -> usize {
        self.rows * self.tokens
    }

    /// Size of a cube.
    pub fn cube(&self) -> CubeDim {
        CubeDim::new_2d((PANEL * self.span) as u32, self.slices as u32)
    }

    /// Cubes for `tokens` tokens.
    pub fn count(&self, tokens: usize) -> CubeCount {
        CubeCount::Static(self.groups().div_ceil(self.span) as u32, tokens.div_ceil(self.tokens) as u32, 1)
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

/// The sums of `count` vectors' parts.
#[cube]
fn totals(sums: &Array<F4>, #[comptime] count: usize) -> Array<f32> {
    let mut totals = Array::<f32>::new(count);
    #[unroll]
    for place in 0..count {
        let sum = sums[place];
        totals[place] = sum.extract(0usize) + sum.extract(1usize) + sum.extract(2usize) + sum.extract(3usize);
    }
    totals
}

/// Products of this invocation's rows with the inputs of `tokens` tokens from `first` on, `[rows, tokens]`; only this
/// slice's share. `group` is the group of panels.
#[cube]
fn products(
    quants: &[U4],
    scales: &[f32],
    input: &[F4],
    group: usize,
    first: usize,
    #[comptime] tiling: Tiling,
) -> Array<f32> {
    let rows = comptime!(tiling.rows);
    let tokens = comptime!(tiling.tokens);
    let blocks = comptime!(tiling.blocks);
    let words = comptime!(tiling.format.words());
    let slots = comptime!(tiling.format.slots());
    let results = comptime!(tiling.results());
    // With one token the scale is applied to a block's sum, with more to every weight that is decoded.
    let late = comptime!(tiling.format.is_quantised() && tiling.tokens == 1);
    let early = comptime!(tiling.format.is_quantised() && tiling.tokens > 1);
    let lane = UNIT_POS_X as usize % PANEL;
    let mut sums = Array::<F4>::new(results);
    let mut parts = Array::<F4>::new(rows);
    let mut bits = Array::<U4>::new(rows);
    let mut factors = Array::<F4>::new(rows);
    let mut inputs = Array::<F4>::new(tokens);
    #[unroll]
    for result in 0..results {
        sums[result] = F4::new(0.0f32);
    }
    for block in range_stepped(UNIT_POS_Y as usize, comptime!(tiling.read()), tiling.slices) {
        let column = first * blocks * 8 + block * 8;
        #[unroll]
        for row in 0..rows {
            if comptime!(tiling.format.is_quantised()) {
                let at = min(group * rows + row, tiling.panels - 1) * blocks + block;
                factors[row] = F4::new(scales[at * PANEL + lane]);
            }
            parts[row] = F4::new(0.0f32);
        }
        #[unroll]
        for word in 0..words {
            #[unroll]
            for row in 0..rows {
                let at = min(group * rows + row, tiling.panels - 1) * blocks + block;
                bits[row] = quants[(at * words + word) * PANEL + lane];
            }
            #[unroll]
            for slot in 0..slots {
                #[unroll]
                for token in 0..tokens {
                    inputs[token] = input[column + token * blocks * 8 + word * slots + slot];
                }
                #[unroll]
                for row in 0..rows {
                    let mut weights = decode(bits[row], slot, tiling.format);
                    if comptime!(early) {
                        weights *= factors[row];
                    }
                    if comptime!(late) {
                        parts[row] += weights * inputs[0];
                    } else {
                        #[unroll]
                        for token in 0..tokens {
                            sums[row * tokens + token] += weights * inputs[token];
                        }
                    }
                }
            }
        }
        if comptime!(late) {
            #[unroll]
            for row in 0..rows {
                sums[row] += parts[row] * factors[row];
            }
        }
    }
    totals(&sums, results)
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
    totals(&sums, tokens)
}

/// Adds up the slices' shares of `count` values; afterwards the first slice holds the sums.
#[cube]
fn meet(values: &mut Array<f32>, shared: &mut Shared<[f32]>, #[comptime] count: usize, #[comptime] tiling: Tiling) {
    let width = comptime!(PANEL * tiling.span);
    let slices = comptime!(tiling.slices);
    let (row, slice) = (UNIT_POS_X as usize, UNIT_POS_Y as usize);
    // The values of an earlier meeting may still be read.
    sync_cube();
    #[unroll]
    for value in 0..count {
        shared[(value * slices + slice) * width + row] = values[value];
    }
    sync_cube();
    if slice == 0 {
        #[unroll]
        for value in 0..count {
            let mut sum = 0.0f32;
            #[unroll]
            for other in 0..slices {
                sum += shared[(value * slices + other) * width + row];
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
    let (rows, tokens) = comptime!((tiling.rows, tiling.tokens));
    let width = comptime!(PANEL * tiling.panels);
    let group = CUBE_POS_X as usize * tiling.span + UNIT_POS_X as usize / PANEL;
    let mut first = CUBE_POS_Y as usize * tokens;
    if comptime!(projection.last) {
        first = state[1] as usize - 1;
    }
    let mut sums = products(quants, scales, scaled, group, first, tiling);
    let mut norms = Array::<f32>::new(tokens);
    if comptime!(projection.norm > 0) {
        norms = squares(plain, first, tiling);
    }
    if comptime!(tiling.slices > 1) {
        let mut shared = Shared::new_slice(comptime!(PANEL * tiling.span * tiling.slices * tiling.results()));
        meet(&mut sums, &mut shared, comptime!(tiling.results()), tiling);
        if comptime!(projection.norm > 0) {
            meet(&mut norms, &mut shared, tokens, tiling);
        }
    }
    if UNIT_POS_Y == 0 {
        #[unroll]
        for part in 0..rows {
            let panel = group * rows + part;
            if panel < tiling.panels {
                let row = panel * PANEL + UNIT_POS_X as usize % PANEL;
                #[unroll]
                for token in 0..tokens {
                    let mut value = sums[part * tokens + token];
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
                        out[(first + token) * width + row] = value;
                    }
                }
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
    let (rows, tokens) = comptime!((tiling.rows, tiling.tokens));
    let width = comptime!(PANEL * tiling.panels);
    let group = CUBE_POS_X as usize * tiling.span + UNIT_POS_X as usize / PANEL;
    let first = CUBE_POS_Y as usize * tokens;
    let mut sums = products(quants, scales, input, group, first, tiling);
    if comptime!(tiling.slices > 1) {
        let mut shared = Shared::new_slice(comptime!(PANEL * tiling.span * tiling.slices * tiling.results()));
        meet(&mut sums, &mut shared, comptime!(tiling.results()), tiling);
    }
    if UNIT_POS_Y == 0 {
        #[unroll]
        for part in 0..rows {
            let panel = group * rows + part;
            if panel < tiling.panels {
                let row = panel * PANEL + UNIT_POS_X as usize % PANEL;
                #[unroll]
                for token in 0..tokens {
                    let at = (first + token) * width + row;
                    let mut value = plain[at] + sums[part * tokens + token];
                    if comptime!(has_bias) {
                        value += bias[row];
                    }
                    plain[at] = value;
                    scaled[at] = value * gain[row];
                }
            }
        }
    }
}

/// `out = silu(gate) up` with `gate` and `up` both of the normalised input: their panels alternate in the matrix, so
/// an invocation takes an even number of rows.
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
    let (pairs, tokens) = comptime!((tiling.rows / 2, tiling.tokens));
    let width = comptime!(PANEL * (tiling.panels / 2));
    let group = CUBE_POS_X as usize * tiling.span + UNIT_POS_X as usize / PANEL;
    let first = CUBE_POS_Y as usize * tokens;
    let mut sums = products(quants, scales, scaled, group, first, tiling);
    let mut norms = squares(plain, first, tiling);
    if comptime!(tiling.slices > 1) {
        let mut shared = Shared::new_slice(comptime!(PANEL * tiling.span * tiling.slices * tiling.results()));
        meet(&mut sums, &mut shared, comptime!(tiling.results()), tiling);
        meet(&mut norms, &mut shared, tokens, tiling);
    }
    if UNIT_POS_Y == 0 {
        #[unroll]
        for part in 0..pairs {
            let pair = group * pairs + part;
            if pair < comptime!(tiling.panels / 2) {
                let row = pair * PANEL + UNIT_POS_X as usize % PANEL;
                #[unroll]
                for token in 0..tokens {
                    let mean = norms[token] * comptime!(1.0 / norm as f32).runtime();
                    let factor = (mean + comptime!(f32::from_bits(epsilon)).runtime()).inverse_sqrt();
                    let gate = sums[comptime!(2 * part * tokens + token)] * factor;
                    let up = sums[comptime!((2 * part + 1) * tokens + token)] * factor;
                    out[(first + token) * width + row] = gate / (1.0f32 + (-gate).exp()) * up;
                }
            }
        }
    }
}
