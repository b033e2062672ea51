//! The conversation: questions and their answers as they stream in. Pure state, without DOM or worker.

use citer_core::message::{Role, Turn};
use citer_core::{Finish, Settings, Split, TokenEvent, Trace};

/// What the worker is asked. The shipped models are trained on single questions, so only the current one is sent,
/// as one user turn, and no earlier turns.
pub fn turns(question: &str) -> Vec<Turn> {
    vec![Turn { role: Role::User, content: question.to_owned() }]
}

/// A token with what its card shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The token itself.
    pub event: TokenEvent,
    /// The local candidates' texts, in the order of `event.local`.
    pub local_text: Vec<String>,
    /// The remote candidates' texts, in the order of `event.remote`.
    pub remote_text: Vec<String>,
}

/// How far an answer is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Asked, and the engine is not free yet.
    Waiting,
    /// The engine is at work.
    Streaming,
    /// Ended.
    Finished(Finish),
    /// Ended early; says what is wrong and what to do, or nothing where the engine itself is gone and says it.
    Failed(String),
}

/// One question with its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Number of the answer.
    pub id: u64,
    /// What was asked.
    pub question: String,
    /// The answer so far.
    pub tokens: Vec<Token>,
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
    /// Whether the answer is still to come or on its way.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Waiting | State::Streaming)
    }
}

/// An answer that was begun and has not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    /// Its number.
    pub id: u64,
    /// What was asked.
    pub turns: Vec<Turn>,
    /// Its tokens so far.
    pub events: Vec<TokenEvent>,
    /// How it is made.
    pub settings: Settings,
}

/// Questions and answers in order. At most one answer, the last one, is open.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    asked: u64,
    exchanges: Vec<Exchange>,
    split: Split,
}

impl Conversation {
    /// Adds a question. Its answer waits for the engine. Returns the answer's number.
    pub fn ask(&mut self, question: &str) -> u64 {
        self.asked += 1;
        self.exchanges.push(Exchange {
            id: self.asked,
            question: question.to_owned(),
            tokens: Vec::new(),
            read: None,
            notices: Vec::new(),
            state: State::Waiting,
            settings: None,
            split: Split::default(),
            trace: None,
        });
        self.asked
    }

    /// Notes how much of the question of answer `id` is read.
    pub fn reads(&mut self, id: u64, share: f32) {
        if let Some(exchange) = self.exchanges.iter_mut().find(|exchange| exchange.id == id) {
            exchange.read = Some(share);
        }
    }

    /// The numbers of all answers.
    pub fn ids(&self) -> Vec<u64> {
        self.exchanges.iter().map(|exchange| exchange.id).collect()
    }

    /// The exchange of this number.
    pub fn get(&self, id: u64) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.id == id)
    }

    /// The last exchange.
    pub fn last(&self) -> Option<&Exchange> {
        self.exchanges.last()
    }

    /// Who made how much of all answers.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// Whether an answer is still to come or on its way.
    pub fn is_open(&self) -> bool {
        self.last().is_some_and(Exchange::is_open)
    }

    /// The question that waits for the engine.
    pub fn waiting(&self) -> Option<(u64, &str)> {
        let last = self.last().filter(|exchange| exchange.state == State::Waiting)?;
        Some((last.id, &last.question))
    }

    /// The engine begins with an answer.
    pub fn begin(&mut self, id: u64, settings: Settings) {
        if let Some(exchange) = self.open(id) {
            exchange.state = State::Streaming;
            exchange.settings = Some(settings);
        }
    }

    /// The answer that the engine was at: what a new one needs to go on with it.
    pub fn interrupted(&self) -> Option<Interrupted> {
        let last = self.last().filter(|exchange| exchange.state == State::Streaming)?;
        let events = last.tokens.iter().map(|token| token.event.clone()).collect();
        Some(Interrupted { id: last.id, turns: turns(&last.question), events, settings: last.settings.clone()? })
    }

    /// The answer has a new token. Tokens of answers that are gone or ended are dropped.
    pub fn add_token(&mut self, id: u64, token: Token) {
        if let Some(exchange) = self.open(id) {
            exchange.split.add(&token.event);
            let event = token.event.clone();
            exchange.tokens.push(token);
            self.split.add(&event);
        }
    }

    /// The reader should know something about the answer.
    pub fn add_notice(&mut self, id: u64, text: String) {
        if let Some(exchange) = self.open(id) {
            exchange.notices.push(text);
        }
    }

    /// The answer ended.
    pub fn finish(&mut self, id: u64, finish: Finish, trace: Trace) {
        if let Some(exchange) = self.open(id) {
            exchange.state = State::Finished(finish);
            exchange.trace = Some(trace);
        }
    }

    /// The open answer (of this number, where one is named) cannot go on. Its text stays. Returns its question, so
    /// that it can be asked again.
    pub fn fail(&mut self, id: Option<u64>, error: &str) -> Option<String> {
        let id = id.or_else(|| self.last().map(|exchange| exchange.id))?;
        let exchange = self.open(id)?;
        exchange.state = State::Failed(error.to_owned());
        Some(exchange.question.clone())
    }

    /// Takes back the question that waits.
    pub fn take_back(&mut self) -> Option<String> {
        self.waiting()?;
        self.exchanges.pop().map(|exchange| exchange.question)
    }

    /// Starts over. Numbers are not used again, so late messages about old answers find nothing.
    pub fn clear(&mut self) {
        *self = Self { asked: self.asked, ..Self::default() };
    }

    fn open(&mut self, id: u64) -> Option<&mut Exchange> {
        self.exchanges.last_mut().filter(|exchange| exchange.id == id && exchange.is_open())
    }
}

#[cfg(test)]
mod tests;
