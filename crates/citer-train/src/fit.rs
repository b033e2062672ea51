//! Fitting the router: CITER's preference objective over labelled states.
//!
//! With two actions the Bradley-Terry preference loss of the paper is binary cross-entropy on the preferred action.

use crate::{error::TrainError, label::Label};
use burn::module::{Module, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData, activation::log_sigmoid};
use citer_lm::Router;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

const BATCH: usize = 128;
const EPOCHS: usize = 60;
const PATIENCE: usize = 6;
const LEARNING_RATE: f64 = 1e-3;

/// A fitted router with how it did.
pub struct Fitted {
    /// The router of the best epoch, ready for raw hidden states.
    pub router: Router,
    /// Mean preference loss on the held-back questions, in nats.
    pub loss: f64,
    /// The best epoch, from 1.
    pub epoch: usize,
}

/// Mean and deviation of every feature.
struct Scale {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Scale {
    fn of(labels: &[&Label], width: usize) -> Self {
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

/// Mean over the rows of -log P(preferred action); `preferred` is +1 for the SLM and -1 for the LLM, `[rows, 1]`.
fn preference_loss(logits: Tensor<2>, preferred: Tensor<2>) -> Tensor<1> {
    log_sigmoid(logits * preferred).mean().neg()
}

/// Fits a router to `labels`. One question in five is held back, by question, to choose the best epoch.
pub fn fit(labels: &[Label], seed: u64, device: &Device, report: &mut dyn FnMut(String)) -> Result<Fitted, TrainError> {
    let width = labels
        .first()
        .map(|l| l.hidden.len())
        .ok_or_else(|| TrainError::Settings("there are no labels: label some questions first".into()))?;
    let (held, mut used): (Vec<&Label>, Vec<&Label>) = labels.iter().partition(|label| label.question % 5 == 4);
    if held.is_empty() || used.is_empty() {
        return Err(TrainError::Settings("too few questions to hold some back: label at least five".into()));
    }
    let scale = Scale::of(&used, width);
    let training = device.clone().autodiff();
    let tensors = |rows: &[&Label], device: &Device| {
        let inputs: Vec<f32> = rows.iter().flat_map(|label| scale.apply(&label.hidden)).collect();
        let preferred: Vec<f32> = rows.iter().map(|label| if label.case.prefers_slm() { 1.0 } else { -1.0 }).collect();
        (
            Tensor::<2>::from_data(TensorData::new(inputs, [rows.len(), width]), device),
            Tensor::<2>::from_data(TensorData::new(preferred, [rows.len(), 1]), device),
        )
    };
    let (held_inputs, held_preferred) = tensors(&held, device);
    let mut router = Router::random(width, seed, &training);
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.01).init();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut best: Option<Fitted> = None;
    for epoch in 1..=EPOCHS {
        used.shuffle(&mut rng);
        for rows in used.chunks(BATCH) {
            let (inputs, preferred) = tensors(rows, &training);
            let loss = preference_loss(router.logits(inputs), preferred);
            let gradients = GradientsParams::from_grads(loss.backward(), &router);
            router = optimizer.step(LEARNING_RATE, router, gradients);
        }
        // `valid` copies the weights out of the training graph: later steps cannot change what is kept.
        let snapshot = router.valid();
        let loss = preference_loss(snapshot.logits(held_inputs.clone()), held_preferred.clone());
        let loss = loss.into_data().iter::<f64>().next().unwrap_or(f64::NAN);
        report(format!("epoch {epoch}: held-back loss {loss:.4}"));
        if best.as_ref().is_none_or(|b| loss < b.loss) {
            best = Some(Fitted { router: snapshot, loss, epoch });
        } else if best.as_ref().is_some_and(|b| epoch - b.epoch >= PATIENCE) {
            break;
        }
    }
    let best = best.ok_or_else(|| TrainError::Settings("no epoch ran".into()))?;
    Ok(Fitted { router: scale.fold(best.router, device), ..best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Case;

    /// States whose first feature alone decides, far from zero and on another scale than the rest.
    fn labels(count: usize) -> Vec<Label> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut next = || rand::RngExt::random::<f32>(&mut rng);
        (0..count)
            .map(|i| {
                let critical = next() < 0.3;
                let hidden = vec![if critical { 50.0 } else { 52.0 } + next(), next(), next() * 0.01, next()];
                let case = if critical { Case::OnlyLlmRight } else { Case::SlmRight };
                Label { question: i / 4, hidden, case }
            })
            .collect()
    }

    #[test]
    fn it_learns_what_decides_and_reads_raw_states() {
        let device = citer_lm::device::cpu();
        let labels = labels(6000);
        let fitted = fit(&labels, 1, &device, &mut |_| {}).unwrap();
        let inputs: Vec<f32> = labels.iter().flat_map(|l| l.hidden.clone()).collect();
        let inputs = Tensor::<2>::from_data(TensorData::new(inputs, [labels.len(), 4]), &device);
        let logits: Vec<f32> = fitted.router.logits(inputs).into_data().iter::<f32>().collect();
        let right = labels.iter().zip(&logits).filter(|(l, s)| l.case.prefers_slm() == (**s > 0.0)).count();
        assert!(right as f64 > 0.98 * labels.len() as f64, "{right} of {}", labels.len());
        assert!(fitted.loss < 0.1, "{}", fitted.loss);
    }

    #[test]
    fn the_same_seed_gives_the_same_router() {
        let device = citer_lm::device::cpu();
        let labels = labels(300);
        let run = |seed| fit(&labels, seed, &device, &mut |_| {}).unwrap().loss;
        assert_eq!(run(5).to_bits(), run(5).to_bits());
        assert_ne!(run(5).to_bits(), run(6).to_bits());
    }
}
