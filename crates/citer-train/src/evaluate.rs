//! Evaluation: accuracy and remote share of the SLM alone, the routed pair and the LLM alone.

use crate::{
    error::TrainError,
    interval::Share,
    teacher::{Nobody, Teacher},
};
use burn::tensor::Device;
use citer_core::{LocalModel, Mode, RemoteModel, RoutedDecoder, Settings, Split, StopFlag};
use citer_lm::{Engine, LlmFiles, SlmFiles, pair::LLM};
use citer_tasks::{Family, Question, is_correct};
use futures::executor::block_on;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

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

/// The three ways side by side, on the same questions.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Questions a family.
    pub per_family: usize,
    /// The router's threshold.
    pub threshold: f32,
    /// The SLM alone.
    pub slm: Score,
    /// SLM, router and LLM.
    pub routed: Score,
    /// The LLM alone.
    pub llm: Score,
}

/// The two engines of a pair in this process.
pub struct Pair {
    slm: Engine,
    llm: LlmFiles,
    teacher: Teacher,
    device: Device,
}

impl Pair {
    /// Loads both models and the router from a pair's folder; returns the card's threshold too.
    pub fn load(folder: &Path, device: &Device) -> Result<(Self, f32), TrainError> {
        let (slm, card) = SlmFiles::read(folder)?.engine(usize::MAX, device, None)?;
        Ok((Self::new(slm, LlmFiles::read(folder, LLM)?, device)?, card.threshold))
    }

    /// Puts an SLM (with its router) and an LLM together.
    pub fn new(slm: Engine, llm: LlmFiles, device: &Device) -> Result<Self, TrainError> {
        let teacher = Teacher::new(llm.engine(usize::MAX, device)?);
        Ok(Self { slm, llm, teacher, device: device.clone() })
    }

    /// The pair at `threshold`.
    pub fn routed(&mut self, questions: &[Question], threshold: f32) -> Result<Score, TrainError> {
        measure(&mut self.slm, &mut self.teacher, Mode::Router, threshold, questions)
    }

    /// All three ways.
    pub fn report(
        &mut self,
        questions: &[Question],
        threshold: f32,
        report: &mut dyn FnMut(&str),
    ) -> Result<Report, TrainError> {
        report("SLM alone");
        let slm = measure(&mut self.slm, &mut Nobody, Mode::LocalOnly, 0.0, questions)?;
        report("routed");
        let routed = self.routed(questions, threshold)?;
        report("LLM alone");
        let llm = alone(&self.llm, questions, &self.device)?;
        Ok(Report { per_family: questions.len() / Family::ALL.len(), threshold, slm, routed, llm })
    }
}

/// One model alone, without router.
pub fn alone(files: &LlmFiles, questions: &[Question], device: &Device) -> Result<Score, TrainError> {
    let mut engine = files.engine(usize::MAX, device)?;
    measure(&mut engine, &mut Nobody, Mode::LocalOnly, 0.0, questions)
}

/// Answers every question and counts.
fn measure<R: RemoteModel>(
    local: &mut Engine,
    remote: &mut R,
    mode: Mode,
    threshold: f32,
    questions: &[Question],
) -> Result<Score, TrainError> {
    let mut decoder = RoutedDecoder::new();
    let mut split = Split::default();
    let mut families: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for question in questions {
        let prompt = local.format().question(local.tokenizer(), &question.prompt)?;
        let room = local.capacity().saturating_sub(prompt.len());
        let settings = Settings { mode, threshold, max_tokens: 120.min(room), ..Settings::default() };
        let stop = StopFlag::default();
        let answer = decoder.answer(local, remote, &prompt, &settings, &stop, |event| split.add(event));
        let answer = block_on(answer).map_err(|e| TrainError::Decode(e.to_string()))?;
        let (right, total) = families.entry(question.family.to_string()).or_default();
        *right += u64::from(is_correct(question, &answer.text()));
        *total += 1;
    }
    let (right, total) = families.values().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    let families = families.into_iter().map(|(name, (right, total))| (name, Share::new(right, total))).collect();
    let remote = Share::new(split.remote + split.agreed, split.tokens());
    Ok(Score { accuracy: Share::new(right, total), families, remote })
}

/// The threshold at which the pair's remote share comes closest to `target` without exceeding it, with that share.
///
/// Decodes `questions` at ten thresholds chosen by bisection: the share never falls as the threshold rises, but for
/// the changed continuations.
pub fn threshold_for_share(
    pair: &mut Pair,
    questions: &[Question],
    target: f64,
    report: &mut dyn FnMut(String),
) -> Result<(f32, f64), TrainError> {
    let (mut low, mut high) = (0.0f32, 1.0f32);
    let mut best = (0.0, 0.0);
    for _ in 0..10 {
        let middle = 0.5 * (low + high);
        let score = pair.routed(questions, middle)?;
        report(format!("threshold {middle:.4}: {} remote, {} right", score.remote, score.accuracy));
        if score.remote.value <= target {
            low = middle;
            best = (middle, score.remote.value);
        } else {
            high = middle;
        }
    }
    Ok(best)
}
