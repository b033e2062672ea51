//! `POST /v1/sessions`, `POST /v1/sessions/{id}/tokens`, `DELETE /v1/sessions/{id}`: a conversation whose history stays here.
//!
//! A request brings a position and the ids from there on; what it costs on the wire does not depend on the history.

use crate::{
    backend::ModelInfo,
    error::ApiError,
    fields::Fields,
    generation::{Event, Prompt},
    logprobs,
    meter::Meter,
    options::{self, Options, Output},
    secret,
    server::{Engine, Shared},
    session_table::Lost,
    upstream::Next,
    worker::{Begun, Worker, died},
};
use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use citer_core::TokenId;
use serde_json::{Value, json};
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

/// Most candidates a token.
const MAX_LOGPROBS: usize = 20;
/// The request log's name for it.
const PATH: &str = "/v1/sessions/tokens";

/// Opens a session.
pub(crate) async fn open(
    State(shared): State<Arc<Shared>>,
    Extension(meter): Extension<Arc<Meter>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let fields = Fields::received(body)?;
    let place = shared.model(fields.text("model")?)?;
    let model = &shared.models[place];
    let (ours, theirs) = (&model.tokenizer_sha256, fields.text("tokenizer_sha256")?);
    if theirs.is_some_and(|theirs| theirs != ours && !ours.is_empty()) {
        return Err(ApiError::field("tokenizer_sha256", format!("is not this model's tokenizer, {ours}: send text")));
    }
    let id = secret::random_hex().map_err(|error| ApiError::internal(error.to_string()))?;
    let mut table = shared.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    table.open(id.clone(), place, meter.owner().map(str::to_owned), Instant::now());
    shared.metrics.sessions.set(table.len() as i64);
    let answer = json!({"session": id, "context": model.context, "expires_in": table.lifetime().as_secs()});
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Forgets a session.
pub(crate) async fn close(
    State(shared): State<Arc<Shared>>,
    Extension(meter): Extension<Arc<Meter>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut table = shared.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    let is_closed = table.close(&id, meter.owner());
    shared.metrics.sessions.set(table.len() as i64);
    if is_closed { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::session(Lost::Unknown)) }
}

/// Reads the new ids and answers the next tokens.
pub(crate) async fn tokens(
    State(shared): State<Arc<Shared>>,
    Extension(meter): Extension<Arc<Meter>>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let begun = Instant::now();
    let fields = Fields::received(body)?;
    let place = shared.sessions.lock().unwrap_or_else(PoisonError::into_inner).model(&id);
    let place = place.ok_or_else(|| ApiError::session(Lost::Unknown))?;
    let ModelInfo { context, vocab_size, .. } = shared.models[place];
    let position = fields.integer("position", 0..=context)?.unwrap_or(0);
    let suffix = ids(&fields, vocab_size)?;
    let options = options(&fields, shared.max_tokens)?;
    if position + suffix.len() > context {
        return Err(ApiError::too_long("ids", position + suffix.len(), context));
    }
    if position + suffix.len() == 0 {
        return Err(ApiError::field("ids", "is empty: give at least one token"));
    }
    let prompt = {
        let mut table = shared.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        table.extend(&id, meter.owner(), position, &suffix, begun).map_err(ApiError::session)?
    };
    let end = prompt.len();
    let next = match &shared.engine {
        Engine::Local(worker) => local(worker, prompt, options, meter).await?,
        Engine::Upstreams(upstreams) => {
            let how = (options.sampling, options.max_tokens, options.logprobs);
            upstreams.next(place, &prompt, how, &meter).await?
        }
    };
    Ok(Json(answer(end, next, begun.elapsed())))
}

/// The next tokens from our own model.
async fn local(worker: &Worker, prompt: Vec<TokenId>, options: Options, meter: Arc<Meter>) -> Result<Next, ApiError> {
    let Begun { cached, queued, mut events, .. } = worker.begin(PATH, Prompt::Ids(prompt), options, meter).await?;
    let (mut text, mut ids, mut top) = (String::new(), Vec::new(), Vec::new());
    loop {
        match events.recv().await {
            Some(Event::Started { .. }) => {}
            Some(Event::Token(token)) => {
                text.push_str(&token.text);
                ids.push(token.id);
                top.push(token.top.into_iter().map(|(id, _, logprob)| (id, logprob)).collect());
            }
            Some(Event::Finished { finish, rest }) => {
                text.push_str(&rest);
                return Ok(Next { ids, text, finish, top, cached, queued });
            }
            Some(Event::Failed(error)) => return Err(error),
            None => return Err(died()),
        }
    }
}

fn answer(end: usize, next: Next, whole: Duration) -> Value {
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let top = |list: &Vec<(TokenId, f32)>| -> Value {
        list.iter().map(|(id, logprob)| json!({"id": id, "logprob": logprobs::number(*logprob)})).collect()
    };
    json!({
        "position": end,
        "ids": next.ids,
        "text": next.text,
        "finish_reason": next.finish.word(),
        "logprobs": next.top.iter().map(top).collect::<Vec<_>>(),
        "cached": next.cached,
        "computed": end - next.cached,
        "server_ms": ms(whole.saturating_sub(next.queued)),
        "queue_ms": ms(next.queued),
    })
}

fn ids(fields: &Fields, vocab: usize) -> Result<Vec<TokenId>, ApiError> {
    let complaint = || ApiError::field("ids", "must be a list of token ids, whole numbers from 0");
    let Some(list) = fields.get("ids") else { return Err(complaint()) };
    let id = |value: &Value| TokenId::try_from(value.as_u64()?).ok();
    let list = list.as_array().ok_or_else(complaint)?;
    let ids = list.iter().map(|value| id(value).ok_or_else(complaint)).collect::<Result<Vec<_>, _>>()?;
    match ids.iter().find(|id| **id as usize >= vocab) {
        Some(id) => {
            Err(ApiError::field("ids", format!("holds the token id {id}, but the vocabulary has {vocab} tokens")))
        }
        None => Ok(ids),
    }
}

fn options(fields: &Fields, most: usize) -> Result<Options, ApiError> {
    Ok(Options {
        sampling: options::sampling(fields, 0.0, fields.seed("seed")?.unwrap_or(0))?,
        max_tokens: fields.integer("max_tokens", 1..=most)?.unwrap_or(1),
        stop: Vec::new(),
        logprobs: fields.integer("logprobs", 0..=MAX_LOGPROBS)?,
        output: Output { stream: false, include_usage: false, token_ids: true, tokens_as_ids: true },
    })
}
