//! Probe: how fast this adapter decodes, measured with a small synthetic model before any model is there.

use crate::{
    decoder::Decoder,
    error::GpuError,
    format::{BLOCK, Format},
    gpu::Gpu,
    oracle::numbers,
    pack::blocks,
    shape::Shape,
    tuning::{Product, Tuning},
    weights::{Matrix, Part, Rows, Weights},
};
use std::ops::Range;

/// Rows of the output head: what its product reads (19 MB) exceeds most caches, as a model's weights do.
const ROWS: usize = 1 << 16;
/// Width of the hidden state.
const HIDDEN: usize = 512;
/// Positions of the cache: enough for a step to be measured.
const CAPACITY: usize = 64;

/// What a decode step costs on an adapter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// Bytes of quantised weights that a product goes through in a second.
    pub bytes_per_s: f64,
    /// Seconds that a kernel takes besides reading weights.
    pub kernel_s: f64,
}

/// Kernels of a layer, and the embedding before it.
const KERNELS: usize = 8;

/// Seeded weights in blocks of four bits: what most people choose, and where a byte takes longest to decode.
struct Synthetic;

impl Weights for Synthetic {
    type Error = GpuError;

    fn format(&self, _: Matrix) -> Result<Format, GpuError> {
        Ok(Format::Q4)
    }

    fn rows(&self, matrix: Matrix, rows: Range<usize>, _: Format) -> Result<Rows, GpuError> {
        let columns = if let Matrix::Down(_) = matrix { INTERMEDIATE } else { HIDDEN };
        let count = rows.len() * blocks(columns);
        let seed = rows.start as u64;
        let codes = numbers(seed, count * BLOCK).into_iter().map(|value| (value * 8.0) as i8).collect();
        Ok(Rows::Blocks { codes, scales: vec![1e-3; count] })
    }

    fn vector(&self, part: Part) -> Result<Vec<f32>, GpuError> {
        let length = if let Part::QueryNorm(_) | Part::KeyNorm(_) = part { HEAD } else { HIDDEN };
        Ok(vec![1.0; length])
    }
}

/// Width of a head.
const HEAD: usize = 64;
/// Width of the MLP.
const INTERMEDIATE: usize = 2 * HIDDEN;

fn shape() -> Shape {
    Shape {
        vocab: ROWS,
        known: ROWS,
        hidden: HIDDEN,
        intermediate: INTERMEDIATE,
        layers: 1,
        heads: HIDDEN / HEAD,
        kv_heads: 2,
        head_dim: HEAD,
        epsilon: 1e-6,
        qkv_bias: false,
        output_bias: false,
        head_norms: false,
        tied: true,
        capacity: CAPACITY,
        half_cache: false,
    }
}

impl Gpu {
    /// Runs the synthetic model: its head gives the speed of reading, and what its layer takes beyond that the cost of a
    /// kernel.
    ///
    /// # Errors
    /// A device that fails or computes wrong numbers.
    pub async fn probe(&self) -> Result<Probe, GpuError> {
        let ones = vec![1.0; CAPACITY * HEAD / 2];
        let mut decoder = Decoder::load(self, &shape(), &Synthetic, None, [&ones, &ones], |_| ())?;
        // A software adapter compiles for longer than it would win.
        let usual = self.is_software.then(Tuning::default);
        decoder.prepare(usual.as_ref()).await?;
        let head = Product::Head.name();
        let chosen = decoder.trials().iter().find(|trial| trial.chosen && trial.kernel == head);
        let micros = chosen.and_then(|trial| trial.micros).ok_or_else(|| GpuError::Wrong(head.into()))?;
        let bytes_per_s = decoder.head_bytes() as f64 / (micros * 1e-6).max(1e-9);
        let layer_s = decoder.layers_ms().await? * 1e-3;
        let read = (decoder.bytes_per_token() - decoder.head_bytes()) as f64;
        Ok(Probe { bytes_per_s, kernel_s: (layer_s - read / bytes_per_s).max(0.0) / KERNELS as f64 })
    }
}
