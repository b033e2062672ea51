//! A sequence: an engine that remembers what its KV cache holds, so a prefix seen before is not computed again.

use crate::{
    engine::{Engine, Output},
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
