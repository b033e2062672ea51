//! Options: what both endpoints accept besides the prompt.

use crate::{error::ApiError, fields::Fields, server::Shared};
use citer_core::Sampling;
use serde_json::{Value, json};
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

/// Most stop strings, as OpenAI has it.
const MAX_STOPS: usize = 4;

/// How to generate.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub sampling: Sampling,
    pub max_tokens: usize,
    pub stop: Vec<String>,
    /// Log probabilities are wanted, with this many candidates.
    pub logprobs: Option<usize>,
    pub output: Output,
}

/// How to write the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub stream: bool,
    pub include_usage: bool,
    pub token_ids: bool,
    pub tokens_as_ids: bool,
}

impl Options {
    /// Reads what both endpoints share; `max_tokens` and `logprobs` are spelt differently and come read.
    pub fn read(
        fields: &Fields,
        shared: &Shared,
        max_tokens: usize,
        logprobs: Option<usize>,
    ) -> Result<Self, ApiError> {
        shared.model(fields.text("model")?)?;
        fields.refuse(&[
            ("n", &[json!(1)]),
            ("top_k", &[json!(0), json!(-1)]),
            ("presence_penalty", &[json!(0)]),
            ("frequency_penalty", &[json!(0)]),
            ("repetition_penalty", &[json!(1)]),
            ("logit_bias", &[json!({})]),
        ])?;
        let seed = fields.seed("seed")?.unwrap_or_else(any_seed);
        let sampling = sampling(fields, 1.0, seed)?;
        let stream = fields.flag("stream")?;
        let usage = fields.get("stream_options").and_then(|options| options.get("include_usage"));
        Ok(Self {
            sampling,
            max_tokens,
            stop: stops(fields)?,
            logprobs,
            output: Output {
                stream,
                include_usage: stream && usage.and_then(Value::as_bool).unwrap_or(false),
                token_ids: fields.flag("return_token_ids")?,
                tokens_as_ids: fields.flag("return_tokens_as_token_ids")?,
            },
        })
    }
}

/// How tokens are chosen, where `temperature` counts if the request names none.
pub(crate) fn sampling(fields: &Fields, temperature: f64, seed: u64) -> Result<Sampling, ApiError> {
    let hottest = f64::from(Sampling::HOTTEST);
    let temperature = fields.number("temperature", 0.0..=hottest)?.unwrap_or(temperature) as f32;
    let top_p = fields.number("top_p", 0.0..=1.0)?.unwrap_or(1.0) as f32;
    if top_p <= 0.0 {
        return Err(ApiError::field("top_p", "must be above 0; for the most likely token set temperature to 0"));
    }
    Ok(Sampling { temperature, top_p, seed })
}

fn stops(fields: &Fields) -> Result<Vec<String>, ApiError> {
    let complaint = || ApiError::field("stop", format!("must be a string or up to {MAX_STOPS} strings, none empty"));
    let list = match fields.get("stop") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if list.len() > MAX_STOPS {
        return Err(complaint());
    }
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    list.iter().map(|value| text(value).ok_or_else(complaint)).collect()
}

/// A seed for a request that gives none: the standard library's hash keys are random.
fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
