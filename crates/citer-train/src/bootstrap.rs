//! Intervals of figures that are read off curves: a seeded bootstrap over questions.
//!
//! Every resample draws as many questions as there are, with replacement, and gives all policies the same questions.
//! So a difference of two policies gets the interval of the paired difference. Intervals are percentile intervals
//! (Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13).

use crate::curve::Line;
use crate::error::TrainError;
use crate::sweep::{Measurement, Outcome};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Resamples of a report.
pub const RESAMPLES: usize = 1000;

/// A figure with its 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// On the questions as measured.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Part of the resamples in which the figure existed, 0 to 1; a bound means little where this is far from 1.
    pub defined: f64,
}

/// The lines of all policies, as measured and in every resample.
pub struct Bootstrap {
    measured: Vec<Line>,
    resampled: Vec<Vec<Line>>,
}

impl Bootstrap {
    /// Draws `resamples` times from the questions with the indices in `questions`; lines are in the order of
    /// `measurement.sweeps`.
    pub fn new(
        measurement: &Measurement,
        questions: &[usize],
        resamples: usize,
        seed: u64,
    ) -> Result<Self, TrainError> {
        if questions.is_empty() || resamples == 0 {
            return Err(TrainError::Settings("a bootstrap needs questions and resamples".into()));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut weights = vec![0u64; measurement.families.len()];
        questions.iter().for_each(|&i| weights[i] += 1);
        let measured = lines(measurement, &weights);
        let resampled = (0..resamples).map(|_| {
            weights.fill(0);
            (0..questions.len()).for_each(|_| weights[questions[rng.random_range(0..questions.len())]] += 1);
            lines(measurement, &weights)
        });
        let resampled = resampled.collect();
        Ok(Self { measured, resampled })
    }

    /// The interval of a figure of the lines; none where the figure does not exist on the questions as measured.
    pub fn interval(&self, figure: impl Fn(&[Line]) -> Option<f64>) -> Option<Interval> {
        let value = figure(&self.measured)?;
        let mut drawn: Vec<f64> = self.resampled.iter().filter_map(|lines| figure(lines)).collect();
        drawn.sort_by(f64::total_cmp);
        let defined = drawn.len() as f64 / self.resampled.len() as f64;
        Some(Interval { value, low: quantile(&drawn, 0.025)?, high: quantile(&drawn, 0.975)?, defined })
    }
}

/// The quantile of sorted values, interpolated between neighbours (Hyndman and Fan 1996, definition 7).
fn quantile(sorted: &[f64], at: f64) -> Option<f64> {
    let place = at * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (*sorted.get(place.floor() as usize)?, *sorted.get(place.ceil() as usize)?);
    Some(low + (high - low) * place.fract())
}

/// One line a policy; `weights[question]` says how often a question counts.
fn lines(measurement: &Measurement, weights: &[u64]) -> Vec<Line> {
    let point = |outcomes: &[Outcome]| {
        let (mut right, mut questions, mut remote, mut tokens) = (0, 0, 0, 0);
        for (o, weight) in outcomes.iter().zip(weights) {
            right += weight * u64::from(o.right);
            questions += weight;
            remote += weight * u64::from(o.remote);
            tokens += weight * u64::from(o.tokens);
        }
        (remote as f64 / tokens.max(1) as f64, right as f64 / questions.max(1) as f64)
    };
    let ends = (point(&measurement.slm).1, point(&measurement.llm).1);
    let policy = |outcomes: &[Vec<Outcome>]| Line::new(ends, outcomes.iter().map(|o| point(o)).collect());
    measurement.sweeps.iter().map(|sweep| policy(&sweep.outcomes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Curve;
    use crate::sweep::Sweep;

    /// The LLM is right on 60 of 100 questions, the SLM on 20 of those; policy `good` on 50 and `bad` on 40 at 10 %.
    fn measurement() -> Measurement {
        let list = |right: usize, remote| -> Vec<Outcome> {
            (0..100).map(|i| Outcome { right: i < right, tokens: 10, remote, ..Outcome::default() }).collect()
        };
        let sweep = |policy: &str, right| Sweep {
            policy: policy.into(),
            thresholds: vec![0.5],
            outcomes: vec![list(right, 1)],
            diverged: Vec::new(),
        };
        Measurement {
            families: vec!["a".into(); 100],
            slm: list(20, 0),
            llm: list(60, 10),
            sweeps: vec![sweep("good", 50), sweep("bad", 40)],
        }
    }

    fn bootstrap(seed: u64) -> Bootstrap {
        let m = measurement();
        Bootstrap::new(&m, &m.questions(None), RESAMPLES, seed).unwrap()
    }

    #[test]
    fn an_accuracy_gets_the_interval_of_a_binomial() {
        // Normal approximation: 0.6 +- 1.96 * sqrt(0.6 * 0.4 / 100) = 0.504 to 0.696.
        let llm = bootstrap(1).interval(|lines| Some(lines[0].last())).unwrap();
        assert_eq!((llm.value, llm.defined), (0.6, 1.0));
        assert!((llm.low - 0.504).abs() < 0.02 && (llm.high - 0.696).abs() < 0.02, "{llm:?}");
    }

    #[test]
    fn a_difference_is_paired_and_so_narrower_than_its_parts() {
        // The policies differ on exactly ten questions, always one way: 0.1 +- 1.96 * sqrt(0.1 * 0.9 / 100).
        let difference = |lines: &[Line]| Some(lines[0].accuracy_at(0.1) - lines[1].accuracy_at(0.1));
        let paired = bootstrap(1).interval(difference).unwrap();
        assert!((paired.value - 0.1).abs() < 1e-12 && paired.low > 0.0, "{paired:?}");
        assert!((paired.high - paired.low - 0.1176).abs() < 0.025, "{paired:?}");
    }

    #[test]
    fn a_seed_gives_the_same_interval_and_the_measured_value_is_the_curves() {
        let area = |lines: &[Line]| Some(lines[1].area(0.2));
        assert_eq!(bootstrap(7).interval(area), bootstrap(7).interval(area));
        assert_ne!(bootstrap(7).interval(area), bootstrap(8).interval(area));
        let m = measurement();
        let curve = Curve::new(&m, &m.sweeps[1], &m.questions(None));
        assert_eq!(bootstrap(7).interval(area).unwrap().value, curve.line().area(0.2));
    }

    #[test]
    fn a_figure_that_exists_in_some_resamples_says_in_how_many() {
        let half = bootstrap(1).interval(|lines| (lines[0].last() >= 0.6).then_some(1.0)).unwrap();
        assert!(half.defined > 0.4 && half.defined < 0.7, "{half:?}");
        assert!(bootstrap(1).interval(|lines| lines[0].share_at(0.99)).is_none());
    }
}
