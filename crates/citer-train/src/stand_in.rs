//! The stand-in for a router: the entropy of the SLM's distribution, calibrated on the same labels as a router, for models
//! that have none.

use crate::{
    calibrate::{BINS, Platt, bins, expected_error},
    error::TrainError,
    fit::held_back,
    label::{Action, Label, Origin},
    rounds::Operating,
};
use burn::tensor::{Device, Tensor, TensorData};
use citer_lm::{EntropyScore, LlmFiles, entropy::entropy};

/// States whose logits are computed at once.
const ROWS: usize = 256;

/// A calibrated entropy.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// The score.
    pub score: EntropyScore,
    /// States that it was fitted to.
    pub states: usize,
    /// Expected calibration error on the held-back questions.
    pub error: f64,
    /// Thresholds by the share they gave on validation questions.
    pub operating: Vec<Operating>,
}

/// Fits slope and shift by Platt scaling to the states of the questions that routers learn from, and measures them on the
/// others. As for a router, states that neither branch saves are left out.
pub fn fit(labels: &[Label], slm: &LlmFiles, device: &Device) -> Result<StandIn, TrainError> {
    let states: Vec<&Label> = labels.iter().filter(|label| label.origin != Origin::Prompt).collect();
    let entropies = entropies(&states, slm, device)?;
    let side = |held: bool| -> (Vec<f64>, Vec<bool>) {
        let of_side = states.iter().zip(&entropies).filter(|(label, _)| held_back(label.question) == held);
        of_side.filter_map(|(label, h)| Some((-h, label.case.preferred()? == Action::Slm))).unzip()
    };
    let [(used, outcomes), (held, right)] = [side(false), side(true)];
    if used.is_empty() || held.is_empty() {
        return Err(TrainError::Settings("too few labelled questions to calibrate: label at least fifteen".into()));
    }
    let platt = Platt::fit(&used, &outcomes);
    let error = expected_error(&bins(&platt.scores(&held), &right, BINS));
    let score = EntropyScore { slope: platt.slope, shift: platt.shift };
    Ok(StandIn { score, states: used.len(), error, operating: Vec::new() })
}

/// The SLM's entropy at every state, from the hidden state that its label holds.
fn entropies(states: &[&Label], slm: &LlmFiles, device: &Device) -> Result<Vec<f64>, TrainError> {
    let model = slm.model(device)?;
    let (width, vocab) = (model.config.hidden_size, model.config.vocab_size);
    let known = model.tokenizer.vocab_size().min(vocab);
    let mut all = Vec::with_capacity(states.len());
    for rows in states.chunks(ROWS) {
        let inputs: Vec<f32> = rows.iter().flat_map(|label| label.hidden.iter().copied()).collect();
        let inputs = Tensor::<2>::from_data(TensorData::new(inputs, [rows.len(), width]), device);
        let logits: Vec<f32> = model.decoder.logits(inputs).into_data().iter::<f32>().collect();
        all.extend(logits.chunks(vocab).map(|row| f64::from(entropy(&row[..known]))));
    }
    Ok(all)
}
