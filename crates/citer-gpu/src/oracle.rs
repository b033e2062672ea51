//! The oracle: what each kernel must compute, in plain Rust on the CPU.

use crate::{
    format::PANEL,
    pack::{Panel, value},
    weights::Stored,
};

/// Seeded numbers between -1 and 1.
pub fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        // splitmix64 (Steele, Lea and Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A number and what rounding may make of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The number.
    pub value: f64,
    /// The sum of the sizes of what was added up.
    pub size: f64,
}

impl Expected {
    /// How far `found` is away, as a share of what is allowed.
    pub fn error(&self, found: f32) -> f32 {
        let away = (f64::from(found) - self.value).abs() / (1e-4 * self.size + 1e-5);
        if away.is_nan() { f32::INFINITY } else { away as f32 }
    }

    /// Scaled by `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, size: self.size * factor.abs() }
    }

    /// With `more` added.
    pub fn plus(self, more: f64) -> Self {
        Self { value: self.value + more, size: self.size + more.abs() }
    }
}

/// A row of a stored panel times `input`.
pub fn product(stored: &Stored, panel: &Panel, row: usize, input: &[f32]) -> Expected {
    let mut sum = Expected { value: 0.0, size: 0.0 };
    for (column, x) in input.iter().take(stored.columns).enumerate() {
        let term = f64::from(value(stored.format, panel, row % PANEL, column)) * f64::from(*x);
        sum.value += term;
        sum.size += term.abs();
    }
    sum
}

/// The factor of RMSNorm over `values`.
pub fn norm(values: &[f32], epsilon: f32) -> f64 {
    let squares: f64 = values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    1.0 / (squares / values.len() as f64 + f64::from(epsilon)).sqrt()
}

/// `x / (1 + exp(-x))`.
pub fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// Attention of one head over `keys` and `values` `[positions, width]`.
pub fn attention(query: &[f32], keys: &[Vec<f32>], values: &[Vec<f32>]) -> Vec<Expected> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let scale = 1.0 / (query.len() as f64).sqrt();
    let scores: Vec<f64> = keys.iter().map(|key| dot(query, key) * scale).collect();
    let peak = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - peak).exp()).collect();
    let total: f64 = weights.iter().sum();
    let place = |at: usize| {
        let terms = weights.iter().zip(values).map(|(weight, value)| weight / total * f64::from(value[at]));
        terms.fold(Expected { value: 0.0, size: 0.0 }, Expected::plus)
    };
    (0..query.len()).map(place).collect()
}
