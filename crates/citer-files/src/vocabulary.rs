//! The vocabulary of a model's tokenizer and chat format, as asking servers of text needs it.

use crate::{chat::ChatFormat, tokenizer::Tokenizer};
use citer_core::{TokenId, Vocabulary};
use std::{collections::HashMap, sync::Arc};

/// What the local model's tokenizer knows.
pub struct LocalVocabulary {
    tokenizer: Arc<Tokenizer>,
    end: TokenId,
    single: HashMap<u8, TokenId>,
}

impl LocalVocabulary {
    /// The vocabulary of `tokenizer`, with the token by which `format` ends a turn.
    pub fn new(tokenizer: Arc<Tokenizer>, format: &ChatFormat) -> Self {
        let single = (0..tokenizer.vocab_size() as TokenId).rev().filter_map(|id| match tokenizer.token_bytes(id) {
            [byte] => Some((*byte, id)),
            _ => None,
        });
        Self { end: format.end, single: single.collect(), tokenizer }
    }
}

impl Vocabulary for LocalVocabulary {
    fn bytes(&self, token: TokenId) -> Vec<u8> {
        self.tokenizer.token_bytes(token).to_vec()
    }

    fn control(&self, token: TokenId) -> Option<String> {
        self.tokenizer.control_text(token).map(str::to_owned)
    }

    fn control_token(&self, text: &str) -> Option<TokenId> {
        self.tokenizer.control_token(text).filter(|(control, _)| *control == text).map(|(_, id)| id)
    }

    fn encode(&self, text: &str) -> Vec<TokenId> {
        // The caller compares bytes, so a text without tokens is seen.
        self.tokenizer.encode(text).unwrap_or_default()
    }

    fn byte_token(&self, byte: u8) -> Option<TokenId> {
        self.single.get(&byte).copied()
    }

    fn end(&self) -> TokenId {
        self.end
    }

    fn sha256(&self) -> String {
        self.tokenizer.sha256().into()
    }
}
