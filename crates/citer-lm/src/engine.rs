//! The engine: one sequence through a decoder, token by token, with its router, sampler and KV cache.

use crate::{
    cache::KvCache,
    chat::ChatFormat,
    config::Config,
    decoder::Decoder,
    error::{EngineError, LoadError},
    rope::Rope,
    router::{Router, score},
    sampler::Sampler,
    tokenizer::Tokenizer,
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use citer_core::{LocalModel, LocalStep, TokenId};
use std::sync::Arc;

/// Candidates reported with every step.
pub const TOP: usize = 5;

/// A model ready to run.
pub struct Engine {
    config: Config,
    decoder: Decoder,
    router: Option<Router>,
    rope: Rope,
    cache: KvCache,
    tokenizer: Arc<Tokenizer>,
    format: ChatFormat,
    device: Device,
    /// How tokens are chosen.
    pub sampler: Sampler,
}

/// What the model says after the newest token.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// One logit per token of the vocabulary.
    pub logits: Vec<f32>,
    /// The router's score, 0 to 1; 1 without a router.
    pub score: f32,
}

/// What the model knows after a token.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The final hidden state, `[hidden_size]`: what the head and the router read.
    pub hidden: Vec<f32>,
    /// One logit per token of the vocabulary.
    pub logits: Vec<f32>,
}

impl Engine {
    /// Puts the parts of a model of the shipped kind together, with its control tokens as chat format.
    pub fn new(
        config: Config,
        decoder: Decoder,
        router: Option<Router>,
        tokenizer: Arc<Tokenizer>,
        capacity: usize,
        device: &Device,
    ) -> Result<Self, LoadError> {
        let format = ChatFormat::new(&tokenizer)?;
        Self::with_format(config, decoder, router, tokenizer, format, capacity, device)
    }

    /// Puts the parts together after checking that they fit. `capacity` is cut to the model's positions.
    pub fn with_format(
        config: Config,
        decoder: Decoder,
        router: Option<Router>,
        tokenizer: Arc<Tokenizer>,
        format: ChatFormat,
        capacity: usize,
        device: &Device,
    ) -> Result<Self, LoadError> {
        if tokenizer.vocab_size() > config.vocab_size {
            let detail = format!("it has {} tokens and the model {}", tokenizer.vocab_size(), config.vocab_size);
            return Err(LoadError::Tokenizer(detail));
        }
        let capacity = capacity.min(config.max_position_embeddings);
        let rope = Rope::new(&config, capacity, device);
        let cache = KvCache::new(&config, capacity, device);
        let device = device.clone();
        Ok(Self { config, decoder, router, rope, cache, tokenizer, format, device, sampler: Sampler::default() })
    }

    /// The model's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// A handle on the tokenizer that outlives a borrow of the engine.
    pub fn shared_tokenizer(&self) -> Arc<Tokenizer> {
        self.tokenizer.clone()
    }

    /// The router, if it has one.
    pub fn router(&self) -> Option<&Router> {
        self.router.as_ref()
    }

    /// The chat format.
    pub fn format(&self) -> &ChatFormat {
        &self.format
    }

    /// Appends `tokens` to the sequence and returns the output after the last of them: one prefill, or one decode step
    /// when there is one token.
    pub async fn forward(&mut self, tokens: &[TokenId]) -> Result<Output, EngineError> {
        let last = self.append(tokens, 1)?;
        let logits = self.decoder.logits(last.clone());
        // Score and logits come back in one read: a read is the dearest part of a short step in a browser.
        let both = match &self.router {
            Some(router) => Tensor::cat(vec![logits, router.logits(last)], 1),
            None => logits,
        };
        let mut values = read(both).await?;
        let score = if self.router.is_some() { score(values.pop().unwrap_or(f32::NAN)) } else { 1.0 };
        Ok(Output { logits: values, score })
    }

    /// Appends `tokens` to the sequence and returns the states after the last `count` of them: what labels and
    /// baselines look at.
    pub async fn states(&mut self, tokens: &[TokenId], count: usize) -> Result<Vec<State>, EngineError> {
        let count = count.clamp(1, tokens.len().max(1));
        let hidden = self.append(tokens, count)?;
        let width = self.config.hidden_size;
        let values = read(Tensor::cat(vec![hidden.clone(), self.decoder.logits(hidden)], 1)).await?;
        let rows = values.chunks(width + self.config.vocab_size);
        Ok(rows.map(|row| State { hidden: row[..width].to_vec(), logits: row[width..].to_vec() }).collect())
    }

    /// Runs `tokens` through the decoder; the final hidden states of the last `count`, `[count, hidden]`.
    fn append(&mut self, tokens: &[TokenId], count: usize) -> Result<Tensor<2>, EngineError> {
        let vocab = self.config.vocab_size;
        if tokens.is_empty() {
            return Err(EngineError::Empty);
        }
        if let Some(id) = tokens.iter().copied().find(|id| *id as usize >= vocab) {
            return Err(EngineError::Token { id, vocab });
        }
        let needed = self.cache.position() + tokens.len();
        if needed > self.cache.capacity() {
            return Err(EngineError::ContextFull { needed, capacity: self.cache.capacity() });
        }
        let ids: Vec<i32> = tokens.iter().map(|id| *id as i32).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, tokens.len()]), &self.device);
        let hidden = self.decoder.hidden(&self.config, &self.rope, ids, Some(&mut self.cache));
        let width = self.config.hidden_size;
        Ok(hidden.slice([0..1, tokens.len() - count..tokens.len(), 0..width]).reshape([count, width]))
    }
}

async fn read(values: Tensor<2>) -> Result<Vec<f32>, EngineError> {
    let data = values.into_data_async().await.map_err(|e| EngineError::Device(e.to_string()))?;
    Ok(data.iter::<f32>().collect())
}

impl LocalModel for Engine {
    type Error = EngineError;

    async fn feed(&mut self, tokens: &[TokenId]) -> Result<LocalStep, EngineError> {
        let output = self.forward(tokens).await?;
        let known = &output.logits[..self.tokenizer.vocab_size().min(output.logits.len())];
        let (token, top) = self.sampler.choose(known, self.cache.position(), TOP);
        Ok(LocalStep { token, score: output.score, top })
    }

    fn position(&self) -> usize {
        self.cache.position()
    }

    fn truncate(&mut self, position: usize) {
        self.cache.truncate(position);
    }

    fn capacity(&self) -> usize {
        self.cache.capacity()
    }

    fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.format.is_end(token)
    }

    fn token_bytes(&self, token: TokenId) -> Vec<u8> {
        self.tokenizer.token_bytes(token).to_vec()
    }
}
