//! Fitting a router to labelled states: CITER's preference objective, its cost-weighted form, and the rivals'.
//!
//! With two actions the Bradley-Terry preference loss of the paper is binary cross-entropy on the preferred action.

use crate::{
    calibrate::{Platt, log_loss},
    cost::{Prices, Wire},
    error::TrainError,
    label::{Action, Case, Label, Origin},
};
use burn::module::{Module, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData, activation::log_sigmoid, activation::sigmoid};
use citer_lm::Router;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

const BATCH: usize = 256;
const EPOCHS: usize = 40;
const PATIENCE: usize = 4;
/// Learning rates tried in turn, with and without class balance; the lowest held-back loss stays.
const RATES: [f64; 3] = [3e-4, 1e-3, 3e-3];

/// What a router is fitted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// Bradley-Terry over the preferred action, long-term cases included (CITER, arXiv 2502.01976).
    Preference,
    /// The first round without the long-term case: where both tokens are wrong the cheaper SLM is preferred (CITER-S).
    ShortTerm,
    /// Expected answer quality less lambda times the LLM's cost: a policy gradient over two actions in closed form.
    Reward {
        /// What a unit of cost is worth, in right answers.
        lambda: f32,
        /// What is counted.
        charge: Charge,
    },
    /// The gold token's likelihood under a latent switch between the models (Co-LLM, arXiv 2403.03870).
    Latent,
    /// Preference over whole answers at the prompt's end (query-level, as RouteLLM, arXiv 2406.18665).
    Query,
}

/// What a token of the LLM costs in the reward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Charge {
    /// Its share of the answer's tokens, so that an answer made by the LLM alone costs 1.
    Share,
    /// Bytes on the network, without a session.
    Bytes(Wire),
    /// US dollars, without a session.
    Usd(Prices),
}

impl Charge {
    /// The cost of one LLM token at a state.
    pub fn of(self, label: &Label) -> f64 {
        match self {
            Self::Share => 1.0 / label.length.max(1) as f64,
            Self::Bytes(wire) => wire.call + wire.token * (label.prefix + 1) as f64,
            Self::Usd(prices) => (label.prefix as f64 * prices.prompt + prices.output) / 1e6,
        }
    }
}

/// A state as the loss sees it: two numbers whose meaning the objective sets.
#[derive(Clone)]
struct Row<'a> {
    question: usize,
    hidden: &'a [f32],
    values: [f32; 2],
}

impl Objective {
    /// The states this objective learns from. Preferences are +1 for the SLM and -1 for the LLM, then a weight.
    fn row(self, label: &Label) -> Option<[f32; 2]> {
        let sign = |action| [if action == Action::Slm { 1.0 } else { -1.0 }, 1.0];
        let whole = label.origin == Origin::Prompt;
        match self {
            Self::Query => whole.then(|| label.case.preferred().map(sign)).flatten(),
            _ if whole => None,
            Self::Preference => label.case.preferred().map(sign),
            Self::ShortTerm => {
                let used = label.origin == Origin::Gold && label.case.preferred().is_some();
                used.then(|| sign(if label.case == Case::OnlyLlmRight { Action::Llm } else { Action::Slm }))
            }
            Self::Reward { lambda, charge } => {
                let [slm, llm] = label.case.quality();
                Some([slm - (llm - lambda * charge.of(label) as f32), 0.0])
            }
            // Where a server did not tell how likely the LLM's gold token is there is nothing to learn from.
            Self::Latent => {
                let told = label.origin == Origin::Gold && label.chances.iter().all(|chance| chance.is_finite());
                told.then_some(label.chances)
            }
        }
    }

    /// Whether it learns from preferences, which classes can be balanced for.
    fn is_preference(self) -> bool {
        matches!(self, Self::Preference | Self::ShortTerm | Self::Query)
    }

    /// Mean loss over the rows; `logits` and the columns of `values` are `[rows, 1]`.
    fn loss(self, logits: Tensor<2>, values: Tensor<2>) -> Tensor<1> {
        let rows = values.dims()[0];
        let first = values.clone().slice([0..rows, 0..1]);
        match self {
            Self::Preference | Self::ShortTerm | Self::Query => {
                let weight = values.slice([0..rows, 1..2]);
                (log_sigmoid(logits * first) * weight).mean().neg()
            }
            Self::Reward { .. } => (sigmoid(logits) * first).mean().neg(),
            Self::Latent => {
                let share = sigmoid(logits);
                let second = values.slice([0..rows, 1..2]);
                (share.clone() * first + (share.neg() + 1.0) * second + 1e-6).log().mean().neg()
            }
        }
    }
}

/// A fitted router with how it did.
pub struct Fitted {
    /// The router of the best epoch, ready for raw hidden states.
    pub router: Router,
    /// Mean loss on the held-back questions; of preferences after Platt scaling, so that balanced and unbalanced classes
    /// compare.
    pub loss: f64,
    /// The best epoch, from 1.
    pub epoch: usize,
    /// The learning rate it was found at.
    pub rate: f64,
    /// Whether both preferences weighed the same in all.
    pub balanced: bool,
}

/// Weighs rows so that both preferences weigh the same in all.
fn balance(rows: &mut [Row]) {
    let count = |slm: bool| rows.iter().filter(|row| (row.values[0] > 0.0) == slm).count();
    let (slm, llm, all) = (count(true), count(false), rows.len());
    for row in rows {
        let class = if row.values[0] > 0.0 { slm } else { llm };
        row.values[1] = all as f32 / (2 * class.max(1)) as f32;
    }
}

/// Mean and deviation of every feature.
#[derive(Clone)]
struct Scale {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Scale {
    fn of(labels: &[&Row], width: usize) -> Self {
        let count = labels.len().max(1) as f32;
        let mean: Vec<f32> = (0..width).map(|i| labels.iter().map(|l| l.hidden[i]).sum::<f32>() / count).collect();
        let square = |i: usize| labels.iter().map(|l| (l.hidden[i] - mean[i]).powi(2)).sum::<f32>() / count;
        let deviation = (0..width).map(|i| square(i).sqrt().max(1e-4)).collect();
        Self { mean, deviation }
    }

    fn apply(&self, hidden: &[f32]) -> impl Iterator<Item = f32> {
        hidden.iter().zip(&self.mean).zip(&self.deviation).map(|((h, m), d)| (h - m) / d)
    }

    /// Moves the scaling into the first layer, so that the router reads raw hidden states.
    fn fold(&self, router: Router, device: &Device) -> Router {
        let width = self.mean.len();
        let column = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [width, 1]), device);
        let hidden = router.hidden.val() / column(self.deviation.clone());
        let shift = (hidden.clone() * column(self.mean.clone())).sum_dim(0).reshape([2 * width]);
        let bias = router.hidden_bias.val() - shift;
        Router { hidden: Param::from_tensor(hidden), hidden_bias: Param::from_tensor(bias), ..router }
    }
}

/// The order of `count` rows in an epoch.
fn order(count: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch as u64);
    let mut rows: Vec<usize> = (0..count).collect();
    rows.shuffle(&mut rng);
    rows
}

/// Whether a question is held back to choose epoch and learning rate, and to calibrate: one in five, by question.
pub fn held_back(question: usize) -> bool {
    question % 5 == 4
}

/// Fits a router to the labels that `objective` learns from, at every learning rate in turn.
pub fn fit(
    labels: &[Label],
    objective: Objective,
    seed: u64,
    device: &Device,
    report: &mut dyn FnMut(String),
) -> Result<Fitted, TrainError> {
    let rows = labels.iter().filter_map(|label| {
        let values = objective.row(label)?;
        Some(Row { question: label.question, hidden: &label.hidden, values })
    });
    let (held, used): (Vec<Row>, Vec<Row>) = rows.partition(|row| held_back(row.question));
    if held.is_empty() || used.is_empty() {
        return Err(TrainError::Settings("too few labelled questions to hold some back: label at least ten".into()));
    }
    let width = used[0].hidden.len();
    let mut balanced_rows = used.clone();
    balance(&mut balanced_rows);
    let held: Vec<&Row> = held.iter().collect();
    let mut best: Option<(Fitted, Scale)> = None;
    for (balanced, rows) in [(false, &used), (true, &balanced_rows)] {
        if balanced && !objective.is_preference() {
            continue;
        }
        let used: Vec<&Row> = rows.iter().collect();
        let data = Data { held: held.clone(), scale: Scale::of(&used, width), used, width, objective };
        for rate in RATES {
            let fitted = Fitted { balanced, ..data.run(rate, seed, device)? };
            let how = if balanced { ", balanced" } else { "" };
            report(format!("learning rate {rate}{how}: held-back loss {:.4} at epoch {}", fitted.loss, fitted.epoch));
            if best.as_ref().is_none_or(|(b, _)| fitted.loss < b.loss || b.loss.is_nan()) {
                best = Some((fitted, data.scale.clone()));
            }
        }
    }
    let (best, scale) = best.ok_or_else(|| TrainError::Settings("no learning rate was tried".into()))?;
    Ok(Fitted { router: scale.fold(best.router, device), ..best })
}

/// What all learning rates share.
struct Data<'a> {
    held: Vec<&'a Row<'a>>,
    used: Vec<&'a Row<'a>>,
    scale: Scale,
    width: usize,
    objective: Objective,
}

impl Data<'_> {
    fn tensors(&self, rows: &[&Row], device: &Device) -> (Tensor<2>, Tensor<2>) {
        let inputs: Vec<f32> = rows.iter().flat_map(|row| self.scale.apply(row.hidden)).collect();
        let values: Vec<f32> = rows.iter().flat_map(|row| row.values).collect();
        (
            Tensor::from_data(TensorData::new(inputs, [rows.len(), self.width]), device),
            Tensor::from_data(TensorData::new(values, [rows.len(), 2]), device),
        )
    }

    /// One learning rate: shuffled anew every epoch, the best epoch's weights kept, early stop.
    fn run(&self, rate: f64, seed: u64, device: &Device) -> Result<Fitted, TrainError> {
        let training = device.clone().autodiff();
        let (held_inputs, held_values) = self.tensors(&self.held, device);
        let mut router = Router::random(self.width, seed, &training);
        let mut optimizer = AdamWConfig::new().with_weight_decay(0.01).init();
        let mut best: Option<Fitted> = None;
        for epoch in 1..=EPOCHS {
            let rows: Vec<&Row> = order(self.used.len(), seed, epoch).into_iter().map(|row| self.used[row]).collect();
            for rows in rows.chunks(BATCH) {
                let (inputs, values) = self.tensors(rows, &training);
                let loss = self.objective.loss(router.logits(inputs), values);
                let gradients = GradientsParams::from_grads(loss.backward(), &router);
                router = optimizer.step(rate, router, gradients);
            }
            // `valid` copies the weights out of the training graph: later steps cannot change what is kept.
            let snapshot = router.valid();
            let loss = self.held_loss(snapshot.logits(held_inputs.clone()), held_values.clone());
            if best.as_ref().is_none_or(|b| loss < b.loss || b.loss.is_nan()) {
                best = Some(Fitted { router: snapshot, loss, epoch, rate, balanced: false });
            } else if best.as_ref().is_some_and(|b| epoch - b.epoch >= PATIENCE) {
                break;
            }
        }
        best.ok_or_else(|| TrainError::Settings("no epoch ran".into()))
    }

    /// The loss that epochs and learning rates are compared by.
    fn held_loss(&self, logits: Tensor<2>, values: Tensor<2>) -> f64 {
        if self.objective.is_preference() {
            let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
            let outcomes: Vec<bool> = self.held.iter().map(|row| row.values[0] > 0.0).collect();
            return log_loss(&Platt::fit(&logits, &outcomes).scores(&logits), &outcomes);
        }
        self.objective.loss(logits, values).into_data().iter::<f64>().next().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States whose first feature alone decides, far from zero and on another scale than the rest.
    fn labels(count: usize) -> Vec<Label> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut next = || rand::RngExt::random::<f32>(&mut rng);
        (0..count)
            .map(|i| {
                let critical = next() < 0.3;
                let hidden = vec![if critical { 50.0 } else { 52.0 } + next(), next(), next() * 0.01, next()];
                let case = if critical { Case::OnlyLlmRight } else { Case::SlmRight };
                label(i / 4, i % 4, hidden, case)
            })
            .collect()
    }

    fn label(question: usize, depth: usize, hidden: Vec<f32>, case: Case) -> Label {
        Label {
            question,
            depth,
            prefix: 10 + depth,
            length: 4,
            origin: Origin::Gold,
            hidden,
            case,
            gold: Some(1),
            slm: (1, 0.5),
            llm: (1, 0.5),
            chances: [0.5; 2],
        }
    }

    #[test]
    fn it_learns_what_decides_and_reads_raw_states() {
        let device = citer_lm::device::cpu();
        let labels = labels(6000);
        let fitted = fit(&labels, Objective::Preference, 1, &device, &mut |_| {}).unwrap();
        let inputs: Vec<f32> = labels.iter().flat_map(|l| l.hidden.clone()).collect();
        let inputs = Tensor::<2>::from_data(TensorData::new(inputs, [labels.len(), 4]), &device);
        let logits: Vec<f32> = fitted.router.logits(inputs).into_data().iter::<f32>().collect();
        let right = labels.iter().zip(&logits).filter(|(l, s)| (l.case == Case::SlmRight) == (**s > 0.0)).count();
        assert!(right as f64 > 0.98 * labels.len() as f64, "{right} of {}", labels.len());
        assert!(fitted.loss < 0.1, "{}", fitted.loss);
    }

    #[test]
    fn the_same_seed_gives_the_same_router() {
        let device = citer_lm::device::cpu();
        let labels = labels(300);
        let run = |seed| fit(&labels, Objective::Preference, seed, &device, &mut |_| {}).unwrap().loss;
        assert_eq!(run(5).to_bits(), run(5).to_bits());
        assert_ne!(run(5).to_bits(), run(6).to_bits());
    }

    fn held_loss(fitted: &Fitted, labels: &[Label]) -> f64 {
        let held: Vec<&Label> =
            labels.iter().filter(|l| held_back(l.question) && l.case.preferred().is_some()).collect();
        let inputs: Vec<f32> = held.iter().flat_map(|l| l.hidden.clone()).collect();
        let width = held[0].hidden.len();
        let device = citer_lm::device::cpu();
        let inputs = Tensor::<2>::from_data(TensorData::new(inputs, [held.len(), width]), &device);
        let logits: Vec<f64> = fitted.router.logits(inputs).into_data().iter::<f64>().collect();
        let outcomes: Vec<bool> = held.iter().map(|l| l.case.preferred() == Some(Action::Slm)).collect();
        log_loss(&Platt::fit(&logits, &outcomes).scores(&logits), &outcomes)
    }

    /// Noise that can only be learnt by heart, so that later epochs are worse on held-back questions.
    fn noise(count: usize) -> Vec<Label> {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut next = || rand::RngExt::random::<f32>(&mut rng);
        (0..count)
            .map(|i| {
                let hidden = (0..24).map(|_| next()).collect();
                let case = if next() < 0.4 { Case::OnlyLlmRight } else { Case::SlmRight };
                label(i, 0, hidden, case)
            })
            .collect()
    }

    #[test]
    fn the_router_kept_is_the_best_epochs_and_not_the_last_ones() {
        let (labels, device, objective) = (noise(600), citer_lm::device::cpu(), Objective::Preference);
        fn row(l: &Label) -> Row<'_> {
            Row { question: 0, hidden: &l.hidden, values: Objective::Preference.row(l).unwrap() }
        }
        let rows: Vec<Row> = labels.iter().map(row).collect();
        let side = |held: bool| -> Vec<&Row> {
            let of_side = labels.iter().zip(&rows).filter(|(label, _)| held_back(label.question) == held);
            of_side.map(|(_, row)| row).collect()
        };
        let (held, used) = (side(true), side(false));
        let data = Data { scale: Scale::of(&used, 24), held, used, width: 24, objective };
        // Fast enough to learn the noise by heart: the last epochs are far worse than the best one.
        let best = data.run(0.03, 1, &device).unwrap();
        assert!(best.epoch + PATIENCE <= EPOCHS, "noise must not improve to the end");
        let kept = Fitted { router: data.scale.fold(best.router, &device), ..best };
        let loss = held_loss(&kept, &labels);
        assert!((loss - kept.loss).abs() < 1e-4, "it has {loss}, its best epoch had {}", kept.loss);
    }

    #[test]
    fn a_last_batch_of_one_row_trains_and_no_question_is_on_both_sides() {
        // 257 rows to learn from: one batch and a row.
        let labels: Vec<Label> = noise(400).into_iter().filter(|l| !held_back(l.question)).take(BATCH + 1).collect();
        let held = noise(400).into_iter().filter(|l| held_back(l.question));
        let labels: Vec<Label> = labels.into_iter().chain(held).collect();
        assert_eq!(labels.iter().filter(|l| !held_back(l.question)).count() % BATCH, 1);
        let fitted = fit(&labels, Objective::Preference, 1, &citer_lm::device::cpu(), &mut |_| {}).unwrap();
        assert!(fitted.loss.is_finite());
        // States of one question share its side: the side is a function of the question alone.
        let several: Vec<Label> = (0..40).map(|i| label(i / 4, i % 4, vec![0.5; 3], Case::SlmRight)).collect();
        for question in 0..10 {
            let sides = several.iter().filter(|l| l.question == question).map(|l| held_back(l.question));
            let sides: std::collections::BTreeSet<bool> = sides.collect();
            assert_eq!(sides.len(), 1);
        }
    }

    #[test]
    fn every_epoch_has_another_order_that_the_seed_repeats() {
        assert_eq!(order(50, 1, 2), order(50, 1, 2));
        assert!(order(50, 1, 2) != order(50, 1, 3) && order(50, 1, 2) != order(50, 2, 2));
        let mut rows = order(50, 1, 2);
        rows.sort_unstable();
        assert_eq!(rows, (0..50).collect::<Vec<_>>(), "no row is left out or seen twice");
    }

    #[test]
    fn balance_gives_both_preferences_the_same_weight() {
        let labels = labels(500);
        let row = |l| Some(Row { question: 0, hidden: &[], values: Objective::Preference.row(l)? });
        let mut rows: Vec<Row> = labels.iter().filter_map(row).collect();
        balance(&mut rows);
        let weight = |slm: bool| rows.iter().filter(|r| (r.values[0] > 0.0) == slm).map(|r| r.values[1]).sum::<f32>();
        assert!((weight(true) - 250.0).abs() < 0.1 && (weight(false) - 250.0).abs() < 0.1);
    }

    #[test]
    fn rewards_pay_for_share_bytes_and_money_as_stated() {
        let label = label(0, 5, vec![], Case::OnlyLlmRight);
        let wire = Wire { call: 100.0, token: 2.0 };
        let prices = Prices { prompt: 2.0, cached: 1.0, output: 10.0 };
        // Four tokens in the answer, fifteen before the state.
        assert_eq!(Charge::Share.of(&label), 0.25);
        assert_eq!(Charge::Bytes(wire).of(&label), 132.0);
        assert!((Charge::Usd(prices).of(&label) - 40e-6).abs() < 1e-15);
        let reward = |lambda| Objective::Reward { lambda, charge: Charge::Share }.row(&label).unwrap()[0];
        assert_eq!((reward(0.0), reward(4.0), reward(8.0)), (-1.0, 0.0, 1.0), "what costs more than it wins is left");
    }

    #[test]
    fn a_dearer_llm_is_asked_less() {
        let device = citer_lm::device::cpu();
        let labels = labels(1500);
        let inputs: Vec<f32> = labels.iter().flat_map(|l| l.hidden.clone()).collect();
        let asked = |lambda| {
            let objective = Objective::Reward { lambda, charge: Charge::Share };
            let router = fit(&labels, objective, 1, &device, &mut |_| {}).unwrap().router;
            let inputs = Tensor::<2>::from_data(TensorData::new(inputs.clone(), [labels.len(), 4]), &device);
            router.logits(inputs).into_data().iter::<f32>().filter(|logit| *logit < 0.0).count()
        };
        let (cheap, dear) = (asked(0.4), asked(8.0));
        assert!(cheap > 300 && dear == 0, "{cheap} and {dear} of {}", labels.len());
    }
}
