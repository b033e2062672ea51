//! Rounds of CITER: label, fit, calibrate, measure on validation questions, and again with the router just fitted.
//!
//! The first round finishes answers with the SLM alone. Later rounds finish them with the current router and add the
//! states of its own mixed decoding, which the gold answers never show it (DAgger, arXiv 1011.0686). Rounds stop when
//! the validation area stops growing; the best round's router stays.

use crate::{
    calibrate::{Bin, Calibrated, Platt, Tried, calibrate},
    cost::{Cost, Rates},
    curve::Curve,
    error::TrainError,
    fit::{Objective, fit},
    interval::Share,
    label::{Label, Origin, Rule, Summary},
    labelling::{Job, Progress, label},
    measure::{Policy, SHARES, measure, thresholds},
    signal::Signal,
    stand_in::{self, StandIn},
    sweep::{Measurement, Outcome, Sweep},
    work::Work,
    workers::Workers,
};
use citer_lm::Router;
use citer_tasks::Question;
use futures::executor::block_on;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Validation areas are taken from no remote token to this share.
pub const MOST_SHARE: f64 = 0.3;

/// How to train a router.
pub struct Plan<'a> {
    /// Questions to label.
    pub questions: &'a [Question],
    /// Questions to compare rounds and choose thresholds on.
    pub validation: &'a [Question],
    /// What the router is fitted to.
    pub objective: Objective,
    /// Most rounds.
    pub rounds: usize,
    /// What the recommended threshold aims at.
    pub target: Target,
    /// What costs are computed with.
    pub rates: Rates,
    /// Where labels are kept, a folder a round; in memory alone without.
    pub labels: Option<&'a Path>,
    /// Seed of weights and order.
    pub seed: u64,
}

/// What a recommended threshold must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At most this share of remote tokens.
    Share(f64),
    /// At most so many requests an answer.
    Calls(f64),
    /// At most so many bytes an answer, without a session.
    Bytes(f64),
    /// At most so many US dollars an answer, without a session.
    Usd(f64),
}

impl Target {
    /// What it limits, at a setting.
    fn spent(self, operating: &Operating) -> (f64, f64) {
        match self {
            Self::Share(most) => (operating.remote.value, most),
            Self::Calls(most) => (operating.cost.calls, most),
            Self::Bytes(most) => (operating.cost.bytes_stateless, most),
            Self::Usd(most) => (operating.cost.usd_stateless, most),
        }
    }

    /// The threshold that comes closest without exceeding it; the lowest one else.
    pub fn threshold(self, all: &[Operating]) -> Option<Operating> {
        let fits = all.iter().filter(|operating| {
            let (spent, most) = self.spent(operating);
            spent <= most
        });
        fits.max_by(|a, b| self.spent(a).0.total_cmp(&self.spent(b).0)).or(all.first()).copied()
    }
}

/// What a round did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Round {
    /// From 1.
    pub number: usize,
    /// What was labelled.
    pub labels: Summary,
    /// Held-back loss of the best epoch.
    pub loss: f64,
    /// The best epoch.
    pub epoch: usize,
    /// The learning rate that won.
    pub rate: f64,
    /// Whether class balance won.
    #[serde(default)]
    pub balanced: bool,
    /// Area under the validation curve up to [`MOST_SHARE`], over that share: a mean accuracy.
    pub area: f64,
    /// The calibration that was folded in.
    pub platt: Platt,
    /// Its name.
    #[serde(default)]
    pub calibration: String,
    /// All methods of calibration.
    #[serde(default)]
    pub calibrations: Vec<Tried>,
    /// Expected calibration error before and after.
    pub calibration_error: [f64; 2],
    /// The reliability figure after calibration.
    pub reliability: Vec<Bin>,
    /// Thresholds by the share they gave on validation questions.
    pub operating: Vec<Operating>,
}

/// What a training left, and for which files it counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// SHA-256 of the SLM's weights.
    pub slm_sha256: String,
    /// SHA-256 of the LLM's weights.
    pub llm_sha256: String,
    /// SHA-256 of the router.
    pub router_sha256: String,
    /// What each round did.
    pub rounds: Vec<Round>,
}

/// A threshold with what it gave on validation questions.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Operating {
    /// The threshold.
    pub threshold: f64,
    /// Remote tokens over all tokens.
    pub remote: Share,
    /// Right answers.
    pub accuracy: Share,
    /// Costs of an answer.
    #[serde(default)]
    pub cost: Cost,
}

/// A finished training.
pub struct Trained {
    /// The best round's router.
    pub router: Router,
    /// The first round's router, for the comparison of rounds.
    pub first: Router,
    /// Which round was best, from 1.
    pub best: usize,
    /// All rounds.
    pub rounds: Vec<Round>,
    /// The labels of the last round, for the baselines.
    pub labels: Vec<Label>,
    /// What stands in for a router, fitted to the same labels.
    pub stand_in: StandIn,
}

impl Round {
    /// The threshold that comes closest to `target` on validation questions without exceeding it; the lowest one else.
    pub fn threshold(&self, target: Target) -> Option<Operating> {
        target.threshold(&self.operating)
    }
}

impl Trained {
    /// What the best round did.
    pub fn best_round(&self) -> Option<&Round> {
        self.rounds.get(self.best.checked_sub(1)?)
    }
}

/// Remote tokens over all tokens, and right answers.
pub fn shares(outcomes: &[Outcome]) -> [Share; 2] {
    let total = |value: &dyn Fn(&Outcome) -> u64| outcomes.iter().map(value).sum();
    let tokens = total(&|o| u64::from(o.tokens));
    let right = total(&|o| u64::from(o.right));
    [Share::new(total(&|o| u64::from(o.remote)), tokens), Share::new(right, outcomes.len() as u64)]
}

/// Mean accuracy of a policy over remote shares from 0 to [`MOST_SHARE`].
pub fn area(measurement: &Measurement, sweep: &Sweep) -> f64 {
    let all: Vec<usize> = (0..measurement.families.len()).collect();
    Curve::new(measurement, sweep, &all).line().area(MOST_SHARE)
}

/// What thresholds of `signal` give on validation questions, and the area under the curve that they draw.
fn operating(
    workers: &Workers,
    plan: &Plan,
    signal: Signal,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(Vec<Operating>, f64), TrainError> {
    let chosen = thresholds(workers, plan.validation, std::slice::from_ref(&signal), &SHARES, None, stop)?;
    let thresholds = chosen.into_iter().next().unwrap_or_default();
    let policy = Policy { name: "router".into(), signal, thresholds };
    let measured = measure(workers, plan.validation, std::slice::from_ref(&policy), false, &|_| {}, stop)?;
    let Some(sweep) = measured.sweeps.first() else {
        return Err(TrainError::Settings("there are no validation questions: ask for some".into()));
    };
    let at = |(threshold, outcomes): (&f64, &Vec<Outcome>)| {
        let [remote, accuracy] = shares(outcomes);
        let cost = plan.rates.cost(&Work::of(outcomes));
        Operating { threshold: *threshold, remote, accuracy, cost }
    };
    let operating = sweep.thresholds.iter().zip(&sweep.outcomes).map(at).collect();
    Ok((operating, area(&measured, sweep)))
}

/// Runs the rounds.
pub fn train(
    workers: &Workers,
    plan: &Plan,
    report: &mut dyn FnMut(String),
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Trained, TrainError> {
    if plan.validation.is_empty() {
        return Err(TrainError::Settings("there are no validation questions: ask for some".into()));
    }
    let mut rule = Rule::slm_alone();
    let mut mixed: Vec<Label> = Vec::new();
    let mut rounds: Vec<Round> = Vec::new();
    let (mut best, mut first): (Option<(usize, f64, Router)>, Option<Router>) = (None, None);
    let mut labels = Vec::new();
    for number in 1..=plan.rounds.max(1) {
        report(format!("round {number}: labelling {} questions", plan.questions.len()));
        let folder = plan.labels.map(|folder| folder.join(format!("round-{number}")));
        let job = Job { questions: plan.questions, rule: &rule, mixed: number > 1, folder: folder.as_deref() };
        let labelled = label(workers, &job, progress, stop)?;
        let total = Summary::total(&labelled);
        labels = labelled.into_iter().flat_map(|question| question.labels).collect();
        // States of mixed decoding of earlier rounds stay: the router meets all of them again.
        mixed.extend(labels.iter().filter(|label| label.origin == Origin::Mixed).cloned());
        labels.retain(|label| label.origin != Origin::Mixed);
        labels.extend(mixed.iter().cloned());
        let Summary { skipped, steps, seconds, .. } = total;
        let summary = Summary { skipped, steps, seconds, ..Summary::of(&labels) };
        report(format!("round {number}: {summary}"));
        let fitted = fit(&labels, plan.objective, plan.seed, workers.device, report)?;
        let calibrated = calibrate(fitted.router, &labels, workers.device)?;
        let Calibrated { router, platt, method, tried, before, after, bins } = calibrated;
        let width = labels.first().map_or(0, |label| label.hidden.len());
        // What is measured is what ships: rounded to F16.
        let router = Router::load(width, &block_on(router.save())?, workers.device)?;
        let current = router.clone();
        let (operating, area) = operating(workers, plan, Signal::Router(router.clone()), stop)?;
        report(format!(
            "round {number}: validation area {:.1} %, calibration {method}, error {after:.4} (was {before:.4})",
            100.0 * area
        ));
        rounds.push(Round {
            number,
            labels: summary,
            loss: fitted.loss,
            epoch: fitted.epoch,
            rate: fitted.rate,
            balanced: fitted.balanced,
            area,
            platt,
            calibration: method,
            calibrations: tried,
            calibration_error: [before, after],
            reliability: bins,
            operating,
        });
        first.get_or_insert_with(|| router.clone());
        let improved = best.as_ref().is_none_or(|(_, reached, _)| area > *reached);
        if improved {
            best = Some((number, area, router));
        }
        let threshold = rounds.last().and_then(|round| round.threshold(plan.target));
        let threshold = threshold.map_or(0.5, |o| o.threshold as f32);
        // Named by its aim and not by the threshold, whose last digits may differ when a training goes on later.
        rule = Rule::router(current, threshold, &format!("{:?}", plan.target))?;
        if !improved {
            report(format!("round {number} is no better than round {}: done", number - 1));
            break;
        }
    }
    let nothing = || TrainError::Settings("no round ran: ask for at least one".into());
    let ((best, _, router), first) = best.zip(first).ok_or_else(nothing)?;
    let mut stand_in = stand_in::fit(&labels, workers.slm, workers.device)?;
    stand_in.operating = operating(workers, plan, Signal::Entropy(stand_in.score), stop)?.0;
    Ok(Trained { router, first, best, rounds, labels, stand_in })
}
