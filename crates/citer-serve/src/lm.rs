//! The adapter that makes an engine of citer-lm the server's backend.

use crate::{
    backend::{Backend, BackendError, ModelInfo, Row, Step},
    prefix_tree::BLOCK,
};
use citer_core::{Sampling, TokenId, message::Turn};
use citer_lm::{
    LoadError, Model, Paged, Sampler, Tokenizer,
    chat::ChatFormat,
    device,
    paged::{KvBlock, PagedRow},
};
use std::sync::Arc;

const _: () = assert!(BLOCK == citer_lm::paged::BLOCK, "a block of the tree is a block of the model");

/// A model with the name that clients ask for.
pub struct LmBackend {
    paged: Paged,
    tokenizer: Arc<Tokenizer>,
    format: ChatFormat,
    name: String,
}

impl LmBackend {
    /// Serves `model` as `name` on the CPU, with conversations of at most `context` tokens.
    ///
    /// # Errors
    /// A tokenizer that does not fit the model.
    pub fn new(name: impl Into<String>, model: Model, context: usize) -> Result<Self, LoadError> {
        let paged = Paged::new(&model, context, &device::cpu())?;
        Ok(Self { paged, tokenizer: model.tokenizer, format: model.format, name: name.into() })
    }

    fn choose(&self, logits: &[f32], position: usize, sampling: Sampling, top: usize) -> Result<Step, BackendError> {
        // A model may have more outputs than the tokenizer has tokens; those mean nothing.
        let logits = &logits[..self.tokenizer.vocab_size().min(logits.len())];
        let (token, candidates) = Sampler { sampling }.choose(logits, position, top);
        let total = log_sum_exp(logits);
        let logprob = |id: TokenId| logits.get(id as usize).map_or(f32::NAN, |logit| logit - total);
        if !logprob(token).is_finite() {
            return Err(BackendError("its output is not a number".into()));
        }
        let top = candidates.iter().take(top).map(|candidate| (candidate.id, logprob(candidate.id))).collect();
        Ok(Step { token, logprob: logprob(token), top })
    }
}

impl Backend for LmBackend {
    type Block = KvBlock;

    fn info(&self) -> ModelInfo {
        ModelInfo {
            name: self.name.clone(),
            tokenizer_sha256: self.tokenizer.sha256().to_owned(),
            vocab_size: self.tokenizer.vocab_size(),
            context: self.paged.capacity(),
        }
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, BackendError> {
        let ids = self.tokenizer.encode(text).map_err(|error| BackendError(error.to_string()))?;
        Ok(self.tokenizer.begin().into_iter().chain(ids).collect())
    }

    fn conversation(&self, turns: &[Turn]) -> Result<Vec<TokenId>, BackendError> {
        self.format.prompt(&self.tokenizer, turns).map_err(|error| BackendError(error.to_string()))
    }

    fn token_bytes(&self, token: TokenId) -> Vec<u8> {
        self.tokenizer.token_bytes(token).to_vec()
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.format.is_end(token)
    }

    fn block_bytes(&self) -> usize {
        self.paged.block_bytes()
    }

    fn step(&mut self, rows: &mut [Row<'_, KvBlock>]) -> Vec<Result<Step, BackendError>> {
        let paged = rows.iter_mut().map(|row| {
            let Row { blocks, position, tokens, .. } = row;
            PagedRow { blocks, position: *position, tokens }
        });
        match self.paged.step(&mut paged.collect::<Vec<_>>()) {
            Err(error) => rows.iter().map(|_| Err(BackendError(error.to_string()))).collect(),
            Ok(logits) => {
                let choices = rows
                    .iter()
                    .zip(logits)
                    .map(|(row, logits)| self.choose(&logits, row.position + row.tokens.len(), row.sampling, row.top));
                choices.collect()
            }
        }
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
