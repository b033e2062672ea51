//! The engine's device: the graphics adapter, through WebGPU.

pub mod bench;
mod calls;
mod remembered;

use crate::engine::LoadFailure;
use crate::library::machine::{Limits, Speed, call, get};
use citer_core::message::Kernel;
use citer_files::TensorSource;
pub use citer_lm::fused_weights::device_bytes;
use citer_lm::parts::Parts;
use citer_lm::{Engine, Gpu, GpuError, OpenError, Trial};
use citer_lm::{
    PREFILL,
    fused::{self, Options},
};
use std::cell::Cell;
use wasm_bindgen::prelude::*;

/// Whether the engine runs on the processor.
pub const ON_PROCESSOR: bool = false;
/// Tokens of a prompt that are computed at once.
pub const CHUNK: usize = PREFILL;
/// The model that the routed decoder drives.
pub type Model = Engine;

/// An open graphics adapter.
pub struct Device {
    gpu: Gpu,
    /// Whether the kernel variants of the model that was loaded were known from an earlier visit.
    remembered: Cell<bool>,
}

impl Device {
    /// Opens the default adapter.
    pub async fn open() -> Result<Self, LoadFailure> {
        let gpu = Gpu::open().await.map_err(|error| LoadFailure::of(error.into()))?;
        Ok(Self { gpu, remembered: Cell::new(false) })
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.gpu.name.clone()
    }

    /// Loads a model whose weights have the given SHA-256 and runs it once; `progress` hears the share that is loaded.
    pub async fn load(
        &self,
        parts: Parts,
        tensors: &dyn TensorSource,
        weights_sha256: &str,
        capacity: usize,
        progress: impl FnMut(f32),
    ) -> Result<Model, LoadFailure> {
        let tuning = remembered::tuning(&self.gpu, weights_sha256).await;
        let options = Options { capacity, tuning, ..Options::default() };
        let opened = fused::open(&self.gpu, parts, tensors, options, progress).await;
        let mut engine = opened.map_err(LoadFailure::of)?;
        self.remembered.set(remembered::keep(&self.gpu, weights_sha256, &mut engine, tuning).await);
        Ok(engine)
    }

    /// Whether the kernel variants of the model that was loaded were known from an earlier visit.
    pub fn remembered(&self) -> bool {
        self.remembered.get()
    }
}

impl LoadFailure {
    /// Whether another device could do better is in the error.
    fn of(error: OpenError) -> Self {
        match &error {
            OpenError::Gpu(GpuError::NoDevice(_) | GpuError::Wrong(_)) => Self::Device(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// How the kernels were chosen, for the page's device report.
pub fn kernels(engine: &mut Model) -> Vec<Kernel> {
    let Some(decoder) = engine.gpu() else { return Vec::new() };
    let kernel = |trial: &_| {
        let Trial { kernel, variant, error, micros, chosen } = trial;
        Kernel { kernel: kernel.clone(), variant: variant.clone(), error: *error, micros: *micros, chosen: *chosen }
    };
    decoder.trials().iter().map(kernel).collect()
}

/// What the adapter allows.
pub async fn limits() -> Limits {
    let navigator: JsValue = crate::scope().navigator().into();
    let gpu = get(&navigator, "gpu");
    let adapter = if gpu.is_object() { call(&gpu, "requestAdapter").await } else { None };
    let limits = adapter.map(|adapter| get(&adapter, "limits")).unwrap_or_default();
    let limit = |name: &str| if limits.is_object() { get(&limits, name).as_f64().unwrap_or(0.0) as u64 } else { 0 };
    Limits { memory: None, max_buffer: limit("maxBufferSize"), max_binding: limit("maxStorageBufferBindingSize") }
}

/// Measures what a decode step costs here, with a small synthetic model; `None` where that fails.
pub async fn measure() -> Option<Speed> {
    let probe = Gpu::open().await.ok()?.probe().await.ok()?;
    Some(Speed { bytes_per_s: probe.bytes_per_s, kernel_s: probe.kernel_s })
}
