//! The parts of a model besides its weights, for whichever path runs it.

use crate::{chat::ChatFormat, config::Config, error::LoadError, router_file::RouterFile, tokenizer::Tokenizer};
use std::sync::Arc;

/// What a model consists of besides its weights.
pub struct Parts {
    /// Configuration.
    pub config: Config,
    /// Tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// How conversations are written.
    pub format: ChatFormat,
    /// The router, if there is one.
    pub router: Option<RouterFile>,
}

impl Parts {
    /// Whether tokenizer and model fit.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let (known, vocab) = (self.tokenizer.vocab_size(), self.config.vocab_size);
        if known > vocab {
            return Err(LoadError::Tokenizer(format!("it has {known} tokens and the model {vocab}")));
        }
        Ok(())
    }
}
