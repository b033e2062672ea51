//! Measuring policies: every question is answered by the SLM, the LLM and each policy at each threshold, over one tree.

use crate::{
    error::TrainError,
    models::Models,
    oracle::{self, MOST_CALLS},
    play::Table,
    signal::{Scorer, Signal},
    sweep::{Measurement, Outcome, Sweep},
    tree::Tree,
    workers::Workers,
};
use citer_core::{Mode, TokenId};
use citer_tasks::{Question, is_correct};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Shares of critical states that thresholds are chosen for.
pub const SHARES: [f64; 12] = [0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8];

/// A policy to measure.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name in tables.
    pub name: String,
    /// What it looks at.
    pub signal: Signal,
    /// The thresholds, ascending.
    pub thresholds: Vec<f64>,
}

/// Questions whose answers by one model are decoded together.
const CHUNK: usize = 32;

/// The name of the search that knows the answer.
pub const ORACLE: &str = "oracle";

/// What an answer cost: `asked` says token by token whether the LLM made it; the prompt has `prompt` tokens.
pub fn outcome(prompt: usize, asked: impl IntoIterator<Item = bool>, right: bool) -> Outcome {
    let mut outcome = Outcome { right, prompt: prompt as u32, ..Outcome::default() };
    let mut known = 0;
    for (index, asked) in asked.into_iter().enumerate() {
        outcome.tokens += 1;
        if asked {
            let prefix = (prompt + index) as u64;
            outcome.remote += 1;
            outcome.sent += prefix;
            outcome.suffix += prefix - known;
            // The server also knows the token that it made itself.
            known = prefix + 1;
        }
    }
    outcome
}

/// One answer of a question at a threshold, with its ids.
pub fn answer(
    models: &mut Models,
    tree: &mut Tree,
    scorer: &mut Scorer,
    question: &Question,
    mode: Mode,
    threshold: f64,
) -> Result<(Outcome, Vec<TokenId>), TrainError> {
    let prompt = tree.prompt().len();
    let table = Table { models, tree, scorer };
    let answer = { table }.play(&[], mode, threshold as f32)?;
    let asked = answer.events.iter().map(|event| event.source.is_remote());
    Ok((outcome(prompt, asked, is_correct(question, &answer.text())), answer.ids()))
}

/// All outcomes of one question.
struct Played {
    slm: Outcome,
    llm: Outcome,
    policies: Vec<Vec<(Outcome, bool)>>,
    oracle: Vec<Outcome>,
}

/// Measures `policies` and, when `with_oracle`, the search that knows the answer.
pub fn measure(
    workers: &Workers,
    questions: &[Question],
    policies: &[Policy],
    with_oracle: bool,
    done: &(dyn Fn(usize) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Measurement, TrainError> {
    let one = |models: &mut Models, index: usize, tree: &mut Tree| {
        let question = &questions[index];
        let random = Signal::Random { seed: 0 };
        let mut nobody = Scorer::new(&random, index as u64, workers.device);
        let mut end =
            |mode, models: &mut Models, tree: &mut Tree| answer(models, tree, &mut nobody, question, mode, 0.0);
        let (slm, _) = end(Mode::LocalOnly, models, tree)?;
        let (llm, _) = end(Mode::RemoteOnly, models, tree)?;
        // The states of both models' own answers are the record: later states lie off it.
        let recorded = tree.states();
        let mut outcomes = Vec::with_capacity(policies.len());
        for policy in policies {
            let mut scorer = Scorer::new(&policy.signal, index as u64, workers.device);
            let mut at = |threshold: &f64| {
                let (outcome, ids) = answer(models, tree, &mut scorer, question, Mode::Router, *threshold)?;
                let diverges = tree.along(&ids).into_iter().any(|node| node >= recorded);
                Ok::<_, TrainError>((outcome, diverges))
            };
            let mut played = policy.thresholds.iter().map(&mut at).collect::<Result<Vec<_>, _>>()?;
            if let Signal::Query(_) = policy.signal {
                // A question that goes to the LLM whole is one streamed call.
                for (outcome, _) in played.iter_mut().filter(|(outcome, _)| outcome.remote > 0) {
                    outcome.sent = u64::from(outcome.prompt);
                    outcome.suffix = outcome.sent;
                }
            }
            outcomes.push(played);
        }
        let oracle = if with_oracle { oracle::outcomes(models, tree, question, workers.device)? } else { Vec::new() };
        Ok::<_, TrainError>(Played { slm, llm, policies: outcomes, oracle })
    };
    let finished = AtomicUsize::new(0);
    let play = |models: &mut Models, chunk: usize| {
        let range = chunk * CHUNK..((chunk + 1) * CHUNK).min(questions.len());
        let trees = questions[range.clone()].iter().map(|question| models.tree(&question.prompt));
        let mut trees = trees.collect::<Result<Vec<_>, _>>()?;
        models.answer(&mut trees.iter_mut().collect::<Vec<_>>())?;
        let mut played = Vec::with_capacity(CHUNK);
        for (index, tree) in range.zip(&mut trees) {
            played.push(one(models, index, tree)?);
            done(finished.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Ok(played)
    };
    let chunks = workers.each(questions.len().div_ceil(CHUNK), play, &|_| {}, stop)?;
    let played: Vec<Played> = chunks.into_iter().flatten().collect();
    let mut sweeps: Vec<Sweep> = policies
        .iter()
        .enumerate()
        .map(|(policy, Policy { name, thresholds, .. })| {
            let at = |setting: usize| played.iter().map(|p| p.policies[policy][setting].0).collect();
            let outcomes = (0..thresholds.len()).map(at).collect();
            let off = |setting: usize| played.iter().filter(|p| p.policies[policy][setting].1).count() as u64;
            let diverged = (0..thresholds.len()).map(off).collect();
            Sweep { policy: name.clone(), thresholds: thresholds.clone(), outcomes, diverged }
        })
        .collect();
    if with_oracle {
        let at = |calls: usize| played.iter().map(|p| p.oracle[calls]).collect();
        let thresholds = (0..=MOST_CALLS).map(|calls| calls as f64).collect();
        sweeps.push(Sweep {
            policy: ORACLE.into(),
            thresholds,
            outcomes: (0..=MOST_CALLS).map(at).collect(),
            diverged: Vec::new(),
        });
    }
    Ok(Measurement {
        families: questions.iter().map(|question| question.family.to_string()).collect(),
        slm: played.iter().map(|p| p.slm).collect(),
        llm: played.iter().map(|p| p.llm).collect(),
        sweeps,
    })
}

/// The thresholds at which every signal calls each share of `shares` critical, over the states of the SLM's own answers.
/// With `fixed`, a threshold of the first signal, all of them also get the one at its share, so that none is measured at a
/// better place than the others.
pub fn thresholds(
    workers: &Workers,
    questions: &[Question],
    signals: &[Signal],
    shares: &[f64],
    fixed: Option<f64>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Vec<f64>>, TrainError> {
    let scores = |models: &mut Models, index: usize| {
        let mut tree = models.tree(&questions[index].prompt)?;
        let mut all = Vec::with_capacity(signals.len());
        for signal in signals {
            let mut scorer = Scorer::new(signal, index as u64, workers.device);
            let table = Table { models, tree: &mut tree, scorer: &mut scorer };
            let answer = { table }.play(&[], Mode::Router, 0.0)?;
            all.push(answer.events.iter().map(|event| f64::from(event.score)).collect::<Vec<_>>());
        }
        Ok(all)
    };
    let questions = workers.each(questions.len(), scores, &|_| {}, stop)?;
    let ascending = |signal: usize| {
        let mut all: Vec<f64> = questions.iter().flat_map(|q| q[signal].iter().copied()).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let scores: Vec<Vec<f64>> = (0..signals.len()).map(ascending).collect();
    let mut shares = shares.to_vec();
    if let (Some(fixed), Some(first)) = (fixed, scores.first()) {
        shares.push(first.partition_point(|score| *score < fixed) as f64 / first.len().max(1) as f64);
    }
    let chosen = scores.iter().enumerate().map(|(signal, scores)| {
        let own = fixed.filter(|_| signal == 0);
        let count = shares.len() - usize::from(own.is_some());
        let quantiles = shares[..count].iter().filter_map(|share| quantile(scores, *share));
        let mut thresholds: Vec<f64> = quantiles.chain(own).collect();
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        thresholds
    });
    Ok(chosen.collect())
}

/// The smallest number that `share` of the ascending `values` lie below.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let rank = (share * values.len() as f64).round() as usize;
    values.get(rank.min(values.len().saturating_sub(1))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_sends_only_what_the_server_has_not_seen() {
        let outcome = outcome(10, [false, true, false, true, true], false);
        assert_eq!((outcome.tokens, outcome.remote, outcome.prompt, outcome.right), (5, 3, 10, false));
        // Calls at prefixes of 11, 13 and 14 tokens; after the first the server knows 12, after the second 14.
        assert_eq!(outcome.sent, 11 + 13 + 14);
        assert_eq!(outcome.suffix, 11 + 1);
    }

    #[test]
    fn quantiles_count_what_lies_below() {
        let values = [0.1, 0.2, 0.3, 0.4];
        assert_eq!(quantile(&values, 0.5), Some(0.3));
        assert_eq!(quantile(&values, 0.0), Some(0.1));
        assert_eq!(quantile(&values, 1.0), Some(0.4));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
