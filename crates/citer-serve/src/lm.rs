//! The adapter that makes an engine of citer-lm the server's backend.

use crate::backend::{Backend, BackendError, ModelInfo, Sampling, Step};
use citer_core::{LocalModel, TokenId, message::Turn};
use citer_lm::Engine;
use futures::executor::block_on;

/// An engine with the name that clients ask for.
pub struct LmBackend {
    engine: Engine,
    name: String,
}

impl LmBackend {
    /// Serves `engine` as `name`.
    pub fn new(name: impl Into<String>, engine: Engine) -> Self {
        Self { engine, name: name.into() }
    }
}

impl Backend for LmBackend {
    fn info(&self) -> ModelInfo {
        ModelInfo {
            name: self.name.clone(),
            tokenizer_sha256: self.engine.tokenizer().sha256().to_owned(),
            vocab_size: self.engine.tokenizer().vocab_size(),
            context: self.engine.capacity(),
        }
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, BackendError> {
        self.engine.tokenizer().encode(text).map_err(|error| BackendError(error.to_string()))
    }

    fn conversation(&self, turns: &[Turn]) -> Result<Vec<TokenId>, BackendError> {
        let prompt = self.engine.format().prompt(self.engine.tokenizer(), turns);
        prompt.map_err(|error| BackendError(error.to_string()))
    }

    fn token_bytes(&self, token: TokenId) -> Vec<u8> {
        self.engine.tokenizer().token_bytes(token).to_vec()
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.engine.is_end(token)
    }

    fn truncate(&mut self, position: usize) {
        self.engine.truncate(position);
    }

    fn step(&mut self, tokens: &[TokenId], sampling: Sampling, top: usize) -> Result<Step, BackendError> {
        let output = block_on(self.engine.forward(tokens)).map_err(|error| BackendError(error.to_string()))?;
        // A model may have more outputs than the tokenizer has tokens; those mean nothing.
        let known = self.engine.tokenizer().vocab_size().min(output.logits.len());
        let logits = &output.logits[..known];
        self.engine.sampler.sampling = citer_lm::Sampling { temperature: sampling.temperature, seed: sampling.seed };
        let (token, candidates) = self.engine.sampler.choose(logits, self.engine.position(), top);
        let total = log_sum_exp(logits);
        let logprob = |id: TokenId| logits.get(id as usize).map_or(f32::NAN, |logit| logit - total);
        if !logprob(token).is_finite() {
            return Err(BackendError("its output is not a number".into()));
        }
        let top = candidates.iter().take(top).map(|candidate| (candidate.id, logprob(candidate.id))).collect();
        Ok(Step { token, logprob: logprob(token), top })
    }
}

fn log_sum_exp(logits: &[f32]) -> f32 {
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    peak + logits.iter().map(|logit| (logit - peak).exp()).sum::<f32>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_do_not_overflow() {
        let logits = [1000.0, 1001.0, 998.5];
        let total: f32 = logits.iter().map(|logit| (logit - log_sum_exp(&logits)).exp()).sum();
        assert!((total - 1.0).abs() < 1e-4, "{total}");
    }
}
