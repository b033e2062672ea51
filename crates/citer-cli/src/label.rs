//! `citer label`: the states of gold answers with what both models say there, on disk.

use crate::data::Data;
use crate::endpoints::Served;
use crate::{Failure, costs::Costs, pair::Pair, shutdown::Interrupted};
use citer_tasks::{Question, Split, suite};
use citer_train::label::{Rule, Summary};
use citer_train::labelling::{Job, Progress, label, saving};
use citer_train::recipes;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pair: Pair,
    /// Folder for the labels; a run that was stopped goes on from what it holds.
    #[arg(long, default_value = "runs/labels")]
    out: PathBuf,
    #[command(flatten)]
    data: Data,
    /// Questions of the generated suite a family, without --data.
    #[arg(long, default_value_t = 600)]
    per_family: usize,
    /// Seed of the generated questions.
    #[arg(long, default_value_t = recipes::SEED)]
    seed: u64,
    /// Finish answers with the pair's router at this threshold and add the states of mixed decoding (a later round);
    /// without it the SLM finishes them alone (the first round).
    #[arg(long)]
    threshold: Option<f32>,
    /// Questions to measure what the shortcut saves on; 0 leaves that out.
    #[arg(long, default_value_t = 20)]
    saving: usize,
}

/// The generated questions that routers are trained on: another seed than pre-training's, so the same pool of problems
/// and facts, other draws.
pub fn training_suite(seed: u64, per_family: usize) -> Vec<Question> {
    suite(Split::Train, seed ^ 0x0C17E2, per_family)
}

/// Shows how far labels are, now and then.
pub fn shower<'a>(served: Option<&'a Served>, costs: &'a Costs) -> impl Fn(Progress) + Sync + 'a {
    let shown = std::sync::Mutex::new(std::time::Instant::now());
    move |progress: Progress| {
        let Ok(mut last) = shown.lock() else { return };
        if last.elapsed().as_secs() < 5 && progress.done < progress.total {
            return;
        }
        *last = std::time::Instant::now();
        match served {
            Some(served) => eprintln!("{progress}; {}", served.bill(&costs.prices())),
            None => eprintln!("{progress}"),
        }
    }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let opened = args.pair.open()?;
    let workers = opened.workers()?;
    let (served, costs) = (opened.served.as_ref(), &args.pair.costs);
    let questions =
        if args.data.data.is_empty() { training_suite(args.seed, args.per_family) } else { args.data.load()? };
    let rule = match args.threshold {
        None => Rule::slm_alone(),
        Some(threshold) => {
            let (engine, _) = args.pair.routed()?.engine(1, workers.device)?;
            let router = engine.router().cloned().ok_or("the pair has no router: run `citer train`")?;
            Rule::router(router, threshold, &format!("threshold {threshold}"))?
        }
    };
    let interrupted = Interrupted::listen();
    let stop = || interrupted.is_set();
    let job = Job { questions: &questions, rule: &rule, mixed: args.threshold.is_some(), folder: Some(&args.out) };
    let labelled = label(&workers, &job, &shower(served, costs), &stop)?;
    let summary = Summary::total(&labelled);
    let skipped: Vec<_> = questions
        .iter()
        .zip(&labelled)
        .filter_map(|(question, done)| Some((question.id.clone(), done.skipped.clone()?)))
        .collect();
    crate::data::report_skips(&skipped);
    println!("{summary}");
    let saving = if args.saving == 0 { None } else { Some(saving(&workers, &job, args.saving, &stop)?) };
    if let Some(saving) = &saving {
        println!("{saving}");
    }
    if let Some(served) = served {
        println!("{}", served.bill(&costs.prices()));
    }
    let document = serde_json::json!({
        "environment": crate::eval::environment(),
        "labels": summary,
        "shortcut": saving,
        "spent": served.map(|served| served.ask.spent()),
        "usd": served.map(|served| served.ask.spent().usd(&costs.prices())),
    });
    let text = serde_json::to_string_pretty(&document)? + "\n";
    citer_train::store::write(&args.out.join("summary.json"), text.as_bytes())?;
    println!("labels: {}", args.out.display());
    Ok(())
}
