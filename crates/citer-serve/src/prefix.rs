//! The prefix cache: which tokens the backend's KV cache holds, so that a prompt that grows is not computed again.

use crate::backend::Backend;
use citer_core::TokenId;

/// The ids of the one sequence in the backend's KV cache.
#[derive(Debug, Default)]
pub(crate) struct PrefixCache {
    ids: Vec<TokenId>,
}

impl PrefixCache {
    /// Number of cached tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Cuts the cache to what it shares with `prompt`, short of the last token so that there is one to feed, and
    /// returns that length.
    pub fn reuse(&mut self, backend: &mut impl Backend, prompt: &[TokenId]) -> usize {
        let shared = self.ids.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        let kept = shared.min(prompt.len().saturating_sub(1));
        self.cut(backend, kept);
        kept
    }

    /// Counts `tokens` as cached after the backend took them.
    pub fn extend(&mut self, tokens: &[TokenId]) {
        self.ids.extend_from_slice(tokens);
    }

    /// Forgets everything; used when a step failed and nobody knows what the KV cache holds.
    pub fn clear(&mut self, backend: &mut impl Backend) {
        self.cut(backend, 0);
    }

    fn cut(&mut self, backend: &mut impl Backend, position: usize) {
        self.ids.truncate(position);
        backend.truncate(position);
    }
}
