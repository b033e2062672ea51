//! Loading the engine: files, graphics device, weights, warm-up.

use crate::device::{self, Device};
use crate::{download::download, memory, post};
use citer_core::message::{EngineInfo, FromWorker};
use citer_core::{LocalModel, RoutedDecoder};
use citer_lm::{SlmFiles, hash::sha256, pair};
use std::fmt;
use web_time::Instant;

/// A loaded SLM with its router.
pub struct Loaded {
    /// The model.
    pub engine: device::Model,
    /// The loop, which remembers what the KV cache holds.
    pub decoder: RoutedDecoder,
    /// What the page shows.
    pub info: EngineInfo,
    /// SHA-256 of the SLM's weights and of the router's, or of the card of what stands in for it, for traces.
    pub hashes: [String; 2],
    /// Whether its kernel variants were known from an earlier visit.
    pub remembered: bool,
}

/// Why a model cannot be loaded, in words for people.
#[derive(Debug)]
pub enum LoadFailure {
    /// This device cannot run any model; another can.
    Device(String),
    /// The files, the network or a model that is too large.
    Other(String),
}

impl From<String> for LoadFailure {
    fn from(error: String) -> Self {
        Self::Other(error)
    }
}

impl From<LoadFailure> for FromWorker {
    fn from(failure: LoadFailure) -> Self {
        match failure {
            LoadFailure::Device(error) => Self::NoDevice { error },
            LoadFailure::Other(error) => Self::Failed { answer: None, error },
        }
    }
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Device(error) | Self::Other(error)) = self;
        f.write_str(error)
    }
}

/// Most tokens in a conversation: the KV cache is allocated for all of them at once.
pub const CONTEXT: usize = 4096;

/// Tells the page how far loading is.
pub fn loading(stage: &str, progress: f32) {
    post(&FromWorker::Loading { stage: stage.into(), progress });
}

/// Downloads the shipped SLM's files from the folder at `models_url`.
pub async fn shipped(models_url: &str) -> Result<SlmFiles, String> {
    let base = models_url.trim_end_matches('/');
    // Nearly all bytes are the weights: only their progress moves the bar.
    let fetch = |name: String, from: f32, to: f32| async move {
        download(&format!("{base}/{name}"), |done, total| {
            let share = total.map_or(0.0, |total| done as f32 / total.max(1) as f32);
            loading("Loading the model", from + (to - from) * share.min(1.0));
        })
        .await
    };
    loading("Loading the model", 0.0);
    Ok(SlmFiles {
        config: fetch(format!("{}/{}", pair::SLM, pair::CONFIG), 0.0, 0.02).await?,
        tokenizer: fetch(pair::TOKENIZER.into(), 0.02, 0.1).await?,
        router: fetch(pair::ROUTER.into(), 0.1, 0.15).await?,
        router_card: fetch(pair::ROUTER_CARD.into(), 0.15, 0.16).await?,
        weights: fetch(format!("{}/{}", pair::SLM, pair::WEIGHTS), 0.16, 0.6).await?,
    })
}

/// Loads the shipped SLM from the folder at `models_url`, on WebGPU with every kernel tried and compiled, so that the first
/// answer does not wait for shaders.
pub async fn load(models_url: &str) -> Result<Loaded, LoadFailure> {
    let begun = Instant::now();
    let files = shipped(models_url).await?;
    loading("Opening the device", 0.6);
    let device = Device::open().await?;
    loading("Preparing the model", 0.65);
    // Kernels are tried and compiled after the weights: most of the wait on a small model.
    let progress = |share: f32| {
        let stage = if share < 1.0 || device::ON_PROCESSOR { "Preparing the model" } else { "Compiling shaders" };
        loading(stage, 0.65 + 0.2 * share);
    };
    let hashes = [sha256(&files.weights), sha256(&files.router)];
    let (parts, tensors, card) = files.parts().map_err(|error| error.to_string())?;
    let engine = device.load(parts, &tensors, &hashes[0], CONTEXT, progress).await?;
    let remembered = device.remembered();
    loading("Ready", 1.0);
    let info = EngineInfo {
        model: "citer-slm".into(),
        parameters: engine.config().parameters(),
        adapter: device.name(),
        on_processor: device::ON_PROCESSOR,
        threshold: card.threshold,
        load_ms: begun.elapsed().as_secs_f64() * 1000.0,
        context: engine.capacity(),
        end_token: engine.format().end,
        has_router: true,
        by_entropy: false,
        has_system: engine.format().has_system,
        memory: memory::size().unwrap_or_default(),
    };
    Ok(Loaded { engine, decoder: RoutedDecoder::new(), info, hashes, remembered })
}
