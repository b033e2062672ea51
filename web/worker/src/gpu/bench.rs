//! The benchmark in the browser: the same report as `citer bench`.

use super::calls;
use crate::download::download;
use crate::engine::{loading, shipped};
use crate::memory;
use citer_files::{ModelFiles, model_files};
use citer_lm::Gpu;
use citer_lm::bench::{Plan, Run, bench};
use citer_lm::fused::{self, Options, Parts};
use web_time::Instant;

/// Measures the GGUF file at `model_url`, or the shipped SLM; returns the report as JSON. Errors are words for people.
pub async fn run(models_url: &str, model_url: Option<&str>, plan: &Plan) -> Result<String, String> {
    let options = Options { capacity: plan.capacity(), half_cache: plan.half_cache, ..Options::default() };
    let progress = |share: f32| loading("Preparing the model", share);
    let calls = calls::watch();
    let gpu = Gpu::open().await.map_err(|e| e.to_string())?;
    let (name, begun, mut engine) = match model_url {
        Some(url) => {
            let bytes = download(url, |done, total| {
                loading("Loading the model", total.map_or(0.0, |total| done as f32 / total.max(1) as f32));
            })
            .await?;
            let begun = Instant::now();
            let files = model_files::Parts::in_gguf(bytes).and_then(ModelFiles::new).map_err(|e| e.to_string())?;
            let ModelFiles { config, tensors, tokenizer, format } = files;
            let parts = Parts { config, tokenizer, format, router: None };
            let engine = fused::open(&gpu, parts, &*tensors, options, progress).await.map_err(|e| e.to_string())?;
            (url.rsplit('/').next().unwrap_or(url).to_owned(), begun, engine)
        }
        None => {
            let files = shipped(models_url).await?;
            let begun = Instant::now();
            let (engine, _) = files.fused(options, &gpu, progress).await.map_err(|e| e.to_string())?;
            ("citer-slm".to_owned(), begun, engine)
        }
    };
    let navigator = crate::scope().navigator();
    let run = Run {
        gpu: &gpu,
        name: &name,
        system: navigator.user_agent().unwrap_or_default(),
        threads: navigator.hardware_concurrency() as usize,
        load_ms: begun.elapsed().as_secs_f64() * 1000.0,
        peak: &memory::size,
        calls: &|| Some(calls.get()),
    };
    let report = bench(&mut engine, &run, plan, |what| loading(what, 1.0)).await.map_err(|e| e.to_string())?;
    serde_json::to_string(&report).map_err(|e| e.to_string())
}
