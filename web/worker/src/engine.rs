//! Loading the engine: files, graphics device, weights, warm-up.

use crate::{download::download, post};
use citer_core::message::{EngineInfo, FromWorker};
use citer_core::{LocalModel, RoutedDecoder};
use citer_lm::{Engine, SlmFiles, device, hash::sha256, pair};
use web_time::Instant;

/// A loaded SLM with its router.
pub struct Loaded {
    /// The model.
    pub engine: Engine,
    /// The loop, which remembers what the KV cache holds.
    pub decoder: RoutedDecoder,
    /// What the page shows.
    pub info: EngineInfo,
    /// SHA-256 of the SLM's and the router's weights, for traces.
    pub hashes: [String; 2],
}

pub fn loading(stage: &str, progress: f32) {
    post(&FromWorker::Loading { stage: stage.into(), progress });
}

/// Loads the shipped SLM from the folder at `models_url` and runs it once, so that the first answer does not wait
/// for shader compilation.
pub async fn load(models_url: &str) -> Result<Loaded, String> {
    let begun = Instant::now();
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
    let files = SlmFiles {
        config: fetch(format!("{}/{}", pair::SLM, pair::CONFIG), 0.0, 0.02).await?,
        tokenizer: fetch(pair::TOKENIZER.into(), 0.02, 0.1).await?,
        router: fetch(pair::ROUTER.into(), 0.1, 0.15).await?,
        router_card: fetch(pair::ROUTER_CARD.into(), 0.15, 0.16).await?,
        weights: fetch(format!("{}/{}", pair::SLM, pair::WEIGHTS), 0.16, 0.6).await?,
    };
    loading("Opening the graphics device", 0.6);
    let gpu = device::gpu().await.map_err(|e| e.to_string())?;
    loading("Preparing the model", 0.65);
    let (mut engine, card) = files.engine(usize::MAX, &gpu.device, Some(&gpu)).map_err(|e| e.to_string())?;
    loading("Compiling shaders", 0.7);
    warm_up(&mut engine).await?;
    loading("Ready", 1.0);
    let info = EngineInfo {
        model: "citer-slm".into(),
        parameters: engine.config().parameters(),
        adapter: gpu.name.clone(),
        threshold: card.threshold,
        load_ms: begun.elapsed().as_secs_f64() * 1000.0,
        context: engine.capacity(),
        end_token: engine.format().end,
    };
    let hashes = [sha256(&files.weights), sha256(&files.router)];
    Ok(Loaded { engine, decoder: RoutedDecoder::new(), info, hashes })
}

/// One prompt and two single tokens: every kernel of an answer, compiled.
pub async fn warm_up(engine: &mut Engine) -> Result<(), String> {
    let format = engine.format().clone();
    let prompt = format.question(engine.tokenizer(), "What is 1 + 1?").map_err(|e| e.to_string())?;
    let step = engine.feed(&prompt).await.map_err(|e| e.to_string())?;
    loading("Compiling shaders", 0.85);
    for _ in 0..2 {
        engine.feed(&[step.token]).await.map_err(|e| e.to_string())?;
    }
    engine.truncate(0);
    Ok(())
}
