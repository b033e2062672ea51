//! The benchmark: one report of the fused path, the same from the program and from the browser, and a short one of the
//! plain path.

#[cfg(feature = "gpu")]
use crate::{engine::Engine, error::EngineError};
use citer_core::TokenId;
#[cfg(feature = "gpu")]
use citer_core::library::tokens_per_second;
#[cfg(feature = "gpu")]
use citer_gpu::{Gpu, GpuError};
use serde::Serialize;
#[cfg(feature = "gpu")]
use web_time::Instant;

/// Longest context that is measured.
const MOST: usize = 1 << 20;

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Tokens in the cache before decoding starts; those that do not fit are left out.
    pub contexts: Vec<usize>,
    /// Tokens decoded at each context.
    pub decode: usize,
    /// Whether the KV cache holds 16-bit floats where the adapter has them.
    pub half_cache: bool,
}

impl Plan {
    /// Positions that the cache needs.
    pub fn capacity(&self) -> usize {
        let longest = self.contexts.iter().copied().max().unwrap_or_default().max(2);
        longest.saturating_add(self.decode.saturating_mul(2)).min(MOST).next_multiple_of(64)
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self { contexts: vec![16, 128, 512, 2048, 4096], decode: 64, half_cache: false }
    }
}

/// Where it was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Environment {
    /// This program's version.
    pub citer: String,
    /// Operating system or browser.
    pub system: String,
    /// Processor threads, where they can be told.
    pub threads: usize,
    /// The graphics adapter and its interface.
    pub adapter: String,
    /// Whether the adapter computes on the processor.
    pub software: bool,
}

/// What ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Name of the model.
    pub name: String,
    /// Its parameters.
    pub parameters: u64,
    /// Format of the layers' matrices on the GPU.
    pub format: String,
    /// Positions of its cache.
    pub capacity: usize,
    /// Bits of a number in its cache.
    pub cache_bits: usize,
}

/// Calls of the graphics interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Kernels.
    pub dispatches: u64,
    /// Submissions to the queue.
    pub submits: u64,
    /// Writes into buffers.
    pub writes: u64,
    /// Reads back.
    pub reads: u64,
    /// Buffers created.
    pub buffers: u64,
    /// Bind groups created.
    pub bind_groups: u64,
    /// Pipelines created.
    pub pipelines: u64,
}

impl Calls {
    /// What came after `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            dispatches: self.dispatches - before.dispatches,
            submits: self.submits - before.submits,
            writes: self.writes - before.writes,
            reads: self.reads - before.reads,
            buffers: self.buffers - before.buffers,
            bind_groups: self.bind_groups - before.bind_groups,
            pipelines: self.pipelines - before.pipelines,
        }
    }
}

/// One context.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// Tokens in the cache when decoding starts.
    pub context: usize,
    /// Tokens a second of the prefill.
    pub prefill_tokens_per_s: f64,
    /// Tokens a second, running ahead.
    pub decode_tokens_per_s: f64,
    /// Tokens a second that are predicted for it before a download, from a small synthetic model.
    pub predicted_tokens_per_s: Option<f64>,
    /// Tokens a second with a look after every token.
    pub single_tokens_per_s: f64,
    /// Bytes that one token reads.
    pub bytes_per_token: usize,
    /// Their share of the measured bandwidth.
    pub bandwidth_share: f64,
    /// What the prefill called, where the caller counts.
    pub prefill_calls: Option<Calls>,
    /// Tokens that were decoded.
    pub decoded: usize,
    /// What they called, where the caller counts.
    pub calls: Option<Calls>,
}

/// One variant of a kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Variant {
    /// The kernel.
    pub kernel: String,
    /// The variant.
    pub variant: String,
    /// Difference from the known answer as a share of what rounding may add up to.
    pub error: f32,
    /// Microseconds a run.
    pub micros: Option<f64>,
    /// Whether it is used.
    pub chosen: bool,
}

/// The whole report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Where.
    pub environment: Environment,
    /// What.
    pub model: Measured,
    /// Milliseconds from the files to the first token.
    pub load_ms: f64,
    /// Milliseconds to read one record back.
    pub read_back_ms: f64,
    /// Kernels a decoded token takes.
    pub dispatches_per_token: usize,
    /// Bytes a second that a simple kernel reads.
    pub bandwidth_bytes_per_s: f64,
    /// GPU memory reserved at the end.
    pub reserved_bytes: u64,
    /// Largest resident memory of the program; in the browser the size of the wasm memory.
    pub peak_bytes: Option<u64>,
    /// The contexts.
    pub speeds: Vec<Speed>,
    /// Speed at the longest context over the speed at 128.
    pub long_context_share: Option<f64>,
    /// The first ids of a greedy answer, to compare engines.
    pub ids: Vec<TokenId>,
    /// The kernel variants that were tried.
    pub variants: Vec<Variant>,
}

/// One context on the plain path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlainSpeed {
    /// Tokens in the cache when decoding starts.
    pub context: usize,
    /// Tokens a second of the prefill.
    pub prefill_tokens_per_s: f64,
    /// Tokens a second.
    pub decode_tokens_per_s: f64,
}

/// The report of the plain path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlainReport {
    /// Where.
    pub environment: Environment,
    /// What.
    pub model: Measured,
    /// Milliseconds from the files to a model that runs.
    pub load_ms: f64,
    /// Size of the wasm memory at the end.
    pub peak_bytes: Option<u64>,
    /// The contexts.
    pub speeds: Vec<PlainSpeed>,
    /// The first ids of a greedy answer, to compare engines.
    pub ids: Vec<TokenId>,
}

/// What the caller knows about the run.
#[cfg(feature = "gpu")]
pub struct Run<'a> {
    /// The adapter.
    pub gpu: &'a Gpu,
    /// Name of the model.
    pub name: &'a str,
    /// Operating system or browser.
    pub system: String,
    /// Processor threads.
    pub threads: usize,
    /// Milliseconds it took to load.
    pub load_ms: f64,
    /// Largest memory, measured by the caller at the end.
    pub peak: &'a dyn Fn() -> Option<u64>,
    /// Calls so far, where the caller counts them.
    pub calls: &'a dyn Fn() -> Option<Calls>,
}

/// A failed benchmark.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BenchError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The engine is not on the GPU.
    #[error("the benchmark measures the fused path: open the model on a graphics device")]
    Plain,
}

/// A prompt of `length` ordinary tokens that never repeats itself exactly.
pub fn prompt(length: usize, vocab: usize) -> Vec<TokenId> {
    (0..length).map(|i| ((i * 7919 + 13) % vocab) as TokenId).collect()
}

/// Measures `engine`; `say` hears what is being done.
#[cfg(feature = "gpu")]
pub async fn bench(
    engine: &mut Engine,
    run: &Run<'_>,
    plan: &Plan,
    mut say: impl FnMut(&str),
) -> Result<Report, BenchError> {
    say("bandwidth");
    let bandwidth = run.gpu.bandwidth().await?;
    let (parameters, vocab) = (engine.config().parameters(), engine.tokenizer().vocab_size());
    let decoder = engine.gpu().ok_or(BenchError::Plain)?;
    let capacity = decoder.shape().capacity;
    let read_back_ms = decoder.pace.look_ms;
    let mut speeds = Vec::new();
    let mut ids = Vec::new();
    let contexts = plan.contexts.iter().map(|context| (*context).max(2));
    for context in contexts.filter(|context| context.saturating_add(2 * plan.decode) <= capacity) {
        say(&format!("context {context}"));
        decoder.truncate(0);
        let before_prefill = (run.calls)();
        let begun = Instant::now();
        let mut token = decoder.feed(&prompt(context, vocab)).await?.token;
        let prefill = begun.elapsed().as_secs_f64();
        let mut decode = async |steps: Option<usize>| {
            match steps {
                Some(steps) => decoder.pace.fix(steps),
                None => decoder.pace.adapt(),
            }
            let begun = Instant::now();
            for _ in 0..plan.decode {
                if ids.len() < plan.decode {
                    ids.push(token);
                }
                token = decoder.feed(&[token]).await?.token;
            }
            Ok::<_, GpuError>(plan.decode as f64 / begun.elapsed().as_secs_f64())
        };
        let before = (run.calls)();
        let single = decode(Some(1)).await?;
        let ahead = decode(None).await?;
        let calls = (run.calls)().zip(before).map(|(after, before)| after.since(before));
        let bytes = decoder.bytes_per_token() + decoder.cache_bytes_per_token(context + plan.decode);
        speeds.push(Speed {
            context,
            prefill_tokens_per_s: context as f64 / prefill,
            decode_tokens_per_s: ahead.max(single),
            predicted_tokens_per_s: None,
            single_tokens_per_s: single,
            bytes_per_token: bytes,
            bandwidth_share: bytes as f64 * ahead.max(single) / bandwidth,
            prefill_calls: before.zip(before_prefill).map(|(after, before)| after.since(before)),
            decoded: 2 * plan.decode,
            calls,
        });
    }
    let short = speeds.iter().find(|s| s.context == 128).map(|s| s.decode_tokens_per_s);
    let longest = speeds.last().filter(|last| last.context > 128).map(|last| last.decode_tokens_per_s);
    let kernels = decoder.dispatches();
    let (reserved_bytes, peak_bytes) = (run.gpu.reserved(), (run.peak)());
    // Last: the model that it runs takes memory too.
    say("prediction");
    let probe = run.gpu.probe().await?;
    for speed in &mut speeds {
        let (bytes, kernels) = (speed.bytes_per_token as u64, kernels as u64);
        speed.predicted_tokens_per_s = tokens_per_second(bytes, kernels, probe.bytes_per_s, probe.kernel_s);
    }
    let variants = decoder.trials().iter().map(|trial| Variant {
        kernel: trial.kernel.clone(),
        variant: trial.variant.clone(),
        error: trial.error,
        micros: trial.micros,
        chosen: trial.chosen,
    });
    Ok(Report {
        environment: Environment {
            citer: env!("CARGO_PKG_VERSION").into(),
            system: run.system.clone(),
            threads: run.threads,
            adapter: run.gpu.name.clone(),
            software: run.gpu.is_software,
        },
        model: Measured {
            name: run.name.into(),
            parameters,
            format: decoder.format().name().into(),
            capacity,
            cache_bits: 8 * decoder.shape().cache_width(),
        },
        load_ms: run.load_ms,
        read_back_ms,
        dispatches_per_token: kernels,
        bandwidth_bytes_per_s: bandwidth,
        reserved_bytes,
        peak_bytes,
        long_context_share: longest.zip(short).map(|(long, short)| long / short),
        ids,
        variants: variants.collect(),
        speeds,
    })
}
