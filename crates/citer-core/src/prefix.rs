//! The prefix cache: which ids a model's KV cache holds, so that a sequence that grows is not computed again.

use crate::event::TokenId;

/// The ids of the one sequence in a KV cache. Whoever owns it moves the model's cursor along.
#[derive(Clone, Debug, Default)]
pub struct PrefixCache {
    ids: Vec<TokenId>,
}

impl PrefixCache {
    /// The cached ids.
    pub fn ids(&self) -> &[TokenId] {
        &self.ids
    }

    /// Keeps what the cache shares with `sequence`, short of its last token so that there is one to feed, and returns
    /// that length: the model is to be truncated to it and fed the rest.
    pub fn reuse(&mut self, sequence: &[TokenId]) -> usize {
        let shared = self.ids.iter().zip(sequence).take_while(|(a, b)| a == b).count();
        let kept = shared.min(sequence.len().saturating_sub(1));
        self.ids.truncate(kept);
        kept
    }

    /// Counts `tokens` as cached after the model took them.
    pub fn extend(&mut self, tokens: &[TokenId]) {
        self.ids.extend_from_slice(tokens);
    }

    /// Forgets what comes after the first `length` ids.
    pub fn truncate(&mut self, length: usize) {
        self.ids.truncate(length);
    }

    /// Forgets everything; for when a step failed and nobody knows what the KV cache holds.
    pub fn clear(&mut self) {
        self.ids.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_is_shared_and_leaves_one_token_to_feed() {
        let mut cache = PrefixCache::default();
        assert_eq!(cache.reuse(&[1, 2, 3]), 0);
        cache.extend(&[1, 2, 3]);
        assert_eq!(cache.clone().reuse(&[1, 2, 3, 4]), 3);
        assert_eq!(cache.clone().reuse(&[1, 2, 3]), 2);
        assert_eq!(cache.clone().reuse(&[]), 0);
        assert_eq!(cache.reuse(&[1, 9, 3]), 1);
        assert_eq!(cache.ids(), [1]);
        cache.clear();
        assert!(cache.ids().is_empty());
    }
}
