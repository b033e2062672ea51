//! `citer router`: labels states by CITER's shortcut, fits the router and chooses its threshold.

use crate::Failure;
use citer_lm::pair::{self, LLM, RouterCard, SLM, SlmFiles};
use citer_lm::{LlmFiles, device, hash::sha256};
use citer_tasks::{Split, suite};
use citer_train::{evaluate, fit, label, recipes};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// Folder of the pair; receives router/.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Training questions a family.
    #[arg(long, default_value_t = 400)]
    per_family: usize,
    /// Validation questions a family, for the threshold.
    #[arg(long, default_value_t = 20)]
    validation: usize,
    /// Wanted share of remote tokens.
    #[arg(long, default_value_t = 0.07)]
    share: f64,
    /// Seed of questions and weights.
    #[arg(long, default_value_t = recipes::SEED)]
    seed: u64,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let device = device::cpu();
    let (slm, llm) = (LlmFiles::read(&args.models, SLM)?, LlmFiles::read(&args.models, LLM)?);
    // Another seed than pre-training's: other problems, other choices, same split.
    let questions = suite(Split::Train, args.seed ^ 0x0C17E2, args.per_family);
    let mut say = |line: String| println!("{line}");
    let labels = label::label(&questions, &slm, &llm, &device, &mut say)?;
    let count = |case: label::Case| labels.iter().filter(|l| l.case == case).count();
    let states = labels.len();
    println!("{states} states");
    for (name, case) in [
        ("SLM right", label::Case::SlmRight),
        ("only LLM right", label::Case::OnlyLlmRight),
        ("both wrong, saved by the SLM", label::Case::BothWrongSaved),
        ("both wrong, lost", label::Case::BothWrongLost),
    ] {
        println!("  {name}: {} ({:.1} %)", count(case), 100.0 * count(case) as f64 / states.max(1) as f64);
    }
    let fitted = fit::fit(&labels, args.seed, &device, &mut say)?;
    println!("best epoch {}: held-back loss {:.4}", fitted.epoch, fitted.loss);
    let weights = futures::executor::block_on(fitted.router.save())?;
    let mut card = RouterCard {
        slm_sha256: sha256(&slm.weights),
        llm_sha256: sha256(&llm.weights),
        tokenizer_sha256: sha256(&slm.tokenizer),
        threshold: 0.5,
        validation_share: 0.0,
        seed: args.seed,
    };
    let LlmFiles { config, weights: slm_weights, tokenizer } = slm;
    let files =
        SlmFiles { config, weights: slm_weights, tokenizer, router: weights, router_card: serde_json::to_vec(&card)? };
    let (engine, _) = files.engine(usize::MAX, &device, None)?;
    let mut both = evaluate::Pair::new(engine, llm, &device)?;
    let validation = suite(Split::Validation, args.seed, args.validation);
    let (threshold, share) = evaluate::threshold_for_share(&mut both, &validation, args.share, &mut say)?;
    card.threshold = threshold;
    card.validation_share = share as f32;
    let path = args.models.join(pair::ROUTER);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, &files.router)?;
    std::fs::write(args.models.join(pair::ROUTER_CARD), serde_json::to_string_pretty(&card)? + "\n")?;
    println!("threshold {threshold:.4} gives {:.1} % remote tokens on validation questions", 100.0 * share);
    Ok(())
}
