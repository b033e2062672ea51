//! Answers: reads the server's JSON in every dialect, trusting none of it.

use crate::{
    continuation::{Continuation, Continued},
    failure::quote,
};
use citer_core::{Candidate, RemoteError, TokenId};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::HashMap;

/// One model of `GET /v1/models`.
#[derive(Clone, Deserialize)]
pub(crate) struct Listed {
    pub id: String,
    #[serde(default)]
    pub tokenizer_sha256: Option<String>,
    /// Where `citer serve` says it.
    #[serde(default)]
    context: Option<u64>,
    /// Where vLLM and SGLang do.
    #[serde(default)]
    max_model_len: Option<u64>,
    /// Where llama.cpp does.
    #[serde(default)]
    meta: Option<ListedMeta>,
    #[serde(default)]
    pub owned_by: Option<String>,
    /// Whether it keeps sessions, as `citer serve` does.
    #[serde(default)]
    pub sessions: bool,
}

#[derive(Clone, Deserialize)]
struct ListedMeta {
    #[serde(default)]
    n_ctx: Option<u64>,
}

impl Listed {
    /// Most tokens in a sequence, where the server says it in any of the usual ways.
    pub fn room(&self) -> Option<u64> {
        self.context.or(self.max_model_len).or_else(|| self.meta.as_ref()?.n_ctx)
    }
}

#[derive(Deserialize)]
struct List {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
    /// How llama.cpp tells what it computed.
    #[serde(default)]
    timings: Option<Timings>,
}

#[derive(Deserialize)]
struct Timings {
    #[serde(default)]
    cache_n: Option<u64>,
    #[serde(default)]
    prompt_ms: Option<f64>,
    #[serde(default)]
    predicted_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    token_ids: Option<Vec<TokenId>>,
    #[serde(default)]
    logprobs: Option<Logprobs>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Logprobs {
    #[serde(default)]
    top_logprobs: Option<Vec<Option<Top>>>,
    /// How llama.cpp writes them, ids included.
    #[serde(default)]
    content: Option<Vec<Content>>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    id: Option<TokenId>,
    #[serde(default)]
    bytes: Option<Vec<u8>>,
    #[serde(default)]
    logprob: Option<f64>,
    #[serde(default)]
    top_logprobs: Vec<Content>,
}

/// Log probabilities by the names of the tokens.
type Top = HashMap<String, Option<f64>>;

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

/// The models in the answer to `GET /v1/models`.
pub(crate) fn models(body: &[u8]) -> Result<Vec<Listed>, RemoteError> {
    Ok(parse::<List>(body)?.data)
}

/// What a server said in any dialect, and what it cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// The ids it gave, with candidates; `None` when it gives none.
    pub ids: Option<Vec<(TokenId, Vec<Candidate>)>>,
    /// Its text as bytes, exact ones where it tells them.
    pub bytes: Vec<u8>,
    /// Whether it says that its answer ends here.
    pub stopped: bool,
    /// Prompt tokens, if it counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens it had in its cache, if it tells.
    pub cached: Option<u64>,
    /// Tokens it made, if it counts them.
    pub made: Option<u64>,
    /// Whether it told candidates.
    pub logprobs: bool,
    /// Milliseconds of computing; 0 when not told.
    pub server_ms: f64,
    /// Milliseconds of waiting for its turn; 0 when not told.
    pub queue_ms: f64,
}

/// The answer to `POST /v1/completions` or `/v1/chat/completions`.
pub(crate) fn said(body: &[u8]) -> Result<Said, RemoteError> {
    let answer: Completion = parse(body)?;
    let [choice] = answer.choices.as_slice() else {
        return Err(RemoteError::BadAnswer(format!("it has {} choices instead of one", answer.choices.len())));
    };
    let logprobs = choice.logprobs.as_ref();
    let content = logprobs.and_then(|logprobs| logprobs.content.as_deref()).unwrap_or_default();
    let ids = match &choice.token_ids {
        Some(ids) => Some(ids.clone()),
        None if !content.is_empty() => content.iter().map(|token| token.id).collect(),
        None => None,
    };
    let with_top = |(at, id)| (id, logprobs.map(|logprobs| candidates(logprobs, at)).unwrap_or_default());
    let exact = content.iter().map(|token| token.bytes.clone()).collect::<Option<Vec<_>>>();
    let text = choice.message.as_ref().and_then(|message| message.content.clone()).or(choice.text.clone());
    let usage = answer.usage.as_ref();
    let timings = answer.timings.as_ref();
    let cached = usage.and_then(|usage| usage.prompt_tokens_details.as_ref()?.cached_tokens);
    let milliseconds = |value: Option<f64>| value.filter(|ms| ms.is_finite()).unwrap_or(0.0).max(0.0);
    Ok(Said {
        ids: ids.map(|ids| ids.into_iter().enumerate().map(with_top).collect()),
        bytes: match exact {
            Some(exact) if !content.is_empty() => exact.concat(),
            _ => text.unwrap_or_default().into_bytes(),
        },
        stopped: choice.finish_reason.as_deref() == Some("stop"),
        prompt_tokens: usage.and_then(|usage| usage.prompt_tokens),
        cached: cached.or(timings.and_then(|timings| timings.cache_n)),
        made: usage.and_then(|usage| usage.completion_tokens),
        logprobs: !content.is_empty() || logprobs.is_some_and(|logprobs| logprobs.top_logprobs.is_some()),
        server_ms: timings.map_or(0.0, |t| milliseconds(t.prompt_ms) + milliseconds(t.predicted_ms)),
        queue_ms: 0.0,
    })
}

#[derive(Deserialize)]
struct InSession {
    position: u64,
    ids: Vec<TokenId>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    logprobs: Vec<Vec<Alternative>>,
    #[serde(default)]
    cached: u64,
    #[serde(default)]
    server_ms: f64,
    #[serde(default)]
    queue_ms: f64,
}

#[derive(Deserialize)]
struct Alternative {
    id: TokenId,
    logprob: f64,
}

/// The answer to `POST /v1/sessions/{id}/tokens` after a prefix of `length` tokens.
pub(crate) fn in_session(body: &[u8], length: usize) -> Result<Said, RemoteError> {
    let answer: InSession = parse(body)?;
    // An answer to another request than the one that was made.
    if answer.position != length as u64 {
        let detail = format!("it is for position {} instead of {length}", answer.position);
        return Err(RemoteError::BadAnswer(detail));
    }
    let top = |at: usize| {
        let named = answer.logprobs.get(at).into_iter().flatten();
        best_first(named.map(|a| Candidate { id: a.id, probability: probability(a.logprob) }).collect())
    };
    let ids = answer.ids.iter().enumerate().map(|(at, id)| (*id, top(at)));
    Ok(Said {
        ids: Some(ids.collect()),
        bytes: Vec::new(),
        stopped: answer.finish_reason.as_deref() == Some("stop"),
        prompt_tokens: None,
        cached: Some(answer.cached),
        made: Some(answer.ids.len() as u64),
        logprobs: !answer.logprobs.is_empty(),
        server_ms: answer.server_ms,
        queue_ms: answer.queue_ms,
    })
}

/// The tokens that were said after a prompt of `sent` tokens in an answer of so many bytes, if it has ids.
pub(crate) fn continuation(said: Said, received: usize, sent: usize) -> Result<Continuation, RemoteError> {
    let Some(ids) = said.ids else {
        let detail = "it has no token_ids; use a server that knows return_token_ids (citer serve, vLLM) or lists ids with \
            its logprobs (llama.cpp)";
        return Err(RemoteError::BadAnswer(detail.into()));
    };
    let tokens_sent = said.prompt_tokens.unwrap_or(sent as u64);
    Ok(Continuation {
        tokens: ids.into_iter().map(|(token, top)| Continued { token, top }).collect(),
        stopped: said.stopped,
        bytes_sent: 0,
        bytes_received: received as u64,
        tokens_sent,
        tokens_cached: said.cached.unwrap_or(0).min(tokens_sent),
    })
}

/// The candidates of the token at place `at`, best first. Names that are not written `token_id:N` cannot be matched to a
/// token and are left out.
fn candidates(logprobs: &Logprobs, at: usize) -> Vec<Candidate> {
    let top: Vec<Candidate> = if let Some(token) = logprobs.content.as_ref().and_then(|list| list.get(at)) {
        let named = token.top_logprobs.iter().chain([token]);
        let named = named.filter_map(|c| Some(Candidate { id: c.id?, probability: probability(c.logprob?) }));
        named.collect()
    } else {
        let top = logprobs.top_logprobs.as_ref().and_then(|top| top.get(at)?.as_ref());
        let named = top.into_iter().flatten().filter_map(|(name, logprob)| {
            let id = name.strip_prefix("token_id:")?.parse().ok()?;
            Some(Candidate { id, probability: probability(*logprob.as_ref()?) })
        });
        named.collect()
    };
    best_first(top)
}

/// The probability to a logarithm.
pub(crate) fn probability(logprob: f64) -> f32 {
    logprob.exp().clamp(0.0, 1.0) as f32
}

/// Candidates, each once, by falling probability.
pub(crate) fn best_first(mut top: Vec<Candidate>) -> Vec<Candidate> {
    top.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.id.cmp(&b.id)));
    top.dedup_by_key(|candidate| candidate.id);
    top
}

/// An answer's JSON.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, RemoteError> {
    serde_json::from_slice(body).map_err(|error| {
        let start = String::from_utf8_lossy(&body[..body.len().min(80)]);
        RemoteError::BadAnswer(match start.trim() {
            "" => "it is empty".into(),
            text if text.starts_with('<') => "it is a web page, not JSON; check the address".into(),
            text => format!("{error}; it begins with {}", quote(text)),
        })
    })
}
