//! The LLM in this process: what labels, rollouts and evaluation ask instead of a server.

use citer_core::{RemoteError, RemoteModel, RemoteToken, TokenId};
use citer_lm::{Engine, Sampler, Sequence, engine::TOP};

/// A greedy LLM behind the interface of the remote model.
pub struct Teacher(Sequence);

impl Teacher {
    /// Takes the LLM's engine over.
    pub fn new(engine: Engine) -> Self {
        Self(Sequence::new(engine))
    }
}

impl RemoteModel for Teacher {
    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        let (output, cached) = self.0.after(prefix).await.map_err(|e| RemoteError::BadAnswer(e.to_string()))?;
        let (token, top) = Sampler::default().choose(&output.logits, prefix.len(), TOP);
        Ok(RemoteToken {
            token,
            top,
            bytes_sent: 0,
            bytes_received: 0,
            tokens_sent: prefix.len() as u64,
            tokens_cached: cached as u64,
        })
    }
}

/// No LLM at all: for runs of one model alone.
pub struct Nobody;

impl RemoteModel for Nobody {
    async fn next_token(&mut self, _prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        Err(RemoteError::NotConfigured)
    }
}
