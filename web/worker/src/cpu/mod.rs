//! The engine's device where there is no WebGPU: the processor, one thread of it, in plain operations (burn-flex).

pub mod bench;
mod model;

use crate::engine::LoadFailure;
use crate::library::machine::{Limits, Speed};
use citer_core::message::Kernel;
use citer_files::{Config, Format, TensorSource};
use citer_lm::parts::Parts;
use citer_lm::{device, plain};
pub use model::{CHUNK, Model};

/// Whether the engine runs on the processor.
pub const ON_PROCESSOR: bool = true;
/// What the page and traces call it.
const NAME: &str = "processor (burn-flex)";
/// Bytes of a weight: all are 32-bit floats here.
const FLOAT: u64 = 4;
/// Most bytes of weights and cache: a page's memory ends at 4 GiB, and a tensor is held twice while it is loaded.
const MOST: u64 = 1 << 30;

/// The processor.
pub struct Device;

impl Device {
    /// It is always there.
    pub async fn open() -> Result<Self, LoadFailure> {
        Ok(Self)
    }

    /// Its name.
    pub fn name(&self) -> String {
        NAME.into()
    }

    /// Loads a model that is not too large; `progress` hears the share that is loaded.
    pub async fn load(
        &self,
        parts: Parts,
        tensors: &dyn TensorSource,
        _weights_sha256: &str,
        capacity: usize,
        mut progress: impl FnMut(f32),
    ) -> Result<Model, LoadFailure> {
        let needed = needed(&parts.config, capacity);
        if needed > MOST {
            let mib = |bytes: u64| bytes >> 20;
            return Err(LoadFailure::Other(format!(
                "this model takes {} MiB on the processor and {} MiB are allowed there: choose a smaller model, or a \
                 browser with WebGPU",
                mib(needed),
                mib(MOST)
            )));
        }
        progress(0.0);
        let engine = plain::open(parts, tensors, capacity, &device::cpu());
        let engine = engine.map_err(|error| LoadFailure::Other(error.to_string()))?;
        progress(1.0);
        Ok(Model(engine))
    }

    /// There are no variants to remember.
    pub fn remembered(&self) -> bool {
        false
    }
}

/// Bytes of a model's weights and KV cache.
fn needed(config: &Config, capacity: usize) -> u64 {
    let positions = capacity.min(config.max_position_embeddings) as u64;
    let cache = [config.num_hidden_layers as u64, 2, config.kv_width() as u64, positions];
    let cache = cache.iter().fold(FLOAT, |all, factor| all.saturating_mul(*factor));
    config.parameters().saturating_mul(FLOAT).saturating_add(cache)
}

/// Bytes that a matrix of `values` values takes, whatever its file's format.
pub fn device_bytes(_format: Format, values: u64) -> u64 {
    values.saturating_mul(FLOAT)
}

/// There are no variants to choose from.
pub fn kernels(_engine: &mut Model) -> Vec<Kernel> {
    Vec::new()
}

/// What a model may take.
pub async fn limits() -> Limits {
    Limits { memory: Some(MOST), max_buffer: MOST, max_binding: MOST }
}

/// No speed is predicted.
pub async fn measure() -> Option<Speed> {
    None
}
