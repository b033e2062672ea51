//! Generation: the loop that turns a prompt into tokens, text and a reason to end.

use crate::{
    backend::{Backend, Step},
    error::ApiError,
    options::Options,
    stop::StopText,
};
use citer_core::{PrefixCache, TokenId, Utf8Stream, message::Turn};
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
    Started { prompt: Vec<TokenId>, cached: usize },
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

/// How a generation ended when it did not finish.
pub(crate) enum Broken {
    /// Nobody listens any more.
    Cancelled,
    /// It cannot go on.
    Failed(ApiError),
}

impl From<ApiError> for Broken {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
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

/// Generates after `prompt` and sends every event but the last one, which it returns.
pub(crate) fn generate<B: Backend>(
    backend: &mut B,
    cache: &mut PrefixCache,
    prompt: Vec<TokenId>,
    options: &Options,
    events: &UnboundedSender<Event>,
    record: &mut Record,
) -> Result<(Finish, String), Broken> {
    let context = backend.info().context;
    let send = |event| events.send(event).map_err(|_| Broken::Cancelled);
    let cached = cache.reuse(&prompt);
    backend.truncate(cached);
    (record.prompt_tokens, record.cached_tokens) = (prompt.len(), cached);
    let mut next = prompt[cached..].to_vec();
    send(Event::Started { prompt, cached })?;
    let (mut text, mut stop, mut offset) = (Utf8Stream::default(), StopText::new(options.stop.clone()), 0);
    let finish = loop {
        if events.is_closed() {
            return Err(Broken::Cancelled);
        }
        let step = backend.step(&next, options.sampling, options.logprobs.unwrap_or(0)).map_err(|error| {
            cache.clear();
            backend.truncate(0);
            ApiError::internal(error.to_string())
        })?;
        cache.extend(&next);
        let (id, is_end) = (step.token, backend.is_end(step.token));
        record.token_ids.push(id);
        let bytes = if is_end { Vec::new() } else { backend.token_bytes(id) };
        let complete = text.push(&bytes);
        let (shown, found) = stop.push(&complete);
        send(Event::Token(token(backend, step, bytes, shown, offset)))?;
        offset += complete.chars().count();
        if found {
            return Ok((Finish::Stop, String::new()));
        }
        if is_end {
            break Finish::Stop;
        }
        if record.token_ids.len() >= options.max_tokens || cache.ids().len() >= context {
            break Finish::Length;
        }
        next = vec![id];
    };
    let (mut rest, found) = stop.push(&text.finish());
    if !found {
        rest.push_str(&stop.finish());
    }
    Ok((finish, rest))
}

fn token(backend: &impl Backend, step: Step, bytes: Vec<u8>, text: String, offset: usize) -> Token {
    let top = step.top.into_iter().map(|(id, logprob)| (id, backend.token_bytes(id), logprob)).collect();
    Token { id: step.token, bytes, text, offset, logprob: step.logprob, top }
}
