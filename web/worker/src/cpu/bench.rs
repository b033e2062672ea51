//! The benchmark on the processor: how fast the shipped SLM reads and writes here.

use crate::cpu::Device;
use crate::engine::{loading, shipped};
use crate::memory;
use citer_core::LocalModel;
use citer_lm::bench::{Environment, Measured, PlainReport, PlainSpeed, Plan, prompt};
use web_time::Instant;

/// Measures the shipped SLM; returns the report as JSON. Errors are words for people.
pub async fn run(models_url: &str, model_url: Option<&str>, plan: &Plan) -> Result<String, String> {
    if model_url.is_some() {
        return Err("on the processor the shipped model alone is measured: leave ?model= out".into());
    }
    if plan.half_cache {
        return Err("on the processor the KV cache holds 32-bit floats: leave ?cache= out".into());
    }
    let files = shipped(models_url).await?;
    let begun = Instant::now();
    let (parts, tensors, _) = files.parts().map_err(|error| error.to_string())?;
    let device = Device::open().await.map_err(|failure| failure.to_string())?;
    let loaded = device.load(parts, &tensors, "", plan.capacity(), |share| loading("Preparing the model", share)).await;
    let mut model = loaded.map_err(|failure| failure.to_string())?;
    let load_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let (parameters, capacity, vocab) = (model.config().parameters(), model.capacity(), model.vocab_size());
    let (mut speeds, mut ids) = (Vec::new(), Vec::new());
    let fits = |context: &usize| context.saturating_add(plan.decode) <= capacity;
    for context in plan.contexts.iter().copied().map(|context| context.max(2)).filter(fits) {
        loading(&format!("context {context}"), 1.0);
        model.truncate(0);
        let begun = Instant::now();
        let mut token = model.feed(&prompt(context, vocab)).await.map_err(|error| error.to_string())?.token;
        let prefill = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        for _ in 0..plan.decode {
            if ids.len() < plan.decode {
                ids.push(token);
            }
            token = model.feed(&[token]).await.map_err(|error| error.to_string())?.token;
        }
        speeds.push(PlainSpeed {
            context,
            prefill_tokens_per_s: context as f64 / prefill,
            decode_tokens_per_s: plan.decode as f64 / begun.elapsed().as_secs_f64(),
        });
    }
    let navigator = crate::scope().navigator();
    let report = PlainReport {
        environment: Environment {
            citer: env!("CARGO_PKG_VERSION").into(),
            system: navigator.user_agent().unwrap_or_default(),
            threads: navigator.hardware_concurrency() as usize,
            adapter: device.name(),
            software: true,
        },
        model: Measured { name: "citer-slm".into(), parameters, format: "F32".into(), capacity, cache_bits: 32 },
        load_ms,
        peak_bytes: memory::size(),
        speeds,
        ids,
    };
    serde_json::to_string(&report).map_err(|error| error.to_string())
}
