//! The answer: the tokens the decoder made, why it ended, and what can keep it from being made.

use crate::{
    event::{TokenEvent, TokenId},
    sampling::SamplingError,
};
use serde::{Deserialize, Serialize};

/// A finished answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its tokens in order; the end-of-turn token is the last one when the turn ended by itself.
    pub events: Vec<TokenEvent>,
    /// U+FFFD when the last token left a UTF-8 character unfinished, else empty.
    pub tail: String,
    /// Why it ended.
    pub finish: Finish,
}

impl Answer {
    /// The whole text: the events' text and the tail.
    pub fn text(&self) -> String {
        join(&self.events, &self.tail)
    }

    /// The token ids, the end-of-turn token included.
    pub fn ids(&self) -> Vec<TokenId> {
        self.events.iter().map(|event| event.id).collect()
    }
}

/// The text of `events` and what follows it.
pub(crate) fn join(events: &[TokenEvent], tail: &str) -> String {
    events.iter().map(|event| event.text.as_str()).chain([tail]).collect()
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// A model chose the end-of-turn token.
    End,
    /// The answer has as many tokens as the settings permit.
    Length,
    /// The local model's context is full.
    Context,
    /// The stop flag was raised.
    Stopped,
}

/// Why an answer could not be made or finished.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError<E: std::error::Error + 'static> {
    /// Nothing to answer.
    #[error("the prompt is empty: type a question")]
    EmptyPrompt,
    /// The prompt does not fit the KV cache.
    #[error("the conversation has {tokens} tokens and the model holds {capacity}: shorten it or start a new chat")]
    PromptTooLong {
        /// Tokens in the prompt.
        tokens: usize,
        /// Tokens the KV cache holds.
        capacity: usize,
    },
    /// The prompt was not made with this model's tokenizer.
    #[error("token {token} is not in the vocabulary of {vocab} tokens: use the tokenizer that belongs to the model")]
    UnknownToken {
        /// The first such token.
        token: TokenId,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// A threshold, a share or a sum of money is infinite or not a number.
    #[error("threshold, shares and money must be numbers: set threshold and shares between 0 and 1")]
    NotANumber,
    /// Temperature or top-p out of range.
    #[error("{0}")]
    Sampling(SamplingError),
    /// The local model failed. The tokens emitted before are here; the next answer starts from an empty KV cache.
    #[error("the local model failed ({source}): the text so far is kept; load the model again to go on")]
    Local {
        /// The model's own error.
        source: E,
        /// The tokens made before it.
        events: Vec<TokenEvent>,
        /// As in [`Answer`].
        tail: String,
    },
}
