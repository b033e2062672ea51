//! `citer eval`: accuracy of SLM, routed pair and LLM on held-out questions, with 95 % intervals.

use crate::Failure;
use citer_lm::device;
use citer_tasks::{Split, suite};
use citer_train::evaluate::{Pair, Report, Score};
use std::path::PathBuf;

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
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (mut pair, threshold) = Pair::load(&args.models, &device::cpu())?;
    let questions = suite(Split::Test, args.seed, args.per_family);
    let report = pair.report(&questions, args.threshold.unwrap_or(threshold), &mut |stage| eprintln!("{stage} ..."))?;
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

fn table(report: &Report) -> String {
    let columns: [(&str, &Score); 3] = [("SLM", &report.slm), ("routed", &report.routed), ("LLM", &report.llm)];
    let mut text = format!("{} questions a family, threshold {:.4}; 95 % intervals\n\n", report.per_family, report.threshold);
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
