//! `POST /v1/completions`: continues a prompt given as text or as token ids.

use crate::{
    answer::Kind, error::ApiError, fields::Fields, generation::Prompt, meter::Meter, options::Options, server::Shared,
    stream,
};
use axum::{
    Extension,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::Response,
};
use citer_core::TokenId;
use serde_json::{Value, json};
use std::sync::Arc;

/// Tokens generated when the request does not say, as OpenAI has it.
const DEFAULT_TOKENS: usize = 16;
/// Most candidates per token.
const MAX_LOGPROBS: usize = 5;

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(meter): Extension<Arc<Meter>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let fields = Fields::received(body)?;
    fields.refuse(&[("echo", &[json!(false)]), ("best_of", &[json!(1)]), ("suffix", &[json!("")])])?;
    let limit = shared.max_tokens;
    let max_tokens = fields.integer("max_tokens", 1..=limit)?.unwrap_or(DEFAULT_TOKENS.min(limit));
    let logprobs = fields.integer("logprobs", 0..=MAX_LOGPROBS)?;
    let options = Options::read(&fields, &shared, max_tokens, logprobs)?;
    stream::respond(&shared, meter, Kind::Completion, prompt(&fields)?, options).await
}

fn prompt(fields: &Fields) -> Result<Prompt, ApiError> {
    match fields.get("prompt") {
        None => Err(ApiError::field("prompt", "is missing: give a string or a list of token ids")),
        Some(Value::Array(list)) if matches!(list.first(), Some(Value::String(_) | Value::Array(_))) => {
            match list.as_slice() {
                [one] => single(one),
                _ => Err(ApiError::field("prompt", "must be a single prompt: send one request for each")),
            }
        }
        Some(one) => single(one),
    }
}

fn single(value: &Value) -> Result<Prompt, ApiError> {
    let complaint = || ApiError::field("prompt", "must be a string or a list of token ids, whole numbers from 0");
    match value {
        Value::String(text) => Ok(Prompt::Text(text.clone())),
        Value::Array(list) => {
            let id = |value: &Value| TokenId::try_from(value.as_u64()?).ok();
            list.iter().map(|value| id(value).ok_or_else(complaint)).collect::<Result<_, _>>().map(Prompt::Ids)
        }
        _ => Err(complaint()),
    }
}
