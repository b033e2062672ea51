//! Rounds of CITER: label, fit, calibrate, measure on validation questions, and again with the router just fitted.
//!
//! The first round finishes answers with the SLM alone. Later rounds finish them with the current router and add the
//! states of its own mixed decoding, which the gold answers never show it (DAgger, arXiv 1011.0686). Rounds stop when
//! the validation area stops growing; the best round's router stays.

use crate::{
    calibrate::{Bin, Calibrated, Platt, calibrate},
    curve::Curve,
    error::TrainError,
    fit::{Objective, fit},
    interval::Share,
    label::{Label, Labeller, Origin, Rule, Summary},
    measure::{Policy, SHARES, measure, thresholds},
    signal::Signal,
    sweep::{Measurement, Outcome, Sweep},
    workers::Workers,
};
use citer_core::Mode;
use citer_lm::Router;
use citer_tasks::Question;
use futures::executor::block_on;
use serde::{Deserialize, Serialize};

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
    /// The share of remote tokens that the recommended threshold aims at.
    pub share: f64,
    /// Seed of weights and order.
    pub seed: u64,
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
    /// Area under the validation curve up to [`MOST_SHARE`], over that share: a mean accuracy.
    pub area: f64,
    /// The calibration that was folded in.
    pub platt: Platt,
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
}

impl Round {
    /// The threshold whose validation share comes closest to `share` without exceeding it; the lowest one else.
    pub fn threshold(&self, share: f64) -> Option<Operating> {
        let fits = self.operating.iter().filter(|o| o.remote.value <= share);
        fits.max_by(|a, b| a.remote.value.total_cmp(&b.remote.value)).or(self.operating.first()).copied()
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

/// Runs the rounds.
pub fn train(
    workers: &Workers,
    plan: &Plan,
    report: &mut dyn FnMut(String),
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
        labels = label(workers, plan.questions, &rule, number > 1, stop)?;
        // States of mixed decoding of earlier rounds stay: the router meets all of them again.
        mixed.extend(labels.iter().filter(|label| label.origin == Origin::Mixed).cloned());
        labels.retain(|label| label.origin != Origin::Mixed);
        labels.extend(mixed.iter().cloned());
        let summary = Summary::of(&labels);
        report(format!("round {number}: {summary}"));
        let fitted = fit(&labels, plan.objective, plan.seed, workers.device, report)?;
        let Calibrated { router, platt, before, after, bins } = calibrate(fitted.router, &labels, workers.device)?;
        let width = labels.first().map_or(0, |label| label.hidden.len());
        // What is measured is what ships: rounded to F16.
        let router = Router::load(width, &block_on(router.save())?, workers.device)?;
        let signal = Signal::Router(router.clone());
        let chosen = thresholds(workers, plan.validation, std::slice::from_ref(&signal), &SHARES, stop)?;
        let policy = Policy {
            name: "router".into(),
            signal: signal.clone(),
            thresholds: chosen.into_iter().next().unwrap_or_default(),
        };
        let measured = measure(workers, plan.validation, std::slice::from_ref(&policy), false, &|_| {}, stop)?;
        let Some(sweep) = measured.sweeps.first() else {
            return Err(TrainError::Settings("there are no validation questions: ask for some".into()));
        };
        let area = area(&measured, sweep);
        let operating: Vec<Operating> = sweep
            .thresholds
            .iter()
            .zip(&sweep.outcomes)
            .map(|(threshold, outcomes)| {
                let [remote, accuracy] = shares(outcomes);
                Operating { threshold: *threshold, remote, accuracy }
            })
            .collect();
        report(format!(
            "round {number}: validation area {:.1} %, calibration error {:.4} (was {:.4})",
            100.0 * area,
            after,
            before
        ));
        rounds.push(Round {
            number,
            labels: summary,
            loss: fitted.loss,
            epoch: fitted.epoch,
            rate: fitted.rate,
            area,
            platt,
            calibration_error: [before, after],
            reliability: bins,
            operating,
        });
        first.get_or_insert_with(|| router.clone());
        let improved = best.as_ref().is_none_or(|(_, reached, _)| area > *reached);
        if improved {
            best = Some((number, area, router));
        }
        let threshold = rounds.last().and_then(|round| round.threshold(plan.share));
        rule = Rule { mode: Mode::Router, threshold: threshold.map_or(0.5, |o| o.threshold as f32), signal };
        if !improved {
            report(format!("round {number} is no better than round {}: done", number - 1));
            break;
        }
    }
    let nothing = || TrainError::Settings("no round ran: ask for at least one".into());
    let ((best, _, router), first) = best.zip(first).ok_or_else(nothing)?;
    Ok(Trained { router, first, best, rounds, labels })
}

/// Labels all questions.
pub fn label(
    workers: &Workers,
    questions: &[Question],
    rule: &Rule,
    mixed: bool,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Label>, TrainError> {
    let labeller = Labeller { rule, device: workers.device, mixed };
    let work = |models: &mut crate::models::Models, index: usize| labeller.label(models, index, &questions[index]);
    Ok(workers.each(questions.len(), work, &|_| {}, stop)?.into_iter().flatten().collect())
}
