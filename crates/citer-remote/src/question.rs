//! Questions: the requests of each dialect, as bytes.

use crate::transport::{Method, Request};
use citer_core::{
    RemoteError, Sampling, TokenId,
    message::{Role, Turn},
};
use serde::{Serialize, Serializer};

/// Candidates asked with every token.
pub(crate) const TOP: usize = 5;

/// How a token is to be chosen: temperature 0 and nothing else where the most likely one is wanted.
#[derive(Clone, Copy, Serialize)]
struct Manner {
    #[serde(serialize_with = "temperature")]
    temperature: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

impl Manner {
    fn new(sampling: &Sampling, seed: u64) -> Self {
        let drawn = sampling.draws();
        Self {
            temperature: sampling.temperature,
            top_p: drawn.then_some(sampling.top_p).filter(|share| *share < 1.0),
            seed: drawn.then_some(seed),
        }
    }

    /// For the token at `position`.
    fn at(sampling: &Sampling, position: usize) -> Self {
        Self::new(sampling, sampling.seed_at(position).into())
    }
}

/// A whole number where it is one.
pub(crate) fn temperature<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    if *value == 0.0 { serializer.serialize_u8(0) } else { serializer.serialize_f32(*value) }
}

/// `POST /v1/completions`, with ids or text as prompt.
#[derive(Serialize)]
struct Completion<'a, P: Serialize> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    prompt: P,
    max_tokens: u32,
    #[serde(flatten)]
    manner: Manner,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<usize>,
    #[serde(flatten)]
    ids: Ids,
}

/// What servers of open models know and strict gateways refuse.
#[derive(Default, Serialize)]
struct Ids {
    /// vLLM would take another one from the model's files, and greedy would no longer be greedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    repetition_penalty: Option<u32>,
    /// They would leave out more than top-p says, some from the model's files and some always.
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_p: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    return_token_ids: bool,
    #[serde(skip_serializing_if = "is_false")]
    return_tokens_as_token_ids: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// `POST /v1/chat/completions` that goes on with the assistant's message.
#[derive(Serialize)]
struct Chat<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    messages: Vec<Message<'a>>,
    max_tokens: u32,
    #[serde(flatten)]
    manner: Manner,
    add_generation_prompt: bool,
    continue_final_message: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: Role,
    content: &'a str,
}

/// `POST /v1/sessions`.
#[derive(Serialize)]
struct Open<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokenizer_sha256: Option<&'a str>,
}

/// `POST /v1/sessions/{id}/tokens`.
#[derive(Serialize)]
struct Suffix<'a> {
    position: usize,
    ids: &'a [TokenId],
    max_tokens: u32,
    logprobs: usize,
    #[serde(flatten)]
    manner: Manner,
}

pub(crate) fn post(path: impl Into<String>, body: &impl Serialize) -> Result<Request, RemoteError> {
    let body = serde_json::to_vec(body).map_err(|error| RemoteError::BadAnswer(error.to_string()))?;
    Ok(Request { method: Method::Post, path: path.into(), body })
}

/// The list of models.
pub(crate) fn models() -> Request {
    Request { method: Method::Get, path: "/v1/models".into(), body: Vec::new() }
}

/// Tokens after token ids. `extras` asks for ids in the answer, and for nothing but what `sampling` says.
pub(crate) fn tokens(
    model: Option<&str>,
    prompt: &[TokenId],
    sampling: &Sampling,
    max_tokens: u32,
    extras: bool,
) -> Result<Request, RemoteError> {
    let drawn = extras && sampling.draws();
    let ids = Ids {
        repetition_penalty: extras.then_some(1),
        top_k: drawn.then_some(-1),
        min_p: drawn.then_some(0),
        return_token_ids: extras,
        return_tokens_as_token_ids: extras,
    };
    let manner = Manner::at(sampling, prompt.len());
    post("/v1/completions", &Completion { model, prompt, max_tokens, manner, logprobs: Some(TOP), ids })
}

/// Tokens after text, the first of them at `position`.
pub(crate) fn text(
    model: Option<&str>,
    prompt: &str,
    (sampling, position): (&Sampling, usize),
    max_tokens: u32,
    logprobs: bool,
) -> Result<Request, RemoteError> {
    let (logprobs, ids, manner) = (logprobs.then_some(TOP), Ids::default(), Manner::at(sampling, position));
    post("/v1/completions", &Completion { model, prompt, max_tokens, manner, logprobs, ids })
}

/// More of the assistant's message `begun` after `turns`, from `position` on.
pub(crate) fn chat(
    model: Option<&str>,
    turns: &[Turn],
    begun: &str,
    (sampling, position): (&Sampling, usize),
    max_tokens: u32,
) -> Result<Request, RemoteError> {
    let said = turns.iter().map(|turn| Message { role: turn.role, content: &turn.content });
    let messages = said.chain([Message { role: Role::Assistant, content: begun }]).collect();
    let (add_generation_prompt, continue_final_message) = (false, true);
    let manner = Manner::at(sampling, position);
    let question = Chat { model, messages, max_tokens, manner, add_generation_prompt, continue_final_message };
    post("/v1/chat/completions", &question)
}

/// A new session.
pub(crate) fn open_session(model: Option<&str>, tokenizer_sha256: Option<&str>) -> Result<Request, RemoteError> {
    post("/v1/sessions", &Open { model, tokenizer_sha256 })
}

/// Tokens after `ids`, which follow the session's first `position` ids. Our server knows every token's position, so it is
/// told the seed itself.
pub(crate) fn suffix(
    session: &str,
    position: usize,
    ids: &[TokenId],
    sampling: &Sampling,
    max_tokens: u32,
) -> Result<Request, RemoteError> {
    let manner = Manner::new(sampling, sampling.seed);
    let question = Suffix { position, ids, max_tokens, logprobs: TOP, manner };
    post(format!("/v1/sessions/{session}/tokens"), &question)
}

/// The end of a session.
pub(crate) fn close_session(session: &str) -> Request {
    Request { method: Method::Delete, path: format!("/v1/sessions/{session}"), body: Vec::new() }
}
