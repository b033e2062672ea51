//! The fused path: a model's files become a decoder on the GPU, then an engine.

pub use crate::parts::Parts;
use crate::{
    engine::Engine,
    fused_weights::{FileWeights, OpenError, shape},
    rotation,
};
use citer_files::TensorSource;
pub use citer_gpu::Tuning;
use citer_gpu::{Decoder, Format, Gpu, Shape};

/// How a model is put on the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most tokens in the KV cache; cut to the model's positions.
    pub capacity: usize,
    /// How floating-point matrices are stored; `None` as they are in the file.
    pub floats: Option<Format>,
    /// Whether the KV cache holds 16-bit floats where the adapter has them; half the memory and traffic, other rounding.
    pub half_cache: bool,
    /// The kernel variants that were fastest for this model on this adapter before.
    pub tuning: Option<Tuning>,
}

impl Default for Options {
    fn default() -> Self {
        Self { capacity: 4096, floats: None, half_cache: false, tuning: None }
    }
}

/// Loads a model tensor by tensor, chooses its kernels on this adapter and warms them up. `progress` hears the share of
/// the weights that is loaded, 0 to 1.
///
/// # Errors
/// Files that do not belong together or are damaged, and devices that are too small or compute wrong numbers.
pub async fn open(
    gpu: &Gpu,
    parts: Parts,
    tensors: &dyn TensorSource,
    options: Options,
    progress: impl FnMut(f32),
) -> Result<Engine, OpenError> {
    parts.check()?;
    let Parts { config, tokenizer, format, router } = parts;
    let known = tokenizer.vocab_size();
    let capacity = options.capacity.min(config.max_position_embeddings);
    let weights = FileWeights::new(&config, tensors, options.floats);
    let [cosines, sines] = rotation::tables(&config, capacity);
    let router = router.map(|router| router.for_gpu());
    let shape = Shape { half_cache: options.half_cache, ..shape(&config, known, capacity) };
    let mut decoder = Decoder::load(gpu, &shape, &weights, router.as_ref(), [&cosines, &sines], progress)?;
    decoder.prepare(options.tuning.as_ref()).await?;
    Ok(Engine::on_gpu(config, decoder, tokenizer, format))
}
