//! A sequence: an engine that remembers what its KV cache holds, so a prefix seen before is not computed again.

use crate::{
    engine::{Engine, Output},
    error::EngineError,
};
use citer_core::{LocalModel, TokenId};

/// An engine with the ids in its KV cache.
pub struct Sequence {
    engine: Engine,
    cached: Vec<TokenId>,
}

impl Sequence {
    /// Takes the engine over; its cache is emptied.
    pub fn new(mut engine: Engine) -> Self {
        engine.truncate(0);
        Self { engine, cached: Vec::new() }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The output after `prefix` and how many of its tokens the cache already held.
    ///
    /// At least one token is computed, so that there is an output.
    pub async fn after(&mut self, prefix: &[TokenId]) -> Result<(Output, usize), EngineError> {
        let shared = self.cached.iter().zip(prefix).take_while(|(a, b)| a == b).count();
        let kept = shared.min(prefix.len().saturating_sub(1));
        self.cached.truncate(kept);
        self.engine.truncate(kept);
        let output = self.engine.forward(&prefix[kept..]).await?;
        self.cached.extend_from_slice(&prefix[kept..]);
        Ok((output, kept))
    }
}
