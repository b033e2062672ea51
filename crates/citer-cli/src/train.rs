//! `citer train`: labels states, fits and calibrates the router and what stands in for one, in rounds, and chooses their
//! thresholds.

use crate::data::{Data, disjoint, hold_out, report_skips};
use crate::label::{shower, training_suite};
use crate::{Failure, pair::Pair, shutdown::Interrupted};
use citer_lm::pair::{ROUTER, ROUTER_CARD, RouterCard};
use citer_lm::{EntropyCard, Router, RouterTraining, ThresholdAt, entropy::ENTROPY_CARD, hash::sha256};
use citer_tasks::{Question, Split, suite};
use citer_train::fit::{Charge, Objective, fit};
use citer_train::label::Rule;
use citer_train::labelling::Job;
use citer_train::rounds::{Operating, Plan, Record, Target, Trained, train};
use citer_train::stand_in::StandIn;
use citer_train::store::{Store, digest, write};
use citer_train::{recipes, workers::Workers};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pair: Pair,
    /// Folder for the labels, the rounds' figures and the baselines' routers; a training that was stopped goes on from
    /// the labels it holds.
    #[arg(long, default_value = "runs/router")]
    runs: PathBuf,
    /// Labels of the first round that `citer label` made of the same questions.
    #[arg(long)]
    labels: Option<PathBuf>,
    #[command(flatten)]
    data: Data,
    /// Benchmark file to compare rounds and choose thresholds on; every tenth question of --data by default.
    #[arg(long, value_name = "FILE")]
    validation_data: Vec<PathBuf>,
    /// Training questions a family.
    #[arg(long, default_value_t = 600)]
    per_family: usize,
    /// Validation questions a family, to compare rounds and choose thresholds.
    #[arg(long, default_value_t = 100)]
    validation: usize,
    /// Most rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Most remote tokens of all tokens that the recommended threshold may spend on validation questions.
    #[arg(long, default_value_t = 0.06)]
    share: f64,
    /// Most requests an answer instead.
    #[arg(long, conflicts_with = "share")]
    budget_calls: Option<f64>,
    /// Most bytes an answer instead, without a session.
    #[arg(long, conflicts_with_all = ["share", "budget_calls"])]
    budget_bytes: Option<f64>,
    /// Most US dollars a 1,000 answers instead, without a session.
    #[arg(long, conflicts_with_all = ["share", "budget_calls", "budget_bytes"])]
    budget_usd: Option<f64>,
    /// Learn from answer quality less this many right answers a unit of cost, instead of from preferences.
    #[arg(long)]
    lambda: Option<f32>,
    /// The unit of cost: share (an answer by the LLM alone), kb (1,000 bytes) or usd (a dollar for 1,000 answers).
    #[arg(long, default_value = "share", requires = "lambda")]
    cost_in: String,
    /// Seed of questions and weights.
    #[arg(long, default_value_t = recipes::SEED)]
    seed: u64,
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
    let opened = args.pair.open()?;
    let workers = opened.workers()?;
    let (slm, served, costs) = (&opened.slm, opened.served.as_ref(), &args.pair.costs);
    let (questions, validation, source) = args.questions(&workers)?;
    let labels = args.runs.join(LABELS);
    if let Some(folder) = &args.labels {
        let rule = Rule::slm_alone();
        let run = Job { questions: &questions, rule: &rule, mixed: false, folder: None }.run(&workers);
        let made = Store::begun(folder, &run)?;
        let made = made.ok_or_else(|| format!("{}: there are no labels: run `citer label`", folder.display()))?;
        Store::open(&labels.join("round-1"), &run)?.take(&made)?;
    }
    let plan = Plan {
        questions: &questions,
        validation: &validation,
        objective: args.objective()?,
        rounds: args.rounds,
        target: args.target(),
        rates: costs.rates(&workers)?,
        labels: Some(&labels),
        seed: args.seed,
    };
    let interrupted = Interrupted::listen();
    let stop = || interrupted.is_set();
    let mut say = |line: String| println!("{line}");
    let trained = train(&workers, &plan, &mut say, &shower(served, costs), &stop)?;
    let record = Record {
        slm_sha256: sha256(&slm.weights),
        llm_sha256: workers.llm.name(),
        router_sha256: sha256(&futures::executor::block_on(trained.router.save())?),
        rounds: trained.rounds.clone(),
    };
    write(&args.runs.join(ROUNDS), (serde_json::to_string_pretty(&record)? + "\n").as_bytes())?;
    save(&trained.first, &args.runs.join(format!("{FIRST}.safetensors")))?;
    for (name, _, objective) in BASELINES {
        println!("baseline {name}");
        let fitted = fit(&trained.labels, objective, args.seed, workers.device, &mut say)?;
        save(&fitted.router, &args.runs.join(format!("{name}.safetensors")))?;
    }
    if let Some(served) = served {
        println!("{}", served.bill(&costs.prices()));
    }
    export(args, &trained, &questions, &source, &workers)
}

/// Labels of a round within the run's folder.
const LABELS: &str = "labels";

impl Args {
    /// Questions to train on, questions to validate on, and what they are in words.
    fn questions(&self, workers: &Workers) -> Result<(Vec<Question>, Vec<Question>, String), Failure> {
        if self.data.data.is_empty() {
            let questions = training_suite(self.seed, self.per_family);
            let source = format!("the generated suite, {} questions a family, seed {}", self.per_family, self.seed);
            return Ok((questions, suite(Split::Validation, self.seed, self.validation), source));
        }
        let questions = self.data.load()?;
        let (questions, validation) = if self.validation_data.is_empty() {
            hold_out(questions)
        } else {
            (questions, self.data.load_files(&self.validation_data)?)
        };
        disjoint(&questions, &validation)?;
        let (validation, skipped) = workers.fitting(validation)?;
        report_skips(&skipped);
        let names: Vec<String> =
            self.data.data.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into())).collect();
        Ok((questions, validation, names.join(", ")))
    }

    fn objective(&self) -> Result<Objective, Failure> {
        let Some(lambda) = self.lambda else { return Ok(Objective::Preference) };
        let (lambda, charge) = match self.cost_in.as_str() {
            "share" => (lambda, Charge::Share),
            "kb" => (lambda / 1e3, Charge::Bytes(self.pair.costs.wire())),
            "usd" => (lambda * 1e3, Charge::Usd(self.pair.costs.prices())),
            other => return Err(format!("costs are not counted in {other}: choose share, kb or usd").into()),
        };
        Ok(Objective::Reward { lambda, charge })
    }

    fn target(&self) -> Target {
        match (self.budget_calls, self.budget_bytes, self.budget_usd) {
            (Some(calls), _, _) => Target::Calls(calls),
            (_, Some(bytes), _) => Target::Bytes(bytes),
            (_, _, Some(usd)) => Target::Usd(usd / 1e3),
            _ => Target::Share(self.share),
        }
    }
}

fn save(router: &Router, path: &Path) -> Result<(), Failure> {
    Ok(write(path, &futures::executor::block_on(router.save())?)?)
}

/// Writes the router and its card into the pair's folder.
fn export(
    args: &Args,
    trained: &Trained,
    questions: &[Question],
    source: &str,
    workers: &Workers,
) -> Result<(), Failure> {
    let (Some(round), Some(chosen)) =
        (trained.best_round(), trained.best_round().and_then(|round| round.threshold(args.target())))
    else {
        return Err("no threshold was measured: ask for validation questions".into());
    };
    let card = RouterCard {
        slm_sha256: sha256(&workers.slm.weights),
        llm_sha256: workers.llm.name(),
        tokenizer_sha256: sha256(&workers.slm.tokenizer),
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
            calibration_method: round.calibration.clone(),
            balanced: round.balanced,
            objective: name(args.objective()?),
            data: source.into(),
            data_sha256: digest(questions),
        },
        thresholds: round.operating.iter().map(at).collect(),
    };
    let place = args.pair.router_place();
    let path = place.join(ROUTER);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    save(&trained.router, &path)?;
    write(&place.join(ROUTER_CARD), (serde_json::to_string_pretty(&card)? + "\n").as_bytes())?;
    println!(
        "round {}: threshold {:.4} gives {} remote tokens and {} right answers on validation questions",
        trained.best, chosen.threshold, chosen.remote, chosen.accuracy
    );
    let StandIn { score, states, error, operating } = &trained.stand_in;
    let Some(chosen) = args.target().threshold(operating) else {
        return Err("no threshold was measured: ask for validation questions".into());
    };
    let card = EntropyCard {
        score: *score,
        threshold: chosen.threshold as f32,
        validation_share: chosen.remote.value as f32,
        calibration_error: *error,
        states: *states,
        slm_sha256: sha256(&workers.slm.weights),
        llm: workers.llm.name(),
        data: source.into(),
        data_sha256: digest(questions),
        thresholds: operating.iter().map(at).collect(),
    };
    write(&place.join(ENTROPY_CARD), (serde_json::to_string_pretty(&card)? + "\n").as_bytes())?;
    println!(
        "entropy in place of a router: calibration error {error:.4}; threshold {:.4} gives {} remote tokens and {} right \
        answers",
        chosen.threshold, chosen.remote, chosen.accuracy
    );
    Ok(())
}

/// A threshold, for a card.
fn at(operating: &Operating) -> ThresholdAt {
    ThresholdAt {
        threshold: operating.threshold,
        remote: operating.remote.value,
        accuracy: operating.accuracy.value,
        calls: operating.cost.calls,
        bytes: operating.cost.bytes_stateless,
        usd: operating.cost.usd_stateless,
    }
}

/// An objective in words, for the card.
fn name(objective: Objective) -> String {
    match objective {
        Objective::Reward { lambda, charge } => {
            let unit = match charge {
                Charge::Share => "share",
                Charge::Bytes(_) => "bytes",
                Charge::Usd(_) => "US dollars",
            };
            format!("answer quality less {lambda} times the cost in {unit}")
        }
        _ => "preferences (Bradley-Terry, over two actions binary cross-entropy on the preferred one)".into(),
    }
}
