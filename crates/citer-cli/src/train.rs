//! `citer train`: labels states, fits and calibrates the router in rounds, and chooses its threshold.

use crate::{Failure, shutdown::Interrupted};
use citer_lm::pair::{self, LLM, RouterCard, SLM};
use citer_lm::{LlmFiles, Router, RouterTraining, ThresholdAt, device, hash::sha256};
use citer_tasks::{Split, suite};
use citer_train::fit::{Objective, fit};
use citer_train::rounds::{Plan, Record, Trained, train};
use citer_train::{recipes, workers::Workers};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// Folder of the pair; receives router/.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Folder for the rounds' figures and the baselines' routers.
    #[arg(long, default_value = "runs/router")]
    runs: PathBuf,
    /// Training questions a family.
    #[arg(long, default_value_t = 600)]
    per_family: usize,
    /// Validation questions a family, to compare rounds and choose thresholds.
    #[arg(long, default_value_t = 100)]
    validation: usize,
    /// Most rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Wanted share of remote tokens.
    #[arg(long, default_value_t = 0.06)]
    share: f64,
    /// Learn from quality less this cost of an LLM token, instead of from preferences.
    #[arg(long)]
    cost: Option<f32>,
    /// Seed of questions and weights.
    #[arg(long, default_value_t = recipes::SEED)]
    seed: u64,
    /// Threads; as many as the processor has by default.
    #[arg(long)]
    workers: Option<usize>,
}

/// The baselines' routers by file name, with their names in tables: what `citer eval --curves` compares with.
pub const BASELINES: [(&str, &str, Objective); 3] = [
    ("citer-s", "CITER-S", Objective::ShortTerm),
    ("co-llm", "Co-LLM-style", Objective::Latent),
    ("query", "query-level", Objective::Query),
];
/// The first round's router.
pub const FIRST: &str = "round-1";

/// The rounds' figures.
pub const ROUNDS: &str = "rounds.json";

pub fn run(args: &Args) -> Result<(), Failure> {
    let device = device::cpu();
    let (slm, llm) = (LlmFiles::read(&args.models, SLM)?, LlmFiles::read(&args.models, LLM)?);
    let threads = args.workers.unwrap_or_else(crate::threads);
    let workers = Workers { slm: &slm, llm: &llm, device: &device, threads };
    // Another seed than pre-training's: the same pool of problems and facts, other draws.
    let questions = suite(Split::Train, args.seed ^ 0x0C17E2, args.per_family);
    let validation = suite(Split::Validation, args.seed, args.validation);
    let plan = Plan {
        questions: &questions,
        validation: &validation,
        objective: args.cost.map_or(Objective::Preference, |cost| Objective::Reward { cost }),
        rounds: args.rounds,
        share: args.share,
        seed: args.seed,
    };
    let interrupted = Interrupted::listen();
    let stop = || interrupted.is_set();
    let mut say = |line: String| println!("{line}");
    let trained = train(&workers, &plan, &mut say, &stop)?;
    std::fs::create_dir_all(&args.runs)?;
    let record = Record {
        slm_sha256: sha256(&slm.weights),
        llm_sha256: sha256(&llm.weights),
        router_sha256: sha256(&futures::executor::block_on(trained.router.save())?),
        rounds: trained.rounds.clone(),
    };
    std::fs::write(args.runs.join(ROUNDS), serde_json::to_string_pretty(&record)? + "\n")?;
    save(&trained.first, &args.runs.join(format!("{FIRST}.safetensors")))?;
    for (name, _, objective) in BASELINES {
        println!("baseline {name}");
        let fitted = fit(&trained.labels, objective, args.seed, &device, &mut say)?;
        save(&fitted.router, &args.runs.join(format!("{name}.safetensors")))?;
    }
    write(args, &trained, &questions, &slm, &llm)
}

fn save(router: &Router, path: &Path) -> Result<(), Failure> {
    Ok(std::fs::write(path, futures::executor::block_on(router.save())?)?)
}

/// Writes the router and its card into the pair's folder.
fn write(
    args: &Args,
    trained: &Trained,
    questions: &[citer_tasks::Question],
    slm: &LlmFiles,
    llm: &LlmFiles,
) -> Result<(), Failure> {
    let (Some(round), Some(chosen)) =
        (trained.best_round(), trained.best_round().and_then(|round| round.threshold(args.share)))
    else {
        return Err("no threshold was measured: ask for validation questions".into());
    };
    let card = RouterCard {
        slm_sha256: sha256(&slm.weights),
        llm_sha256: sha256(&llm.weights),
        tokenizer_sha256: sha256(&slm.tokenizer),
        threshold: chosen.threshold as f32,
        validation_share: chosen.remote.value as f32,
        seed: args.seed,
        training: RouterTraining {
            questions: questions.len(),
            rounds: trained.rounds.len(),
            best_round: trained.best,
            states: round.labels.gold + round.labels.mixed,
            calibration: [round.platt.slope, round.platt.shift],
            calibration_error: round.calibration_error,
        },
        thresholds: round
            .operating
            .iter()
            .map(|o| ThresholdAt { threshold: o.threshold, remote: o.remote.value, accuracy: o.accuracy.value })
            .collect(),
    };
    let path = args.models.join(pair::ROUTER);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    save(&trained.router, &path)?;
    std::fs::write(args.models.join(pair::ROUTER_CARD), serde_json::to_string_pretty(&card)? + "\n")?;
    println!(
        "round {}: threshold {:.4} gives {} remote tokens and {} right answers on validation questions",
        trained.best, chosen.threshold, chosen.remote, chosen.accuracy
    );
    Ok(())
}
