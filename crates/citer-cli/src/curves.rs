//! `citer eval --curves`: the router against every baseline over all thresholds, with costs, plots and a report page.

use crate::train::{BASELINES, FIRST, ROUNDS};
use crate::{Failure, eval::Args};
use citer_lm::{Config, EntropyCard, Router, RouterCard, entropy::ENTROPY_CARD, hash::sha256, pair};
use citer_tasks::{Question, Split, suite};
use citer_train::bootstrap::Interval;
use citer_train::evaluate::Report;
use citer_train::fit::Objective;
use citer_train::measure::{Policy, SHARES, measure, thresholds};
use citer_train::results::Results;
use citer_train::rounds::{MOST_SHARE, Record};
use citer_train::summary::{Reading, Summary};
use citer_train::{classes, signal::Signal, workers::Workers};
use std::path::Path;

/// The product's policy in tables.
const OURS: &str = "CITER";

/// Measures all policies on `questions` and writes the report into `folder`.
pub fn run(
    args: &Args,
    folder: &Path,
    workers: &Workers,
    router: &Router,
    card: &RouterCard,
    questions: &[Question],
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(), Failure> {
    let record = record(args, card)?;
    let config = Config::from_json(&workers.slm.config)?;
    let fitted = |name: &str| -> Result<Router, Failure> {
        let path = args.runs.join(format!("{name}.safetensors"));
        let advice =
            |e: std::io::Error| format!("{}: {e}; run `citer train` first, it writes the baselines", path.display());
        Ok(Router::load(config.hidden_size, &std::fs::read(&path).map_err(advice)?, workers.device)?)
    };
    let path = args.pair.router_place().join(ENTROPY_CARD);
    let advice = |e: std::io::Error| format!("{}: {e}; run `citer train` first, it writes it", path.display());
    let entropy = EntropyCard::parse(&std::fs::read(&path).map_err(advice)?)?;
    let mut named = vec![(OURS, Signal::Router(router.clone())), ("CITER round 1", Signal::Router(fitted(FIRST)?))];
    for (file, name, objective) in BASELINES {
        let signal = if objective == Objective::Query { Signal::Query } else { Signal::Router };
        named.push((name, signal(fitted(file)?)));
    }
    named.extend([
        ("max probability", Signal::Peak),
        ("margin", Signal::Margin),
        ("entropy", Signal::Entropy(entropy.score)),
        ("random", Signal::Random { seed: args.seed }),
    ]);
    // Where on its curve a policy is measured; with files their own questions tell it, whose answers play no part in it.
    let validation = match args.data.data.is_empty() {
        true => suite(Split::Validation, args.seed, 100),
        false => questions.iter().take(500).cloned().collect(),
    };
    let signals: Vec<Signal> = named.iter().map(|(_, signal)| signal.clone()).collect();
    // The recommended threshold is measured exactly, and all policies at its share.
    let chosen = thresholds(workers, &validation, &signals, &SHARES, Some(card.threshold.into()), stop)?;
    let policies: Vec<Policy> = named
        .into_iter()
        .zip(chosen)
        .map(|((name, signal), thresholds)| Policy { name: name.into(), signal, thresholds })
        .collect();
    let done = |count: usize| {
        if count.is_multiple_of(100) {
            eprintln!("{count} of {} questions", questions.len());
        }
    };
    let started = std::time::Instant::now();
    let measurement = measure(workers, questions, &policies, true, &done, stop)?;
    let seconds = started.elapsed().as_secs_f64();
    let classes =
        classes::routed(workers, questions, &Signal::Router(router.clone()), f64::from(card.threshold), stop)?;
    let rates = args.pair.costs.rates(workers)?;
    let mut environment: Vec<(String, String)> = match crate::eval::environment() {
        serde_json::Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, value.to_string().trim_matches('"').to_owned())).collect()
        }
        _ => Vec::new(),
    };
    environment.push(("questions".into(), questions.len().to_string()));
    environment.push(("seed".into(), args.seed.to_string()));
    environment.push(("seconds".into(), format!("{seconds:.0}")));
    environment.push(("SLM sha256".into(), card.slm_sha256.clone()));
    environment.push(("LLM".into(), workers.llm.name()));
    let reading = Reading {
        policy: OURS.into(),
        threshold: f64::from(card.threshold),
        max_share: MOST_SHARE,
        rates,
        seed: args.seed,
    };
    let rounds = record.rounds;
    let best = rounds.iter().find(|round| round.number == card.training.best_round);
    let reliability = best.map_or(Vec::new(), |round| round.reliability.clone());
    let words = std::env::args().skip(1);
    let quoted = words.map(|word| if word.contains(char::is_whitespace) { format!("'{word}'") } else { word });
    let command = std::iter::once("citer".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ");
    let report = Report::new(questions, &measurement, card.threshold);
    let results = Results { command, environment, reading, reliability, rounds, classes, measurement };
    let summary = results.write(folder)?;
    println!("{} questions in {seconds:.0} s; report: {}\n", questions.len(), folder.join("results.html").display());
    print!("{}\n{}\n{}", crate::eval::table(&report), table(&summary), against(&summary));
    Ok(())
}

/// What `citer train` left, after checking that it belongs to the pair that is measured.
fn record(args: &Args, card: &RouterCard) -> Result<Record, Failure> {
    let path = args.runs.join(ROUNDS);
    let advice =
        |e: std::io::Error| format!("{}: {e}; run `citer train` and name its folder with --runs", path.display());
    let record: Record = serde_json::from_slice(&std::fs::read(&path).map_err(advice)?)?;
    let router = sha256(&std::fs::read(args.pair.router_place().join(pair::ROUTER))?);
    if (&record.slm_sha256, &record.llm_sha256, &record.router_sha256) != (&card.slm_sha256, &card.llm_sha256, &router)
    {
        return Err(format!(
            "{} belongs to another pair: run `citer train` and name its folder with --runs",
            path.display()
        )
        .into());
    }
    Ok(record)
}

fn percent(interval: &Option<Interval>) -> String {
    let words = |i: &Interval| format!("{:.1} % ({:.1} to {:.1})", 100.0 * i.value, 100.0 * i.low, 100.0 * i.high);
    interval.as_ref().map_or("-".into(), words)
}

/// What the router saves at equal accuracy, and wins at equal share, against every other policy.
fn against(summary: &Summary) -> String {
    let mut text = String::from(
        "| against | remote share saved at 95 % of the LLM | saved on the mean | saved at most | area won | accuracy won at 5 % remote |\n\
        |---|---|---|---|---|---|\n",
    );
    for other in &summary.comparisons {
        let most = other.most_saved.map_or("-".into(), |most| format!("{:.0} %", 100.0 * most));
        let gain = other.gains.first().map_or("-".into(), percent);
        let cells = [&other.saved, &other.mean_saved].map(percent).join(" | ");
        text += &format!("| {} | {cells} | {most} | {} | {gain} |\n", other.against, percent(&other.limited_area));
    }
    text
}

fn table(summary: &Summary) -> String {
    let mut text = format!(
        "| policy | mean accuracy up to {:.0} % remote | accuracy at 5 % | at 10 % | at 20 % | remote share for 95 % of the LLM |\n\
        |---|---|---|---|---|---|\n",
        100.0 * MOST_SHARE
    );
    for standing in &summary.standings {
        let at: Vec<String> = standing.accuracy_at.iter().map(percent).collect();
        text += &format!(
            "| {} | {} | {} | {} |\n",
            standing.policy,
            percent(&standing.limited_area),
            at.join(" | "),
            percent(&standing.share_at_target)
        );
    }
    text
}
