//! A sequence: an engine that remembers what its KV cache holds, so a prefix seen before is not computed again.

use crate::{
    engine::{Engine, Output, State},
    error::EngineError,
};
use citer_core::{LocalModel, PrefixCache, TokenId};

/// An engine with the ids in its KV cache.
pub struct Sequence {
    engine: Engine,
    cached: PrefixCache,
}

impl Sequence {
    /// Takes the engine over; its cache is emptied.
    pub fn new(mut engine: Engine) -> Self {
        engine.truncate(0);
        Self { engine, cached: PrefixCache::default() }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The states after the last `count` tokens of `prefix`; only what the cache does not hold is computed.
    pub async fn states(&mut self, prefix: &[TokenId], count: usize) -> Result<Vec<State>, EngineError> {
        let count = count.clamp(1, prefix.len().max(1));
        // One token short of `prefix` for one state: as much shorter as there are more.
        let kept = self.cached.reuse(prefix.get(..prefix.len() + 1 - count).unwrap_or_default());
        self.engine.truncate(kept);
        let states = self.engine.states(&prefix[kept..], count).await?;
        self.cached.extend(&prefix[kept..]);
        Ok(states)
    }

    /// The output after `prefix` and how many of its tokens the cache already held.
    ///
    /// At least one token is computed, so that there is an output.
    pub async fn after(&mut self, prefix: &[TokenId]) -> Result<(Output, usize), EngineError> {
        let kept = self.cached.reuse(prefix);
        self.engine.truncate(kept);
        let output = self.engine.forward(&prefix[kept..]).await?;
        self.cached.extend(&prefix[kept..]);
        Ok((output, kept))
    }
}
