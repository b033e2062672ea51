//! Evaluation: accuracy and remote share of the SLM alone, the routed pair and the LLM alone.

use crate::{
    error::TrainError,
    interval::Share,
    measure::{Policy, measure},
    rounds::shares,
    signal::Signal,
    sweep::{Measurement, Outcome},
    workers::Workers,
};
use citer_lm::Router;
use citer_tasks::Question;
use serde::Serialize;
use std::collections::BTreeMap;

/// How one way of answering did.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    /// Right answers, over all families.
    pub accuracy: Share,
    /// Right answers by family.
    pub families: BTreeMap<String, Share>,
    /// Tokens made by the LLM (asked and answered) over all tokens.
    pub remote: Share,
}

impl Score {
    /// Counts `outcomes`, one a question.
    pub fn new(questions: &[Question], outcomes: &[Outcome]) -> Self {
        let mut families: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
        for (question, outcome) in questions.iter().zip(outcomes) {
            families.entry(question.family.to_string()).or_default().push(*outcome);
        }
        let [remote, accuracy] = shares(outcomes);
        let families = families.into_iter().map(|(name, outcomes)| (name, shares(&outcomes)[1])).collect();
        Self { accuracy, families, remote }
    }
}

/// The three ways side by side, on the same questions.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Questions a family, on the mean.
    pub per_family: usize,
    /// The router's threshold.
    pub threshold: f32,
    /// The SLM alone.
    pub slm: Score,
    /// SLM, router and LLM.
    pub routed: Score,
    /// The LLM alone: none of its tokens is the SLM's, so all count as remote.
    pub llm: Score,
}

/// All three ways.
pub fn report(
    workers: &Workers,
    router: &Router,
    threshold: f32,
    questions: &[Question],
    done: &(dyn Fn(usize) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Report, TrainError> {
    let signal = Signal::Router(router.clone());
    let policy = Policy { name: "router".into(), signal, thresholds: vec![f64::from(threshold)] };
    let measured = measure(workers, questions, &[policy], false, done, stop)?;
    Ok(Report::new(questions, &measured, threshold))
}

impl Report {
    /// What was measured on `questions`, with the first policy at the setting closest to `threshold`.
    pub fn new(questions: &[Question], measured: &Measurement, threshold: f32) -> Self {
        let first = measured.sweeps.first();
        let routed = first.and_then(|sweep| sweep.outcomes.get(sweep.nearest(threshold.into())?));
        let slm = Score::new(questions, &measured.slm);
        Self {
            per_family: questions.len() / slm.families.len().max(1),
            threshold,
            slm,
            routed: Score::new(questions, routed.map_or(&[][..], Vec::as_slice)),
            llm: Score::new(questions, &measured.llm),
        }
    }
}

/// The SLM of `workers` alone.
pub fn alone(
    workers: &Workers,
    questions: &[Question],
    done: &(dyn Fn(usize) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Score, TrainError> {
    let outcomes = workers.each(
        questions.len(),
        |models, index| {
            let mut tree = models.tree(&questions[index].prompt)?;
            let signal = Signal::Peak;
            let mut nobody = crate::signal::Scorer::new(&signal, index as u64, workers.device);
            let mode = citer_core::Mode::LocalOnly;
            Ok(crate::measure::answer(models, &mut tree, &mut nobody, &questions[index], mode, 0.0)?.0)
        },
        done,
        stop,
    )?;
    Ok(Score::new(questions, &outcomes))
}
