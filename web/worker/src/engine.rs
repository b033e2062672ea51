//! Loading the engine: files, graphics device, weights, warm-up.

use crate::{download::download, memory, post, remembered};
use citer_core::message::{EngineInfo, FromWorker};
use citer_core::{LocalModel, RoutedDecoder};
use citer_lm::{Engine, Gpu, SlmFiles, fused::Options, hash::sha256, pair};
use web_time::Instant;

/// A loaded SLM with its router.
pub struct Loaded {
    /// The model.
    pub engine: Engine,
    /// The loop, which remembers what the KV cache holds.
    pub decoder: RoutedDecoder,
    /// What the page shows.
    pub info: EngineInfo,
    /// SHA-256 of the SLM's weights and of the router's, or of the card of what stands in for it, for traces.
    pub hashes: [String; 2],
    /// Whether its kernel variants were known from an earlier visit.
    pub remembered: bool,
}

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

/// Loads the shipped SLM from the folder at `models_url`, with every kernel tried and compiled, so that the first answer
/// does not wait for shaders.
pub async fn load(models_url: &str) -> Result<Loaded, String> {
    let begun = Instant::now();
    let files = shipped(models_url).await?;
    loading("Opening the graphics device", 0.6);
    let gpu = Gpu::open().await.map_err(|e| e.to_string())?;
    loading("Preparing the model", 0.65);
    // Kernels are tried and compiled after the weights: most of the wait on a small model.
    let progress = |share: f32| {
        let stage = if share < 1.0 { "Preparing the model" } else { "Compiling shaders" };
        loading(stage, 0.65 + 0.2 * share);
    };
    let hashes = [sha256(&files.weights), sha256(&files.router)];
    let tuning = remembered::tuning(&gpu, &hashes[0]).await;
    let options = Options { tuning, ..Options::default() };
    let (mut engine, card) = files.fused(options, &gpu, progress).await.map_err(|e| e.to_string())?;
    let remembered = remembered::keep(&gpu, &hashes[0], &mut engine, tuning).await;
    loading("Ready", 1.0);
    let info = EngineInfo {
        model: "citer-slm".into(),
        parameters: engine.config().parameters(),
        adapter: gpu.name.clone(),
        threshold: card.threshold,
        load_ms: begun.elapsed().as_secs_f64() * 1000.0,
        context: engine.capacity(),
        end_token: engine.format().end,
        has_router: true,
        by_entropy: false,
        memory: memory::size().unwrap_or_default(),
    };
    Ok(Loaded { engine, decoder: RoutedDecoder::new(), info, hashes, remembered })
}
