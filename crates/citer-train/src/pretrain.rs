//! Pre-training of one model of the pair: resumable, with progress and a loss curve.

use crate::{batch::Batches, error::TrainError, schedule::Schedule, store};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::{Module, ParamGroup};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamWConfig, AdjustLrFn, GradientsParams, ModuleOptimizer, MuonConfig};
use burn::tensor::Device;
use citer_lm::{Config, Decoder, Tokenizer, rope::Rope, weights};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The model.
    pub config: Config,
    /// Optimiser steps and learning rate.
    pub schedule: Schedule,
    /// Questions a step.
    pub batch: usize,
    /// Seed of weights and data.
    pub seed: u64,
}

impl Recipe {
    /// Whether a run of `earlier` can go on as this one.
    fn extends(&self, earlier: &Self) -> bool {
        let same = Self { schedule: earlier.schedule.clone(), ..self.clone() };
        same == *earlier && self.schedule.extends(&earlier.schedule)
    }
}

/// How a run ended.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// All steps are done; the weights file is written.
    Finished,
    /// Stopped early at this step; the same command goes on from there.
    Stopped(usize),
}

#[derive(Serialize, Deserialize)]
struct Progress {
    recipe: Recipe,
    step: usize,
    tokens: usize,
    seconds: f64,
}

/// Steps between two lines of the loss curve.
const REPORT: usize = 20;
/// Time between two checkpoints.
const SAVE: Duration = Duration::from_secs(60);

struct Files {
    folder: PathBuf,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn checkpoint_error(&self, detail: impl ToString) -> TrainError {
        TrainError::Checkpoint { path: self.folder.display().to_string(), detail: detail.to_string() }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        store::write(&self.path(name), bytes)
    }
}

/// Trains `recipe` in `folder`, from the checkpoint there if there is one, until done or until `stop` says so.
///
/// The folder gets `loss.jsonl` (the curve), a checkpoint a minute, and at the end `model.safetensors` (F16) and
/// `config.json`. `report` receives lines for people.
pub fn pretrain(
    recipe: &Recipe,
    tokenizer: &Tokenizer,
    folder: &Path,
    device: &Device,
    stop: &dyn Fn() -> bool,
    report: &mut dyn FnMut(String),
) -> Result<Outcome, TrainError> {
    recipe.config.check()?;
    let steps = recipe.schedule.steps();
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    let files = Files { folder: folder.into() };
    let device = device.clone().autodiff();
    let mut model = Decoder::random(&recipe.config, recipe.seed, &device);
    let mut optimizer = optimizer();
    let mut progress = Progress { recipe: recipe.clone(), step: 0, tokens: 0, seconds: 0.0 };
    if let Ok(json) = std::fs::read(files.path("progress.json")) {
        progress = serde_json::from_slice(&json).map_err(|e| files.checkpoint_error(e))?;
        if !recipe.extends(&progress.recipe) {
            return Err(files.checkpoint_error("it belongs to another recipe"));
        }
        progress.recipe = recipe.clone();
        let name = |part: &str| files.path(&format!("{part}-{}.bpk", progress.step));
        let record = burn::store::ModuleRecord::load(name("model")).map_err(|e| files.checkpoint_error(e))?;
        model = model.try_load_record(record).map_err(|e| files.checkpoint_error(format!("{e:?}")))?;
        optimizer = optimizer.load(name("optimizer")).map_err(|e| files.checkpoint_error(e))?;
        report(format!("resuming at step {} of {}", progress.step, steps));
    }
    let mut batches = Batches::new(tokenizer, recipe.seed, recipe.batch)?;
    let rope = Rope::new(&recipe.config, recipe.config.max_position_embeddings, &device);
    let criterion = CrossEntropyLossConfig::new().init(&device);
    let width = recipe.config.hidden_size;
    let start = Instant::now();
    let (mut saved, mut mean, mut counted) = (Instant::now(), 0.0, 0);
    let (before, fresh) = (progress.seconds, progress.tokens);
    while progress.step < steps {
        let batch = batches.batch(progress.step, &device)?;
        let hidden = model.hidden(&recipe.config, &rope, batch.inputs, None);
        let [rows, tokens, _] = hidden.dims();
        let answers = hidden.reshape([rows * tokens, width]).select(0, batch.positions);
        let loss = criterion.forward(model.logits(answers), batch.targets);
        mean += loss.clone().into_data().iter::<f64>().next().unwrap_or(f64::NAN);
        counted += 1;
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let rate = recipe.schedule.rate(progress.step);
        model = optimizer.step(rate, model, gradients);
        progress.step += 1;
        progress.tokens += batch.tokens;
        progress.seconds = before + start.elapsed().as_secs_f64();
        let last = progress.step == steps;
        if progress.step.is_multiple_of(REPORT) || last {
            let loss = mean / f64::from(counted);
            (mean, counted) = (0.0, 0);
            let speed = (progress.tokens - fresh) as f64 / start.elapsed().as_secs_f64();
            let left = progress.seconds / progress.step as f64 * (steps - progress.step) as f64 / 60.0;
            let row = serde_json::json!({"step": progress.step, "tokens": progress.tokens, "loss": loss, "learning_rate": rate, "seconds": progress.seconds});
            let curve = files.path("loss.jsonl");
            let mut file =
                std::fs::OpenOptions::new().create(true).append(true).open(&curve).map_err(TrainError::io(&curve))?;
            writeln!(file, "{row}").map_err(TrainError::io(&curve))?;
            report(format!(
                "step {}/{}  loss {loss:.4}  {speed:.0} tokens/s  {:.2} M tokens  {left:.0} min left",
                progress.step,
                steps,
                progress.tokens as f64 / 1e6
            ));
            if !loss.is_finite() {
                return Err(TrainError::Settings("the loss is not finite: lower the learning rate".into()));
            }
        }
        let stopping = stop();
        if saved.elapsed() > SAVE || last || stopping {
            save(&files, &model, &optimizer, &progress)?;
            saved = Instant::now();
        }
        if stopping && !last {
            return Ok(Outcome::Stopped(progress.step));
        }
    }
    let bytes = futures::executor::block_on(weights::save(&recipe.config, &model))?;
    files.write("model.safetensors", &bytes)?;
    let json = serde_json::to_string_pretty(&recipe.config).map_err(|e| files.checkpoint_error(e))?;
    files.write("config.json", format!("{json}\n").as_bytes())?;
    Ok(Outcome::Finished)
}

/// Muon for the layers' matrices, AdamW for embedding and norms.
///
/// Muon (arXiv 2502.16982) learns to copy from the question in a small fraction of the tokens that AdamW needs; its
/// steps are scaled to AdamW's, so one learning rate serves both.
fn optimizer() -> ModuleOptimizer {
    let clipping = GradientClippingConfig::Norm(1.0);
    let adamw = AdamWConfig::new().with_beta_2(0.98).with_epsilon(1e-8).with_weight_decay(0.01);
    let matrices = ParamGroup::from_any_predicates(vec!["qkv", "output", "gate_up", "down"]);
    let muon = MuonConfig::new().with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW);
    adamw.with_grad_clipping(Some(clipping)).init().with_group(matrices, muon.build(), None)
}

/// Writes model and optimiser beside the old ones, then switches over by replacing `progress.json`.
fn save(files: &Files, model: &Decoder, optimizer: &ModuleOptimizer, progress: &Progress) -> Result<(), TrainError> {
    let name = |part: &str| files.path(&format!("{part}-{}.bpk", progress.step));
    model.clone().into_record().save(name("model")).map_err(|e| files.checkpoint_error(e))?;
    optimizer.save(name("optimizer")).map_err(|e| files.checkpoint_error(e))?;
    files.write("progress.json", &serde_json::to_vec(progress).map_err(|e| files.checkpoint_error(e))?)?;
    let entries = std::fs::read_dir(&files.folder).map_err(TrainError::io(&files.folder))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let current = path == name("model") || path == name("optimizer");
        if path.extension().is_some_and(|e| e == "bpk") && !current {
            std::fs::remove_file(&path).map_err(TrainError::io(&path))?;
        }
    }
    Ok(())
}
