//! Fitting a router to labelled states: CITER's preference objective, its cost-weighted form, and the rivals'.
//!
//! With two actions the Bradley-Terry preference loss of the paper is binary cross-entropy on the preferred action.

use crate::{
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
/// Tried in turn; the one with the lowest held-back loss stays.
const RATES: [f64; 3] = [3e-4, 1e-3, 3e-3];

/// What a router is fitted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// Bradley-Terry over the preferred action, long-term cases included (CITER, arXiv 2502.01976).
    Preference,
    /// The first round without the long-term case: where both tokens are wrong the cheaper SLM is preferred (CITER-S).
    ShortTerm,
    /// Expected answer quality less the LLM's cost, a policy gradient over two actions in closed form.
    Reward {
        /// What one LLM token costs, in right answers.
        cost: f32,
    },
    /// The gold token's likelihood under a latent switch between the models (Co-LLM, arXiv 2403.03870).
    Latent,
    /// Preference over whole answers at the prompt's end (query-level, as RouteLLM, arXiv 2406.18665).
    Query,
}

/// A state as the loss sees it: two numbers whose meaning the objective sets.
struct Row<'a> {
    question: usize,
    hidden: &'a [f32],
    values: [f32; 2],
}

impl Objective {
    /// The states this objective learns from. Preferences are +1 for the SLM and -1 for the LLM.
    fn row(self, label: &Label) -> Option<[f32; 2]> {
        let sign = |action| [if action == Action::Slm { 1.0 } else { -1.0 }, 0.0];
        let whole = label.origin == Origin::Prompt;
        match self {
            Self::Query => whole.then(|| label.case.preferred().map(sign)).flatten(),
            _ if whole => None,
            Self::Preference => label.case.preferred().map(sign),
            Self::ShortTerm => {
                let used = label.origin == Origin::Gold && label.case.preferred().is_some();
                used.then(|| sign(if label.case == Case::OnlyLlmRight { Action::Llm } else { Action::Slm }))
            }
            Self::Reward { cost } => {
                let [slm, llm] = label.case.quality();
                Some([slm - (llm - cost), 0.0])
            }
            Self::Latent => (label.origin == Origin::Gold).then_some(label.chances),
        }
    }

    /// Mean loss over the rows; `logits` and the columns of `values` are `[rows, 1]`.
    fn loss(self, logits: Tensor<2>, values: Tensor<2>) -> Tensor<1> {
        let rows = values.dims()[0];
        let first = values.clone().slice([0..rows, 0..1]);
        match self {
            Self::Preference | Self::ShortTerm | Self::Query => log_sigmoid(logits * first).mean().neg(),
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
    /// Mean loss on the held-back questions.
    pub loss: f64,
    /// The best epoch, from 1.
    pub epoch: usize,
    /// The learning rate it was found at.
    pub rate: f64,
}

/// Mean and deviation of every feature.
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
    let (held, used): (Vec<&Row>, Vec<&Row>) = (held.iter().collect(), used.iter().collect());
    let width = used[0].hidden.len();
    let scale = Scale::of(&used, width);
    let data = Data { held, used, scale, width, objective };
    let mut best: Option<Fitted> = None;
    for rate in RATES {
        let fitted = data.run(rate, seed, device)?;
        report(format!("learning rate {rate}: held-back loss {:.4} at epoch {}", fitted.loss, fitted.epoch));
        if best.as_ref().is_none_or(|b| fitted.loss < b.loss || b.loss.is_nan()) {
            best = Some(fitted);
        }
    }
    let best = best.ok_or_else(|| TrainError::Settings("no learning rate was tried".into()))?;
    Ok(Fitted { router: data.scale.fold(best.router, device), ..best })
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
        let mut used = self.used.clone();
        let mut router = Router::random(self.width, seed, &training);
        let mut optimizer = AdamWConfig::new().with_weight_decay(0.01).init();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut best: Option<Fitted> = None;
        for epoch in 1..=EPOCHS {
            used.shuffle(&mut rng);
            for rows in used.chunks(BATCH) {
                let (inputs, values) = self.tensors(rows, &training);
                let loss = self.objective.loss(router.logits(inputs), values);
                let gradients = GradientsParams::from_grads(loss.backward(), &router);
                router = optimizer.step(rate, router, gradients);
            }
            // `valid` copies the weights out of the training graph: later steps cannot change what is kept.
            let snapshot = router.valid();
            let loss = self.objective.loss(snapshot.logits(held_inputs.clone()), held_values.clone());
            let loss = loss.into_data().iter::<f64>().next().unwrap_or(f64::NAN);
            if best.as_ref().is_none_or(|b| loss < b.loss || b.loss.is_nan()) {
                best = Some(Fitted { router: snapshot, loss, epoch, rate });
            } else if best.as_ref().is_some_and(|b| epoch - b.epoch >= PATIENCE) {
                break;
            }
        }
        best.ok_or_else(|| TrainError::Settings("no epoch ran".into()))
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
                Label { question: i / 4, depth: i % 4, origin: Origin::Gold, hidden, case, chances: [0.5; 2] }
            })
            .collect()
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
}
