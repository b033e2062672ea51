//! The plain path: a decoder in burn operations with its cache and router, on any burn backend; the oracle of the fused
//! path and what the CPU runs.

use crate::{
    cache::KvCache,
    config::Config,
    decoder::Decoder,
    engine::{Engine, Output, State},
    error::{EngineError, LoadError},
    parts::Parts,
    rope::Rope,
    router::{Router, score},
    weights,
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use citer_core::TokenId;
use citer_files::TensorSource;

/// Loads a model onto `device`; its cache holds `capacity` tokens, at most the model's positions.
///
/// # Errors
/// Files that do not belong together or are damaged.
pub fn open(parts: Parts, tensors: &dyn TensorSource, capacity: usize, device: &Device) -> Result<Engine, LoadError> {
    parts.check()?;
    let Parts { config, tokenizer, format, router } = parts;
    let decoder = weights::decoder(&config, tensors, device)?;
    let router = router.map(|router| Router::of(router, device));
    Engine::with_format(config, decoder, router, tokenizer, format, capacity, device)
}

/// A decoder on a burn device with one sequence in its cache.
pub struct Plain {
    decoder: Decoder,
    router: Option<Router>,
    rope: Rope,
    cache: KvCache,
    device: Device,
}

impl Plain {
    /// Puts the parts together; the cache holds `capacity` tokens.
    pub fn new(config: &Config, decoder: Decoder, router: Option<Router>, capacity: usize, device: &Device) -> Self {
        let (rope, cache) = (Rope::new(config, capacity, device), KvCache::new(config, capacity, device));
        Self { decoder, router, rope, cache, device: device.clone() }
    }

    /// The KV cache.
    pub fn cache(&self) -> &KvCache {
        &self.cache
    }

    /// The router, if it has one.
    pub fn router(&self) -> Option<&Router> {
        self.router.as_ref()
    }

    /// Forgets all tokens from `position` on.
    pub fn truncate(&mut self, position: usize) {
        self.cache.truncate(position);
    }

    /// The output after the last of `tokens`.
    pub async fn forward(&mut self, config: &Config, tokens: &[TokenId]) -> Result<Output, EngineError> {
        let last = self.append(config, tokens, 1)?;
        let logits = self.decoder.logits(last.clone());
        // Score and logits come back in one read: a read is the dearest part of a short step.
        let both = match &self.router {
            Some(router) => Tensor::cat(vec![logits, router.logits(last)], 1),
            None => logits,
        };
        let mut values = read(both).await?;
        let score = if self.router.is_some() { score(values.pop().unwrap_or(f32::NAN)) } else { 1.0 };
        Ok(Output { logits: values, score })
    }

    /// The states after the last `count` of `tokens`.
    pub async fn states(
        &mut self,
        config: &Config,
        tokens: &[TokenId],
        count: usize,
    ) -> Result<Vec<State>, EngineError> {
        let hidden = self.append(config, tokens, count)?;
        let width = config.hidden_size;
        let values = read(Tensor::cat(vec![hidden.clone(), self.decoder.logits(hidden)], 1)).await?;
        let rows = values.chunks(width + config.vocab_size);
        Ok(rows.map(|row| State { hidden: row[..width].to_vec(), logits: row[width..].to_vec() }).collect())
    }

    /// Runs `tokens` through the decoder; the final hidden states of the last `count`, `[count, hidden]`.
    fn append(&mut self, config: &Config, tokens: &[TokenId], count: usize) -> Result<Tensor<2>, EngineError> {
        let needed = self.cache.position() + tokens.len();
        if needed > self.cache.capacity() {
            return Err(EngineError::ContextFull { needed, capacity: self.cache.capacity() });
        }
        let ids: Vec<i32> = tokens.iter().map(|id| *id as i32).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, tokens.len()]), &self.device);
        let hidden = self.decoder.hidden(config, &self.rope, ids, Some(&mut self.cache));
        let width = config.hidden_size;
        Ok(hidden.slice([0..1, tokens.len() - count..tokens.len(), 0..width]).reshape([count, width]))
    }
}

async fn read(values: Tensor<2>) -> Result<Vec<f32>, EngineError> {
    let data = values.into_data_async().await.map_err(|e| EngineError::Device(e.to_string()))?;
    Ok(data.iter::<f32>().collect())
}
