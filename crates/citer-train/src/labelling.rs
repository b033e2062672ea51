//! A run of labels: all questions over all workers, in parts that are kept on disk as they are finished.

use crate::{
    error::TrainError,
    label::{Labelled, Labeller, Rule},
    models::{Models, Steps},
    store::{PART, Run, Store, digest},
    workers::Workers,
};
use citer_lm::hash::sha256;
use citer_tasks::Question;
use serde::Serialize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What to label and how.
pub struct Job<'a> {
    /// The questions.
    pub questions: &'a [Question],
    /// How roll-outs go on.
    pub rule: &'a Rule,
    /// Whether to add the states of the rule's own answers.
    pub mixed: bool,
    /// Where finished parts are kept; in memory alone without.
    pub folder: Option<&'a Path>,
}

impl Job<'_> {
    /// What the labels are of and how they are made.
    pub fn run(&self, workers: &Workers) -> Run {
        Run {
            version: 1,
            slm_sha256: sha256(&workers.slm.weights),
            llm: workers.llm.name(),
            tokenizer_sha256: sha256(&workers.slm.tokenizer),
            questions_sha256: digest(self.questions),
            questions: self.questions.len(),
            longest: workers.longest,
            rule: self.rule.name.clone(),
            mixed: self.mixed,
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Questions done, those of earlier runs included.
    pub done: usize,
    /// All questions.
    pub total: usize,
    /// Seconds of this run so far.
    pub seconds: f64,
    /// Seconds that the rest will take at this run's pace; none before it has one.
    pub left: Option<f64>,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} questions, {:.0} s", self.done, self.total, self.seconds)?;
        self.left.map_or(Ok(()), |left| write!(f, ", about {left:.0} s left"))
    }
}

/// Labels all questions of a job, but those that its folder already holds. `progress` hears of every finished part.
///
/// # Errors
/// Whatever ends the run early says how much is kept.
pub fn label(
    workers: &Workers,
    job: &Job,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Labelled>, TrainError> {
    let run = job.run(workers);
    let store = job.folder.map(|folder| Store::open(folder, &run)).transpose()?;
    let total = job.questions.len();
    let parts = total.div_ceil(PART);
    let questions = |part: usize| part * PART..((part + 1) * PART).min(total);
    let kept = |part: &usize| store.as_ref().is_some_and(|store| store.has(*part));
    let (present, missing): (Vec<usize>, Vec<usize>) = (0..parts).partition(kept);
    let before: usize = present.iter().map(|part| questions(*part).len()).sum();
    let labeller = Labeller { rule: job.rule, device: workers.device, mixed: job.mixed, shortcut: true };
    let (begun, done) = (Instant::now(), AtomicUsize::new(before));
    let work = |models: &mut Models, index: usize| {
        let part = missing[index];
        let labelled = labeller.label(models, part * PART, &job.questions[questions(part)])?;
        if let Some(store) = &store {
            store.write(part, &job.questions[questions(part)], &labelled)?;
        }
        let done = done.fetch_add(labelled.len(), Ordering::Relaxed) + labelled.len();
        let (seconds, fresh) = (begun.elapsed().as_secs_f64(), (done - before) as f64);
        progress(Progress { done, total, seconds, left: Some(seconds / fresh * (total - done) as f64) });
        Ok(labelled)
    };
    let fresh = workers.each(missing.len(), work, &|_| {}, stop).map_err(|cause| match job.folder {
        Some(folder) => TrainError::Partly {
            cause: Box::new(cause),
            done: done.load(Ordering::Relaxed),
            total,
            folder: folder.display().to_string(),
        },
        None => cause,
    })?;
    let mut all: Vec<(usize, Vec<Labelled>)> = missing.into_iter().zip(fresh).collect();
    if let Some(store) = &store {
        for part in present {
            all.push((part, store.read(part)?));
        }
    }
    all.sort_by_key(|(part, _)| *part);
    Ok(all.into_iter().flat_map(|(_, labelled)| labelled).collect())
}

/// What labels of the same questions took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Effort {
    /// Gold states whose branches were finished and judged.
    pub rolled_out: usize,
    /// States that the models computed.
    pub steps: Steps,
    /// Seconds.
    pub seconds: f64,
}

/// What the shortcut saves, measured on some of the questions by labelling them with and without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Saving {
    /// Questions.
    pub questions: usize,
    /// Their gold states.
    pub states: usize,
    /// With the shortcut.
    pub with: Effort,
    /// Without it.
    pub without: Effort,
    /// Gold states where both prefer the same action.
    pub agreeing: usize,
}

/// Measures what the shortcut saves on `sample` questions spread evenly over the job's.
pub fn saving(
    workers: &Workers,
    job: &Job,
    sample: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Saving, TrainError> {
    let total = job.questions.len();
    let sample = sample.min(total);
    let both = |models: &mut Models, index: usize| {
        let index = index * total / sample.max(1);
        let mut label = |shortcut| {
            let labeller = Labeller { rule: job.rule, device: workers.device, mixed: false, shortcut };
            let labelled = labeller.label(models, index, std::slice::from_ref(&job.questions[index]))?;
            Ok::<_, TrainError>(labelled.into_iter().next().unwrap_or_default())
        };
        Ok((label(true)?, label(false)?))
    };
    let mut saving = Saving::default();
    for (short, long) in workers.each(sample, both, &|_| {}, stop)? {
        for (effort, labelled) in [(&mut saving.with, &short), (&mut saving.without, &long)] {
            effort.rolled_out += crate::label::Summary::of(&labelled.labels).rolled_out;
            effort.steps = effort.steps + labelled.steps;
            effort.seconds += labelled.seconds;
        }
        let states = short.labels.iter().zip(&long.labels).filter(|(a, _)| a.gold.is_some());
        saving.questions += 1;
        for (a, b) in states {
            saving.states += 1;
            saving.agreeing += usize::from(a.case.preferred() == b.case.preferred());
        }
    }
    Ok(saving)
}

impl std::fmt::Display for Saving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |part: usize| 100.0 * part as f64 / self.states.max(1) as f64;
        write!(
            f,
            "the shortcut, on {} questions: {:.1} % of {} gold states needed no roll-out; roll-outs of {} tokens instead of \
            {}, over trees {} SLM and {} LLM states computed in all instead of {} and {}; {:.2} s instead of {:.2} s; the \
            same action preferred at {:.1} % of the states",
            self.questions,
            100.0 - share(self.with.rolled_out),
            self.states,
            self.with.steps.rolled,
            self.without.steps.rolled,
            self.with.steps.slm,
            self.with.steps.llm,
            self.without.steps.slm,
            self.without.steps.llm,
            self.with.seconds,
            self.without.seconds,
            share(self.agreeing)
        )
    }
}
