//! The local model: the SLM with its router and KV cache, as the decoder sees it.

use crate::{
    event::{Candidate, TokenId},
    sampling::Sampling,
};

/// What the SLM and the router say after the newest token.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalStep {
    /// The SLM's choice: the most likely token, or one drawn as [`LocalModel::sample`] said.
    pub token: TokenId,
    /// The router's P(this choice is good enough), 0 to 1.
    pub score: f32,
    /// The SLM's candidates, best first.
    pub top: Vec<Candidate>,
}

/// A model that runs on this device.
#[allow(async_fn_in_trait)]
pub trait LocalModel {
    /// What can go wrong: a lost device, a full context.
    type Error: std::error::Error + 'static;

    /// How tokens are chosen from the next feed on. The same sequence with the same sampling gives the same token.
    fn sample(&mut self, sampling: Sampling);

    /// Appends `tokens` (at least one) to the cached sequence and returns the step after the last of them.
    async fn feed(&mut self, tokens: &[TokenId]) -> Result<LocalStep, Self::Error>;

    /// Number of tokens in the KV cache.
    fn position(&self) -> usize;

    /// Forgets all cached tokens from `position` on.
    fn truncate(&mut self, position: usize);

    /// Most tokens the KV cache can hold.
    fn capacity(&self) -> usize;

    /// Number of tokens in the vocabulary.
    fn vocab_size(&self) -> usize;

    /// Whether `token` ends the turn.
    fn is_end(&self, token: TokenId) -> bool;

    /// The bytes that `token` stands for; empty for special tokens.
    fn token_bytes(&self, token: TokenId) -> Vec<u8>;
}
