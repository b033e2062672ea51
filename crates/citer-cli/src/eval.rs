//! `citer eval`: accuracy of SLM, routed pair and LLM on held-out questions, with 95 % intervals.

use crate::data::{Data, report_skips};
use crate::{Failure, pair::Pair, shutdown::Interrupted};
use citer_lm::{RouterCard, pair};
use citer_tasks::{Split, suite};
use citer_train::evaluate::{Report, Score, alone, report};
use citer_train::{card, recipes, store::write};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub pair: Pair,
    #[command(flatten)]
    pub data: Data,
    /// Held-out questions of the generated suite a family, without --data.
    #[arg(long, default_value_t = 500)]
    pub per_family: usize,
    /// Seed of the questions.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threshold instead of the router card's.
    #[arg(long)]
    threshold: Option<f32>,
    /// Measure one model alone: slm or llm.
    #[arg(long)]
    only: Option<String>,
    /// Also write the cards in the pair's folder from what is measured.
    #[arg(long, conflicts_with = "slm")]
    cards: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Measure the router against every baseline at many thresholds instead, and write the report into this folder.
    #[arg(long)]
    pub curves: Option<PathBuf>,
    /// Folder where `citer train` left the rounds' figures and the baselines' routers.
    #[arg(long, default_value = "crates/citer-train/results/baselines")]
    pub runs: PathBuf,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let generated = args.data.data.is_empty();
    let questions = if generated { suite(Split::Test, args.seed, args.per_family) } else { args.data.load()? };
    let interrupted = Interrupted::listen();
    let stop = || interrupted.is_set();
    if let Some(name) = &args.only {
        let opened = args.pair.alone(name)?;
        let workers = opened.workers()?;
        let (questions, skipped) = workers.fitting(questions)?;
        report_skips(&skipped);
        let done = shower(questions.len());
        let score = alone(&workers, &questions, &done, &stop)?;
        println!("{}", serde_json::to_string_pretty(&score)?);
        return Ok(());
    }
    let opened = args.pair.open()?;
    let workers = opened.workers()?;
    // Reading the SLM's files as the page does checks the router's card against them.
    let (slm, card) = args.pair.routed()?.engine(1, workers.device)?;
    let router = slm.router().cloned().ok_or("the pair has no router: run `citer train`")?;
    let llm = workers.llm.name();
    if llm != card.llm_sha256 {
        eprintln!("the router was trained with the LLM {}; here it is {llm}", card.llm_sha256);
    }
    let (questions, skipped) = workers.fitting(questions)?;
    report_skips(&skipped);
    let done = shower(questions.len());
    if let Some(folder) = &args.curves {
        return crate::curves::run(args, folder, &workers, &router, &card, &questions, &stop);
    }
    let threshold = args.threshold.unwrap_or(card.threshold);
    let report = report(&workers, &router, threshold, &questions, &done, &stop)?;
    if args.cards {
        write_cards(args.pair.folder(), &card, &report)?;
    }
    if args.json {
        let document = serde_json::json!({"environment": environment(), "seed": args.seed, "report": report});
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print!("{}", table(&report));
    }
    Ok(())
}

/// Shows how many of `total` questions are done, now and then.
fn shower(total: usize) -> impl Fn(usize) + Sync {
    move |count| {
        if count.is_multiple_of(500) {
            eprintln!("{count} of {total} questions");
        }
    }
}

/// What the figures were measured on.
pub fn environment() -> serde_json::Value {
    serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "system": std::env::consts::OS,
        "processor": std::env::consts::ARCH,
        "threads": crate::threads(),
    })
}

fn write_cards(models: &Path, router: &RouterCard, report: &Report) -> Result<(), Failure> {
    for (name, score) in [(pair::SLM, &report.slm), (pair::LLM, &report.llm)] {
        let text = card::model_card(name, &recipes::recipe(name)?, score, report);
        write(&models.join(name).join("README.md"), text.as_bytes())?;
    }
    let text = card::router_card(router, report);
    Ok(write(&models.join(pair::ROUTER).with_file_name("README.md"), text.as_bytes())?)
}

/// The three ways side by side, family by family.
pub fn table(report: &Report) -> String {
    let columns: [(&str, &Score); 3] = [("SLM", &report.slm), ("routed", &report.routed), ("LLM", &report.llm)];
    let mut text =
        format!("{} questions a family, threshold {:.4}; 95 % intervals\n\n", report.per_family, report.threshold);
    text += &format!("| | {} |\n|---|---|---|---|\n", columns.map(|(name, _)| name).join(" | "));
    let mut row = |name: &str, cell: &dyn Fn(&Score) -> String| {
        let cells: Vec<String> = columns.iter().map(|(_, score)| cell(score)).collect();
        text += &format!("| {name} | {} |\n", cells.join(" | "));
    };
    row("all", &|score| score.accuracy.to_string());
    for family in report.slm.families.keys() {
        row(family, &|score| score.families.get(family).map_or(String::new(), ToString::to_string));
    }
    row("remote tokens", &|score| score.remote.to_string());
    text
}
