//! `citer eval`: accuracy of SLM, routed pair and LLM on held-out questions, with 95 % intervals.

use crate::Failure;
use citer_lm::{LlmFiles, RouterCard, device, pair};
use citer_tasks::{Split, suite};
use citer_train::evaluate::{Pair, Report, Score, alone};
use citer_train::{card, recipes};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// Folder of the pair.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Held-out questions a family.
    #[arg(long, default_value_t = 200)]
    per_family: usize,
    /// Seed of the questions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threshold instead of the router card's.
    #[arg(long)]
    threshold: Option<f32>,
    /// Measure one model alone: slm or llm.
    #[arg(long)]
    only: Option<String>,
    /// Also write the cards in the pair's folder from what is measured.
    #[arg(long)]
    cards: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let questions = suite(Split::Test, args.seed, args.per_family);
    if let Some(name) = &args.only {
        let score = alone(&LlmFiles::read(&args.models, name)?, &questions, &device::cpu())?;
        println!("{}", serde_json::to_string_pretty(&score)?);
        return Ok(());
    }
    let (mut pair, threshold) = Pair::load(&args.models, &device::cpu())?;
    let report = pair.report(&questions, args.threshold.unwrap_or(threshold), &mut |stage| eprintln!("{stage} ..."))?;
    if args.cards {
        write_cards(&args.models, &report)?;
    }
    if args.json {
        let environment = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "system": std::env::consts::OS,
            "processor": std::env::consts::ARCH,
            "threads": std::thread::available_parallelism().map_or(1, usize::from),
        });
        let document = serde_json::json!({"environment": environment, "seed": args.seed, "report": report});
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print!("{}", table(&report));
    }
    Ok(())
}

fn write_cards(models: &Path, report: &Report) -> Result<(), Failure> {
    for (name, score) in [(pair::SLM, &report.slm), (pair::LLM, &report.llm)] {
        let text = card::model_card(name, &recipes::recipe(name)?, score, report);
        std::fs::write(models.join(name).join("README.md"), text)?;
    }
    let router: RouterCard = serde_json::from_slice(&std::fs::read(models.join(pair::ROUTER_CARD))?)?;
    std::fs::write(models.join(pair::ROUTER).with_file_name("README.md"), card::router_card(&router, report))?;
    Ok(())
}

fn table(report: &Report) -> String {
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
