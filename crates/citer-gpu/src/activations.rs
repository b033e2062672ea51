//! Activations: the buffers that a step fills, allocated once.

use crate::{
    buffer::Buffer,
    error::GpuError,
    gpu::Gpu,
    kernels::{
        attention::chunks,
        choose::{ENTRY, RECORD, TOP, strips},
    },
    shape::{Shape, padded},
};

/// Tokens of a prefill chunk.
pub const PREFILL: usize = 64;
/// Records kept for reading back: most steps that may be queued.
pub const SLOTS: usize = 64;
/// Words of the state: position, tokens of the step, step.
const STATE: usize = 4;

/// All buffers of one sequence.
pub(crate) struct Activations {
    /// Token ids of the step.
    pub inputs: Buffer,
    /// Position, tokens of the step, number of the step.
    pub state: Buffer,
    /// The residual stream, `[PREFILL, hidden]`.
    pub plain: Buffer,
    /// The residual stream times the next norm's gain.
    pub scaled: Buffer,
    /// Queries, keys and values, `[PREFILL, qkv]`.
    pub qkv: Buffer,
    /// Rotated queries.
    pub query: Buffer,
    /// Attention of every chunk.
    pub mixed: Buffer,
    /// Peaks and weights of every chunk.
    pub peaks: Buffer,
    /// Attention, heads side by side.
    pub attended: Buffer,
    /// The MLP's inner values.
    pub inner: Buffer,
    /// The router's hidden layer.
    pub judged: Buffer,
    /// The router's score.
    pub score: Buffer,
    /// Logits of the last token.
    pub logits: Buffer,
    /// Best values of every strip.
    pub shortlist: Buffer,
    /// Their ids.
    pub names: Buffer,
    /// Records of the last steps.
    pub records: Buffer,
    /// Keys and values of every layer.
    pub cache: Vec<[Buffer; 2]>,
}

impl Activations {
    /// Allocates everything for `shape`; the widest prefill tile writes up to `PREFILL` rows.
    pub fn new(gpu: &Gpu, shape: &Shape, judge: usize) -> Result<Self, GpuError> {
        let heads = shape.attention();
        // In 64 bits: a browser's `usize` has 32, and a hostile shape may ask for more.
        let size = |factors: &[usize]| factors.iter().fold(1u64, |all, factor| all.saturating_mul(*factor as u64));
        let zeros = |factors: &[usize]| gpu.zeros(size(factors));
        let row = |width: usize| zeros(&[PREFILL, padded(width), 4]);
        let cached = |positions: usize| zeros(&[shape.kv_heads, positions, heads.padded(), shape.cache_width()]);
        let cache = (0..shape.layers).map(|_| Ok([cached(heads.stride())?, cached(shape.capacity)?]));
        let score = gpu.floats(&[1.0], 4)?;
        Ok(Self {
            inputs: zeros(&[PREFILL, 4])?,
            state: zeros(&[STATE, 4])?,
            plain: row(shape.hidden)?,
            scaled: row(shape.hidden)?,
            qkv: row(shape.qkv())?,
            query: zeros(&[PREFILL, shape.heads, heads.padded(), 4])?,
            mixed: zeros(&[PREFILL, shape.heads, chunks(shape.capacity), heads.padded(), 4])?,
            peaks: zeros(&[PREFILL, shape.heads, chunks(shape.capacity), 8])?,
            attended: row(shape.query())?,
            inner: row(shape.intermediate)?,
            judged: zeros(&[padded(judge), 4])?,
            score,
            logits: zeros(&[padded(shape.vocab), 4])?,
            shortlist: zeros(&[strips(shape.known), ENTRY, 4])?,
            names: zeros(&[strips(shape.known), TOP, 4])?,
            records: zeros(&[SLOTS, RECORD, 4])?,
            cache: cache.collect::<Result<_, GpuError>>()?,
        })
    }
}
