//! An exchange: one question with its answer as far as it came.

use citer_core::{Finish, Settings, Split, TokenEvent, Trace};
use serde::{Deserialize, Serialize};

/// A token with what its card shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// The token itself.
    pub event: TokenEvent,
    /// The local candidates' texts, in the order of `event.local`.
    #[serde(default)]
    pub local_text: Vec<String>,
    /// The remote candidates' texts, in the order of `event.remote`.
    #[serde(default)]
    pub remote_text: Vec<String>,
    /// The server that was asked for it, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// How far an answer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Asked, and the engine is not free yet. Tokens that are there already are gone on from.
    Waiting,
    /// The engine is at work.
    Streaming,
    /// Ended.
    Finished(Finish),
    /// Ended early; says what is wrong and what to do, or nothing where the engine itself is gone and says it.
    Failed(String),
    /// The page was closed before the answer was finished.
    Interrupted,
}

/// One question with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Number of the answer, unique in the page.
    pub id: u64,
    /// The exchange before it in the conversation.
    pub parent: Option<u64>,
    /// When it was asked, in milliseconds since 1970.
    pub asked: u64,
    /// What was asked.
    pub question: String,
    /// The system prompt that it was begun with; empty for none.
    pub system: String,
    /// The answer so far.
    pub tokens: Vec<Token>,
    /// The answer's text where nothing else is known of it, as after an import from Markdown.
    pub plain: Option<String>,
    /// Share of the question that the engine has read, where it says so.
    pub read: Option<f32>,
    /// What the reader should know about the answer.
    pub notices: Vec<String>,
    /// How far the answer is.
    pub state: State,
    /// How it is made, once it has begun.
    pub settings: Option<Settings>,
    /// Who made how much of the answer.
    pub split: Split,
    /// The record of the finished answer.
    pub trace: Option<Trace>,
}

impl Exchange {
    /// A question that waits for its answer.
    pub fn new(id: u64, parent: Option<u64>, question: &str, asked: u64) -> Self {
        Self {
            id,
            parent,
            asked,
            question: question.to_owned(),
            system: String::new(),
            tokens: Vec::new(),
            plain: None,
            read: None,
            notices: Vec::new(),
            state: State::Waiting,
            settings: None,
            split: Split::default(),
            trace: None,
        }
    }

    /// Whether the answer is still to come or on its way.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Waiting | State::Streaming)
    }

    /// The answer's text.
    pub fn text(&self) -> String {
        match &self.plain {
            Some(text) => text.clone(),
            None => {
                let tail = self.trace.as_ref().map_or("", |trace| trace.tail.as_str());
                self.tokens.iter().map(|token| token.event.text.as_str()).chain([tail]).collect()
            }
        }
    }

    /// Whether the engine could add to the answer: it ended for another reason than its own end or a full context.
    pub fn can_continue(&self) -> bool {
        self.plain.is_none()
            && match self.state {
                State::Finished(finish) => matches!(finish, Finish::Length | Finish::Stopped),
                State::Failed(_) | State::Interrupted => true,
                State::Waiting | State::Streaming => false,
            }
    }

    /// The tokens' events.
    pub fn events(&self) -> Vec<TokenEvent> {
        self.tokens.iter().map(|token| token.event.clone()).collect()
    }
}
