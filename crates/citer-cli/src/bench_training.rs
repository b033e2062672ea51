//! `citer bench-training`: how long training and evaluation take, in JSON with what they ran on.
//!
//! Every stage is the command a person types, run as a program of its own on a copy of the pair.

use crate::Failure;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

#[derive(clap::Args)]
pub struct Args {
    /// Folder of the pair; it is copied and stays as it is.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Folder for what the stages write; it must be new, so that nothing is found done.
    #[arg(long, default_value = "runs/bench-training")]
    runs: PathBuf,
    /// Training questions a family.
    #[arg(long, default_value_t = 600)]
    per_family: usize,
    /// Rounds.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Held-out questions a family.
    #[arg(long, default_value_t = 500)]
    held_out: usize,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.runs.exists() {
        return Err(format!("{} exists: delete it or choose another folder", args.runs.display()).into());
    }
    let models = args.runs.join("models");
    copy(&args.models, &models)?;
    let [questions, rounds, held_out] = [args.per_family, args.rounds, args.held_out].map(|n| n.to_string());
    let path = |path: &Path| path.display().to_string();
    let (labels, router, curves) = (args.runs.join("labels"), args.runs.join("router"), args.runs.join("curves"));
    let stages = [
        vec!["label".into(), "--per-family".into(), questions.clone(), "--out".into(), path(&labels)],
        vec![
            "train".into(),
            "--per-family".into(),
            questions,
            "--rounds".into(),
            rounds,
            "--labels".into(),
            path(&labels),
            "--runs".into(),
            path(&router),
        ],
        vec!["eval".into(), "--per-family".into(), held_out.clone()],
        vec![
            "eval".into(),
            "--per-family".into(),
            held_out,
            "--curves".into(),
            path(&curves),
            "--runs".into(),
            path(&router),
        ],
    ];
    let families = citer_tasks::Family::ALL.len();
    let (mut rows, mut total) = (Vec::new(), 0.0);
    for mut stage in stages {
        stage.extend(["--models".into(), path(&models)]);
        eprintln!("citer {}", stage.join(" "));
        let begun = Instant::now();
        let status = Command::new(std::env::current_exe()?).args(&stage).stdout(Stdio::null()).status()?;
        let seconds = begun.elapsed().as_secs_f64();
        if !status.success() {
            return Err(format!("citer {} failed: see its message above", stage.join(" ")).into());
        }
        total += seconds;
        let questions = families * if stage[0] == "eval" { args.held_out } else { args.per_family };
        let mut row =
            json!({"command": format!("citer {}", stage.join(" ")), "seconds": seconds, "questions": questions});
        row["questions_per_second"] = Value::from(questions as f64 / seconds);
        rows.push(row);
    }
    let document = json!({"environment": crate::eval::environment(), "stages": rows, "seconds": total});
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).map_err(|e| format!("{}: {e}; check the path", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
