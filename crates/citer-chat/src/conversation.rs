//! The conversation: questions and their answers as they stream in. Asking again or in other words adds a branch, so that
//! nothing is lost; the reader sees one path through them.

use crate::exchange::{Exchange, State, Token};
use crate::settings::ConversationSettings;
use citer_core::message::{Role, Turn};
use citer_core::{Finish, Settings, Spent, Split, TokenEvent, Trace};

/// Tokens that an answer may grow by when it is continued.
const MORE: usize = 256;
/// Longest title taken from a question, in characters.
const TITLE: usize = 60;

/// What the engine needs to make an answer or to go on with one.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The answer's number.
    pub id: u64,
    /// What was said, ending in the question.
    pub turns: Vec<Turn>,
    /// The answer's tokens so far.
    pub events: Vec<TokenEvent>,
    /// How it was begun.
    pub settings: Option<Settings>,
}

/// Questions and answers. At most one answer, the last one of the path, is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// Its name in storage; empty until there is something to keep.
    pub id: String,
    /// The title the reader gave it; empty means the first question.
    pub name: String,
    /// When it was begun, in milliseconds since 1970.
    pub created: u64,
    /// When it last changed.
    pub updated: u64,
    /// Counts what was stored, so that two tabs notice each other.
    pub revision: u64,
    /// What holds for the answers that are still to come.
    pub settings: ConversationSettings,
    exchanges: Vec<Exchange>,
    /// The path's numbers in order.
    path: Vec<u64>,
    split: Split,
}

impl Conversation {
    /// A conversation that is not begun.
    pub fn new(settings: ConversationSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// A conversation of stored exchanges that shows the path to `leaf`.
    pub(crate) fn of(exchanges: Vec<Exchange>, leaf: Option<u64>) -> Self {
        let mut conversation = Self { exchanges, ..Self::default() };
        conversation.show(leaf);
        conversation
    }

    /// All exchanges, those of other branches too.
    pub fn all(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// What it is called: its name, or its first question.
    pub fn title(&self) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        self.exchanges.first().map_or_else(String::new, |first| short(&first.question))
    }

    /// Adds a question after the last answer. Its answer waits for the engine.
    pub fn ask(&mut self, id: u64, question: &str, now: u64) {
        let parent = self.path.last().copied();
        self.add(id, parent, question, now);
    }

    /// Asks in the place of exchange `at`, in other words perhaps. What was there stays as another branch.
    pub fn ask_instead(&mut self, at: u64, id: u64, question: &str, now: u64) {
        let parent = self.get(at).and_then(|exchange| exchange.parent);
        self.add(id, parent, question, now);
    }

    fn add(&mut self, id: u64, parent: Option<u64>, question: &str, now: u64) {
        if self.created == 0 {
            self.created = now;
        }
        self.updated = now;
        self.exchanges.push(Exchange::new(id, parent, question, now));
        self.show(Some(id));
    }

    /// Adds an exchange that is complete.
    pub fn add_finished(&mut self, mut exchange: Exchange) {
        exchange.parent = self.path.last().copied();
        let id = exchange.id;
        self.exchanges.push(exchange);
        self.show(Some(id));
    }

    /// The exchanges in the same place: `id` and what was asked instead of it.
    pub fn versions(&self, id: u64) -> Vec<u64> {
        let Some(exchange) = self.get(id) else { return Vec::new() };
        self.exchanges.iter().filter(|other| other.parent == exchange.parent).map(|other| other.id).collect()
    }

    /// Shows the branch of exchange `id`, with what came last after it.
    pub fn choose(&mut self, id: u64) {
        let mut leaf = id;
        while let Some(next) = self.exchanges.iter().rev().find(|exchange| exchange.parent == Some(leaf)) {
            leaf = next.id;
        }
        self.show(Some(leaf));
    }

    fn show(&mut self, leaf: Option<u64>) {
        let mut path = Vec::new();
        let mut next = leaf;
        while let Some(exchange) = next.and_then(|id| self.get(id)) {
            path.push(exchange.id);
            // Parents come before their children, so this ends.
            next = exchange.parent.filter(|parent| !path.contains(parent));
        }
        path.reverse();
        self.path = path;
        self.split = self.shown().flat_map(|exchange| &exchange.tokens).map(|token| &token.event).collect();
    }

    /// The exchanges of the path.
    pub fn shown(&self) -> impl Iterator<Item = &Exchange> {
        self.path.iter().filter_map(|id| self.get(*id))
    }

    /// Notes how much of the question of answer `id` is read.
    pub fn reads(&mut self, id: u64, share: f32) {
        if let Some(exchange) = self.open(id) {
            exchange.read = Some(share);
        }
    }

    /// The numbers of the path's answers.
    pub fn ids(&self) -> Vec<u64> {
        self.path.clone()
    }

    /// The exchange of this number.
    pub fn get(&self, id: u64) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.id == id)
    }

    /// The path's last exchange.
    pub fn last(&self) -> Option<&Exchange> {
        self.path.last().and_then(|id| self.get(*id))
    }

    /// Who made how much of the path's answers.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// What all answers have cost, those of other branches too.
    pub fn spent(&self) -> Spent {
        self.exchanges.iter().fold(Spent::default(), |sum, exchange| sum.plus(&exchange.split.spent))
    }

    /// Whether an answer is still to come or on its way.
    pub fn is_open(&self) -> bool {
        self.last().is_some_and(Exchange::is_open)
    }

    /// The answer that waits for the engine; `history` adds what was said before.
    pub fn waiting(&self, history: bool) -> Option<Request> {
        self.last().filter(|exchange| exchange.state == State::Waiting).map(|last| self.request(last, history))
    }

    /// The answer that the engine was at: what a new one needs to go on with it.
    pub fn interrupted(&self, history: bool) -> Option<Request> {
        self.last().filter(|exchange| exchange.state == State::Streaming).map(|last| self.request(last, history))
    }

    fn request(&self, exchange: &Exchange, history: bool) -> Request {
        let turn = |role, content: String| Turn { role, content };
        let mut turns = Vec::new();
        // An answer that goes on is told what it was begun with.
        let system = if exchange.settings.is_some() { &exchange.system } else { &self.settings.system };
        if !system.trim().is_empty() {
            turns.push(turn(Role::System, system.clone()));
        }
        if history {
            for before in self.shown().take_while(|before| before.id != exchange.id) {
                turns.push(turn(Role::User, before.question.clone()));
                turns.push(turn(Role::Assistant, before.text()));
            }
        }
        turns.push(turn(Role::User, exchange.question.clone()));
        Request { id: exchange.id, turns, events: exchange.events(), settings: exchange.settings.clone() }
    }

    /// The engine begins with an answer.
    pub fn begin(&mut self, id: u64, settings: Settings) {
        let system = self.settings.system.trim().to_owned();
        if let Some(exchange) = self.open(id) {
            exchange.state = State::Streaming;
            if exchange.settings.is_none() {
                exchange.system = system;
            }
            exchange.settings = Some(settings);
        }
    }

    /// Lets the engine go on with the last answer, which ended before its own end. Tells whether it may.
    pub fn go_on(&mut self, id: u64) -> bool {
        let last = self.path.last() == Some(&id);
        let Some(exchange) = self.exchanges.iter_mut().find(|exchange| exchange.id == id) else { return false };
        if !last || !exchange.can_continue() {
            return false;
        }
        if let Some(settings) = &mut exchange.settings {
            settings.max_tokens = exchange.tokens.len() + MORE;
        }
        exchange.state = State::Waiting;
        exchange.trace = None;
        true
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
        if let Some(exchange) = self.open(id).filter(|exchange| !exchange.notices.contains(&text)) {
            exchange.notices.push(text);
        }
    }

    /// The answer ended.
    pub fn finish(&mut self, id: u64, finish: Finish, trace: Trace, now: u64) {
        if let Some(exchange) = self.open(id) {
            exchange.state = State::Finished(finish);
            exchange.trace = Some(trace);
            self.updated = now;
        }
    }

    /// The open answer (of this number, where one is named) cannot go on. Its text stays, and where nothing was answered
    /// its question is returned, so that it can be asked again.
    pub fn fail(&mut self, id: Option<u64>, error: &str) -> Option<String> {
        let id = id.or_else(|| self.path.last().copied())?;
        let exchange = self.open(id)?;
        exchange.state = State::Failed(error.to_owned());
        Some(exchange.question.clone())
    }

    /// Takes back what waits. A question that was asked for the first time is returned; where something had been answered
    /// already, that stays.
    pub fn take_back(&mut self) -> Option<String> {
        let last = self.last().filter(|exchange| exchange.state == State::Waiting)?;
        let (id, parent, question) = (last.id, last.parent, last.question.clone());
        if !last.tokens.is_empty() {
            if let Some(exchange) = self.open(id) {
                exchange.state = State::Interrupted;
            }
            return None;
        }
        self.exchanges.retain(|exchange| exchange.id != id);
        let instead = self.exchanges.iter().rev().find(|exchange| exchange.parent == parent);
        let is_there = instead.is_some_and(|instead| instead.question == question);
        match instead.map(|instead| instead.id) {
            Some(instead) => self.choose(instead),
            None => self.show(parent),
        }
        (!is_there).then_some(question)
    }

    fn open(&mut self, id: u64) -> Option<&mut Exchange> {
        self.exchanges.iter_mut().find(|exchange| exchange.id == id && exchange.is_open())
    }
}

/// The first line of a text, cut where it is long.
fn short(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    match line.char_indices().nth(TITLE) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
