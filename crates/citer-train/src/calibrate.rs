//! Calibration: makes a router's score the probability it claims to be, and measures how far off it is.

use crate::{
    error::TrainError,
    fit::held_back,
    label::{Action, Label, Origin},
};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use citer_lm::Router;
use serde::{Deserialize, Serialize};

/// Platt scaling ("Probabilistic outputs for support vector machines", 1999): `sigmoid(slope * logit + shift)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Platt {
    /// Factor of the logit, the inverse temperature.
    pub slope: f64,
    /// Added to it.
    pub shift: f64,
}

/// States of similar score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Mean score.
    pub score: f64,
    /// Share of states where the SLM is preferred.
    pub share: f64,
    /// Number of states.
    pub count: usize,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Platt {
    /// Newton's method on the mean log loss with a little damping; `outcomes` says where the SLM is preferred.
    pub fn fit(logits: &[f64], outcomes: &[bool]) -> Self {
        let mut platt = Self { slope: 1.0, shift: 0.0 };
        for _ in 0..50 {
            let (mut gradient, mut hessian) = ([0.0; 2], [1e-6, 0.0, 1e-6]);
            for (x, right) in logits.iter().zip(outcomes) {
                let p = sigmoid(platt.slope * x + platt.shift);
                let (off, weight) = (p - f64::from(u8::from(*right)), p * (1.0 - p));
                gradient = [gradient[0] + off * x, gradient[1] + off];
                hessian = [hessian[0] + weight * x * x, hessian[1] + weight * x, hessian[2] + weight];
            }
            let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
            if determinant.abs() < 1e-12 {
                break;
            }
            let slope = (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant;
            let shift = (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant;
            platt.slope -= slope.clamp(-1.0, 1.0);
            platt.shift -= shift.clamp(-1.0, 1.0);
            if slope.abs() + shift.abs() < 1e-9 {
                break;
            }
        }
        // A slope that is not positive would turn the order around: leave such a router alone.
        if platt.slope > 0.0 && platt.slope.is_finite() && platt.shift.is_finite() {
            platt
        } else {
            Self { slope: 1.0, shift: 0.0 }
        }
    }

    /// Temperature scaling (Guo et al., ICML 2017): a slope alone.
    pub fn temperature(logits: &[f64], outcomes: &[bool]) -> Self {
        // The log loss falls and then rises with the slope: golden section over its logarithm.
        let loss = |log: f64| {
            let scores: Vec<f64> = logits.iter().map(|x| sigmoid(log.exp() * x)).collect();
            log_loss(&scores, outcomes)
        };
        let golden = (5f64.sqrt() - 1.0) / 2.0;
        let (mut low, mut high) = (-4.0, 4.0);
        for _ in 0..60 {
            let (a, b) = (high - golden * (high - low), low + golden * (high - low));
            if loss(a) <= loss(b) { high = b } else { low = a }
        }
        Self { slope: (0.5 * (low + high)).exp(), shift: 0.0 }
    }

    /// Calibrated scores of logits.
    pub fn scores(self, logits: &[f64]) -> Vec<f64> {
        logits.iter().map(|x| sigmoid(self.slope * x + self.shift)).collect()
    }

    /// The router whose score is calibrated: the scaling moves into its last layer.
    pub fn fold(self, router: Router) -> Router {
        let out = Param::from_tensor(router.out.val() * self.slope);
        let out_bias = Param::from_tensor(router.out_bias.val() * self.slope + self.shift);
        Router { out, out_bias, ..router }
    }
}

/// Mean log loss of scores.
pub fn log_loss(scores: &[f64], outcomes: &[bool]) -> f64 {
    let loss = |(p, right): (&f64, &bool)| -(if *right { *p } else { 1.0 - p }).max(1e-12).ln();
    scores.iter().zip(outcomes).map(loss).sum::<f64>() / scores.len().max(1) as f64
}

/// Isotonic regression (Zadrozny and Elkan, KDD 2002): the best scores that rise with the logit, found by pooling
/// neighbours that fall. It is a staircase and cannot be folded into a router; it says what a free form would win.
#[derive(Clone, Debug, PartialEq)]
pub struct Isotonic(Vec<(f64, f64)>);

impl Isotonic {
    /// Fits the staircase.
    pub fn fit(logits: &[f64], outcomes: &[bool]) -> Self {
        let mut rows: Vec<(f64, f64)> =
            logits.iter().copied().zip(outcomes.iter().map(|r| f64::from(u8::from(*r)))).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Blocks of (first logit, sum, count); a block below its forerunner is pooled with it.
        let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
        for (logit, outcome) in rows {
            let mut block = (logit, outcome, 1.0);
            while let Some(last) = blocks.last().filter(|last| last.1 / last.2 >= block.1 / block.2) {
                block = (last.0, last.1 + block.1, last.2 + block.2);
                blocks.pop();
            }
            blocks.push(block);
        }
        // No step is certain of what it saw: scores keep half a state away from 0 and 1.
        let edge = 0.5 / logits.len().max(1) as f64;
        Self(blocks.into_iter().map(|(logit, sum, count)| (logit, (sum / count).clamp(edge, 1.0 - edge))).collect())
    }

    /// Calibrated scores of logits.
    pub fn scores(&self, logits: &[f64]) -> Vec<f64> {
        let score = |x: &f64| {
            let after = self.0.partition_point(|(logit, _)| logit <= x);
            self.0.get(after.saturating_sub(1)).map_or(0.5, |(_, score)| *score)
        };
        logits.iter().map(score).collect()
    }
}

/// At most `count` bins of equal width in log odds, lowest scores first. Scores pile up near 1: bins of equal width in the
/// score, or of equal count, would put all states that routing decides on into one.
pub fn bins(scores: &[f64], outcomes: &[bool], count: usize) -> Vec<Bin> {
    let odds: Vec<f64> =
        scores.iter().map(|p| (p.clamp(1e-9, 1.0 - 1e-9) / (1.0 - p.clamp(1e-9, 1.0 - 1e-9))).ln()).collect();
    let low = odds.iter().copied().fold(f64::INFINITY, f64::min);
    let high = odds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = ((high - low) / count.max(1) as f64).max(1e-9);
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); count.max(1)];
    for (state, odds) in odds.iter().enumerate() {
        groups[(((odds - low) / width) as usize).min(count.max(1) - 1)].push(state);
    }
    let mean =
        |ids: &[usize], value: &dyn Fn(usize) -> f64| ids.iter().map(|i| value(*i)).sum::<f64>() / ids.len() as f64;
    groups
        .iter()
        .filter(|ids| !ids.is_empty())
        .map(|ids| Bin {
            score: mean(ids, &|i| scores[i]),
            share: mean(ids, &|i| f64::from(u8::from(outcomes[i]))),
            count: ids.len(),
        })
        .collect()
}

/// Expected calibration error: mean distance of score and share over the bins, weighted by their states (Naeini et al.,
/// AAAI 2015, with the bins above). Small by itself where nearly all states prefer the SLM: read it with the figure.
pub fn expected_error(bins: &[Bin]) -> f64 {
    let states: usize = bins.iter().map(|bin| bin.count).sum();
    bins.iter().map(|bin| (bin.score - bin.share).abs() * bin.count as f64).sum::<f64>() / states.max(1) as f64
}

/// How a method of calibration did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The method.
    pub method: String,
    /// Mean log loss on the states that the method is chosen by.
    pub loss: f64,
    /// Expected calibration error on the states that nothing was fitted to or chosen by.
    pub error: f64,
}

/// A calibrated router with its reliability on the held-back questions.
pub struct Calibrated {
    /// The router.
    pub router: Router,
    /// What was applied.
    pub platt: Platt,
    /// Its name.
    pub method: String,
    /// All methods, on states that they were not fitted to.
    pub tried: Vec<Tried>,
    /// Expected calibration error before.
    pub before: f64,
    /// And after.
    pub after: f64,
    /// The reliability figure after.
    pub bins: Vec<Bin>,
}

/// Bins of the reliability figure.
pub(crate) const BINS: usize = 15;

/// The methods that can be folded into a router, in the order that ties are settled by.
const METHODS: [&str; 3] = ["none", "temperature", "Platt"];

fn fitted(method: &str, logits: &[f64], outcomes: &[bool]) -> Platt {
    match method {
        "temperature" => Platt::temperature(logits, outcomes),
        "Platt" => Platt::fit(logits, outcomes),
        _ => Platt { slope: 1.0, shift: 0.0 },
    }
}

/// Calibrates `router` on the held-back questions' states, in thirds by question: one to fit the methods, one to choose
/// the method with the lowest log loss, one to measure. The chosen one is fitted again to the first two.
///
/// States that neither branch saves are left out: the score is the probability that the SLM is preferred where the
/// choice matters. The held-back questions also chose epoch and learning rate.
pub fn calibrate(router: Router, labels: &[Label], device: &Device) -> Result<Calibrated, TrainError> {
    let states = labels.iter().filter(|label| held_back(label.question) && label.origin != Origin::Prompt);
    let states: Vec<(&Label, bool)> =
        states.filter_map(|label| Some((label, label.case.preferred()? == Action::Slm))).collect();
    let third = |part: usize| -> (Vec<f64>, Vec<bool>) {
        let rows: Vec<_> = states.iter().filter(|(label, _)| label.question / 5 % 3 == part).collect();
        let Some(first) = rows.first() else { return (Vec::new(), Vec::new()) };
        let width = first.0.hidden.len();
        let inputs: Vec<f32> = rows.iter().flat_map(|(label, _)| label.hidden.iter().copied()).collect();
        let inputs = Tensor::<2>::from_data(TensorData::new(inputs, [rows.len(), width]), device);
        let logits = router.logits(inputs).into_data().iter::<f64>().collect();
        (logits, rows.iter().map(|(_, right)| *right).collect())
    };
    let [fit, choose, measure] = [0, 1, 2].map(third);
    if [&fit, &choose, &measure].iter().any(|(logits, _)| logits.is_empty()) {
        return Err(TrainError::Settings("too few labelled questions to calibrate: label at least fifteen".into()));
    }
    let tried = |method: &str, scores: &dyn Fn(&[f64]) -> Vec<f64>| Tried {
        method: method.into(),
        loss: log_loss(&scores(&choose.0), &choose.1),
        error: expected_error(&bins(&scores(&measure.0), &measure.1, BINS)),
    };
    let mut all: Vec<Tried> = METHODS
        .iter()
        .map(|method| {
            let platt = fitted(method, &fit.0, &fit.1);
            tried(method, &|logits| platt.scores(logits))
        })
        .collect();
    let best = all.iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).map_or("none", |best| best.method.as_str());
    let method = best.to_owned();
    let isotonic = Isotonic::fit(&fit.0, &fit.1);
    all.push(tried("isotonic (not folded)", &|logits| isotonic.scores(logits)));
    let both = (
        fit.0.iter().chain(&choose.0).copied().collect::<Vec<_>>(),
        fit.1.iter().chain(&choose.1).copied().collect::<Vec<_>>(),
    );
    let platt = fitted(&method, &both.0, &both.1);
    let (raw, right) = measure;
    let before = expected_error(&bins(&Platt { slope: 1.0, shift: 0.0 }.scores(&raw), &right, BINS));
    let bins = bins(&platt.scores(&raw), &right, BINS);
    Ok(Calibrated { router: platt.fold(router), platt, method, tried: all, before, after: expected_error(&bins), bins })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Outcomes whose true probability is sigmoid(0.5 x - 1).
    fn drawn(count: usize) -> (Vec<f64>, Vec<bool>) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..count)
            .map(|_| {
                let x = rng.random_range(-6.0..6.0);
                (x, rng.random::<f64>() < sigmoid(0.5 * x - 1.0))
            })
            .unzip()
    }

    #[test]
    fn platt_scaling_finds_the_true_curve() {
        let (logits, outcomes) = drawn(20_000);
        let platt = Platt::fit(&logits, &outcomes);
        assert!((platt.slope - 0.5).abs() < 0.03 && (platt.shift + 1.0).abs() < 0.06, "{platt:?}");
        let raw: Vec<f64> = logits.iter().map(|x| sigmoid(*x)).collect();
        let better: Vec<f64> = logits.iter().map(|x| sigmoid(platt.slope * x + platt.shift)).collect();
        let error = |scores: &[f64]| expected_error(&bins(scores, &outcomes, 15));
        assert!(error(&raw) > 0.1 && error(&better) < 0.02, "{} {}", error(&raw), error(&better));
    }

    #[test]
    fn one_sided_outcomes_leave_finite_numbers_and_the_order() {
        let platt = Platt::fit(&[1.0, 2.0, 3.0], &[true, true, true]);
        assert!(platt.slope > 0.0 && platt.slope.is_finite() && platt.shift.is_finite(), "{platt:?}");
        let turned = Platt::fit(&[-3.0, -2.0, 2.0, 3.0, 2.5], &[true, true, false, false, true]);
        assert_eq!(turned, Platt { slope: 1.0, shift: 0.0 });
    }

    #[test]
    fn a_folded_router_scores_as_the_scaling_says() {
        let device = citer_lm::device::cpu();
        let router = Router::random(4, 3, &device);
        let inputs = Tensor::<2>::from_data(TensorData::new(vec![0.3f32, -1.0, 0.7, 2.0], [1, 4]), &device);
        let value = |router: &Router| router.logits(inputs.clone()).into_data().iter::<f64>().next().unwrap();
        let platt = Platt { slope: 2.0, shift: -0.5 };
        let expected = 2.0 * value(&router) - 0.5;
        assert!((value(&platt.fold(router)) - expected).abs() < 1e-5);
    }

    #[test]
    fn bins_keep_scores_near_one_apart() {
        let bins = bins(&[0.5, 0.5, 0.9999, 0.999999], &[true, false, true, true], 4);
        assert_eq!(bins.iter().map(|bin| (bin.count, bin.share)).collect::<Vec<_>>(), [(2, 0.5), (1, 1.0), (1, 1.0)]);
        assert!(expected_error(&bins) < 1e-4 && super::bins(&[], &[], 4).is_empty());
    }

    #[test]
    fn temperature_finds_the_slope_and_leaves_the_shift() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (logits, outcomes): (Vec<f64>, Vec<bool>) = (0..20_000)
            .map(|_| {
                let x = rng.random_range(-6.0..6.0);
                (x, rng.random::<f64>() < sigmoid(0.4 * x))
            })
            .unzip();
        let platt = Platt::temperature(&logits, &outcomes);
        assert!((platt.slope - 0.4).abs() < 0.02 && platt.shift == 0.0, "{platt:?}");
    }

    #[test]
    fn isotonic_scores_never_fall_and_follow_any_rising_form() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        // A step, which no slope and shift can follow.
        let truth = |x: f64| if x < 0.0 { 0.2 } else { 0.9 };
        let (logits, outcomes): (Vec<f64>, Vec<bool>) = (0..4000)
            .map(|_| {
                let x = rng.random_range(-3.0..3.0);
                (x, rng.random::<f64>() < truth(x))
            })
            .unzip();
        let isotonic = Isotonic::fit(&logits, &outcomes);
        let scores = isotonic.scores(&[-5.0, -2.0, -0.5, 0.5, 2.0, 5.0]);
        assert!(scores.is_sorted(), "{scores:?}");
        assert!((scores[1] - 0.2).abs() < 0.1 && (scores[4] - 0.9).abs() < 0.1, "{scores:?}");
        let loss = |scores: Vec<f64>| log_loss(&scores, &outcomes);
        assert!(loss(isotonic.scores(&logits)) < loss(Platt::fit(&logits, &outcomes).scores(&logits)));
    }
}
