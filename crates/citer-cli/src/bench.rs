//! `citer bench`: speed of a model on the graphics adapter, as JSON.

use crate::Failure;
use citer_gpu::Format;
use citer_lm::bench::{Plan, Run, bench};
use citer_lm::fused::{self, Options, Parts};
use citer_lm::{Gpu, ModelFiles, SlmFiles};
use futures::executor::block_on;
use std::{path::PathBuf, time::Instant};

#[derive(clap::Args)]
pub struct Args {
    /// A model folder or GGUF file; the shipped SLM when absent.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Folder of the shipped pair.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// How floating-point matrices are stored on the GPU; as in the file when absent.
    #[arg(long)]
    store: Option<Store>,
    /// Keeps the KV cache in 16-bit floats where the adapter has them.
    #[arg(long)]
    half_cache: bool,
    /// Tokens in the cache before decoding starts.
    #[arg(long, value_delimiter = ',', default_values_t = Plan::default().contexts)]
    contexts: Vec<usize>,
    /// Tokens decoded at each context, twice.
    #[arg(long, default_value_t = Plan::default().decode)]
    decode: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Store {
    F32,
    F16,
    Bf16,
    Q8,
    Q4,
}

impl Store {
    fn format(self) -> Format {
        match self {
            Self::F32 => Format::F32,
            Self::F16 => Format::F16,
            Self::Bf16 => Format::BF16,
            Self::Q8 => Format::Q8,
            Self::Q4 => Format::Q4,
        }
    }
}

/// Largest resident memory of this process, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let report = block_on(async {
        let begun = Instant::now();
        let gpu = Gpu::open().await?;
        let plan = Plan { contexts: args.contexts.clone(), decode: args.decode, half_cache: args.half_cache };
        let floats = args.store.map(Store::format);
        let options = Options { capacity: plan.capacity(), floats, half_cache: plan.half_cache, tuning: None };
        let progress = |share: f32| eprint!("\rloading {:3.0} %", share * 100.0);
        let (name, mut engine) = match &args.model {
            Some(path) => {
                let ModelFiles { config, tensors, tokenizer, format } = ModelFiles::open(path)?;
                let parts = Parts { config, tokenizer, format, router: None };
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                (name, fused::open(&gpu, parts, &*tensors, options, progress).await?)
            }
            None => ("citer-slm".into(), SlmFiles::read(&args.models)?.fused(options, &gpu, progress).await?.0),
        };
        eprintln!();
        let run = Run {
            gpu: &gpu,
            name: &name,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            threads: crate::threads(),
            load_ms: begun.elapsed().as_secs_f64() * 1e3,
            peak: &peak,
            calls: &|| None,
        };
        Ok::<_, Failure>(bench(&mut engine, &run, &plan, |what| eprintln!("{what}")).await?)
    })?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
