//! Generation: how a prompt turns into tokens, text and a reason to end, one step at a time.

use crate::{
    backend::{Backend, Row, Step},
    error::ApiError,
    meter::Meter,
    options::Options,
    prefix_tree::BLOCK,
    stop::StopText,
};
use citer_core::{TokenId, Utf8Stream, message::Turn};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::UnboundedSender;

/// What to continue.
#[derive(Clone, Debug)]
pub(crate) enum Prompt {
    Text(String),
    Ids(Vec<TokenId>),
    Conversation(Vec<Turn>),
}

/// What the worker tells the request, in order: `Started`, any number of `Token`, `Finished`; or `Failed` at any point.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Started { prompt: Vec<TokenId>, cached: usize, queued: Duration },
    Token(Token),
    Finished { finish: Finish, rest: String },
    Failed(ApiError),
}

/// One generated token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub id: TokenId,
    pub bytes: Vec<u8>,
    /// Text that can be shown now; it may lag behind the tokens.
    pub text: String,
    /// Characters of text before this token.
    pub offset: usize,
    pub logprob: f32,
    /// Id, bytes and log probability, best first.
    pub top: Vec<(TokenId, Vec<u8>, f32)>,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The end token or a stop string.
    Stop,
    /// As many tokens as asked, or as the context holds.
    Length,
}

impl Finish {
    /// OpenAI's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// What a generation was, for the request log.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub prompt_tokens: usize,
    pub cached_tokens: usize,
    pub token_ids: Vec<TokenId>,
}

/// Token ids of the prompt, checked against the vocabulary, `limit` and the context.
pub(crate) fn prepare(backend: &impl Backend, prompt: &Prompt, limit: usize) -> Result<Vec<TokenId>, ApiError> {
    let info = backend.info();
    let internal = |error: crate::BackendError| ApiError::internal(error.to_string());
    let (name, ids) = match prompt {
        Prompt::Text(text) => ("prompt", backend.encode(text).map_err(internal)?),
        Prompt::Ids(ids) => ("prompt", ids.clone()),
        Prompt::Conversation(turns) => ("messages", backend.conversation(turns).map_err(internal)?),
    };
    let limit = limit.min(info.context);
    if ids.is_empty() {
        return Err(ApiError::field(name, "is empty: give at least one token"));
    }
    if ids.len() > limit {
        return Err(ApiError::too_long(name, ids.len(), limit));
    }
    if let Some(id) = ids.iter().find(|id| **id as usize >= info.vocab_size) {
        let detail = format!("holds the token id {id}, but the vocabulary has {} tokens", info.vocab_size);
        return Err(ApiError::field(name, detail));
    }
    Ok(ids)
}

/// A generation under way: a sequence, what of it is computed, and the text so far.
pub(crate) struct Generation<B> {
    options: Options,
    events: UnboundedSender<Event>,
    meter: Arc<Meter>,
    /// The prompt and what came after it.
    ids: Vec<TokenId>,
    /// How many of them the blocks hold.
    position: usize,
    blocks: Vec<B>,
    text: Utf8Stream,
    stop: StopText,
    offset: usize,
    pub record: Record,
}

impl<B> Generation<B> {
    /// A generation after `prompt`, whose first `cached` tokens are in `blocks`. At least one is left to compute.
    pub fn new(
        options: Options,
        events: UnboundedSender<Event>,
        meter: Arc<Meter>,
        prompt: Vec<TokenId>,
        cached: usize,
        mut blocks: Vec<B>,
    ) -> Self {
        let cached = cached.min(prompt.len().saturating_sub(1));
        blocks.truncate(cached.div_ceil(BLOCK));
        let record = Record { prompt_tokens: prompt.len(), cached_tokens: cached, token_ids: Vec::new() };
        let (text, stop) = (Utf8Stream::default(), StopText::new(options.stop.clone()));
        Self { options, events, meter, ids: prompt, position: cached, blocks, text, stop, offset: 0, record }
    }

    /// Whether nobody listens any more.
    pub fn is_cancelled(&self) -> bool {
        self.events.is_closed()
    }

    /// The next step: at most `most` tokens.
    pub fn row(&mut self, most: usize) -> Row<'_, B> {
        let end = self.ids.len().min(self.position + most.max(1));
        Row {
            blocks: &mut self.blocks,
            position: self.position,
            tokens: &self.ids[self.position..end],
            sampling: self.options.sampling,
            top: self.options.logprobs.unwrap_or(0),
        }
    }

    /// Counts `tokens` as computed. The step's choice counts when they were all there were: then the generation goes on with
    /// it, or ends.
    pub fn advance(&mut self, tokens: usize, step: Step, backend: &impl Backend, context: usize) -> Option<Event> {
        self.position += tokens;
        if self.position < self.ids.len() {
            return None;
        }
        let (id, is_end) = (step.token, backend.is_end(step.token));
        self.record.token_ids.push(id);
        self.meter.token();
        let bytes = if is_end { Vec::new() } else { backend.token_bytes(id) };
        let complete = self.text.push(&bytes);
        let (shown, found) = self.stop.push(&complete);
        // Who has gone is noticed before the next step.
        let _ = self.events.send(Event::Token(token(backend, step, bytes, shown, self.offset)));
        self.offset += complete.chars().count();
        if found {
            return Some(Event::Finished { finish: Finish::Stop, rest: String::new() });
        }
        let is_long = self.record.token_ids.len() >= self.options.max_tokens || self.position >= context;
        if !is_end && !is_long {
            self.ids.push(id);
            return None;
        }
        let (mut rest, found) = self.stop.push(&self.text.finish());
        if !found {
            rest.push_str(&self.stop.finish());
        }
        Some(Event::Finished { finish: if is_end { Finish::Stop } else { Finish::Length }, rest })
    }

    /// Whether its prompt has just been computed.
    pub fn has_begun(&self) -> bool {
        self.record.token_ids.len() == 1
    }

    /// The computed tokens and their blocks.
    pub fn computed(&self) -> (&[TokenId], &[B]) {
        (&self.ids[..self.position], &self.blocks)
    }

    /// Sends the last event, with the record of what was done.
    pub fn tell(&self, event: Event) {
        // The client may be gone; then nobody needs it.
        let _ = self.events.send(event);
    }
}

fn token(backend: &impl Backend, step: Step, bytes: Vec<u8>, text: String, offset: usize) -> Token {
    let top = step.top.into_iter().map(|(id, logprob)| (id, backend.token_bytes(id), logprob)).collect();
    Token { id: step.token, bytes, text, offset, logprob: step.logprob, top }
}
