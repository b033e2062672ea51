//! Answers: reads the server's JSON, trusting none of it.

use crate::failure::quote;
use citer_core::{Candidate, RemoteError, RemoteToken, TokenId};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::HashMap;

/// One model of `GET /v1/models`.
#[derive(Clone, Deserialize)]
pub(crate) struct Listed {
    pub id: String,
    #[serde(default)]
    pub tokenizer_sha256: Option<String>,
    #[serde(default)]
    pub context: Option<u64>,
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
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    token_ids: Option<Vec<TokenId>>,
    #[serde(default)]
    logprobs: Option<Logprobs>,
}

#[derive(Deserialize)]
struct Logprobs {
    #[serde(default)]
    top_logprobs: Option<Vec<Option<Top>>>,
}

/// Log probabilities by the names of the tokens.
type Top = HashMap<String, Option<f64>>;

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
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

/// The one token in the answer to `POST /v1/completions`. `sent` counts the prompt when the server does not.
pub(crate) fn token(body: &[u8], sent: usize) -> Result<RemoteToken, RemoteError> {
    let bad = |detail: String| RemoteError::BadAnswer(detail);
    let answer: Completion = parse(body)?;
    let [choice] = answer.choices.as_slice() else {
        return Err(bad(format!("it has {} choices instead of one", answer.choices.len())));
    };
    let Some(ids) = &choice.token_ids else {
        return Err(bad("it has no token_ids; use a server that knows return_token_ids (citer serve, vLLM)".into()));
    };
    let [token] = ids.as_slice() else {
        return Err(bad(format!("it has {} tokens instead of one", ids.len())));
    };
    let usage = answer.usage.as_ref();
    let tokens_sent = usage.and_then(|usage| usage.prompt_tokens).unwrap_or(sent as u64);
    let cached = usage.and_then(|usage| usage.prompt_tokens_details.as_ref()?.cached_tokens).unwrap_or(0);
    Ok(RemoteToken {
        token: *token,
        top: choice.logprobs.as_ref().map(candidates).unwrap_or_default(),
        bytes_sent: 0,
        bytes_received: body.len() as u64,
        tokens_sent,
        tokens_cached: cached.min(tokens_sent),
    })
}

/// The candidates, best first. Names that are not written `token_id:N` cannot be matched to a token and are left out.
fn candidates(logprobs: &Logprobs) -> Vec<Candidate> {
    let first = logprobs.top_logprobs.as_ref().and_then(|top| top.first()?.as_ref());
    let mut top: Vec<Candidate> = first
        .into_iter()
        .flatten()
        .filter_map(|(name, logprob)| {
            let id = name.strip_prefix("token_id:")?.parse().ok()?;
            let probability = logprob.as_ref()?.exp().clamp(0.0, 1.0) as f32;
            Some(Candidate { id, probability })
        })
        .collect();
    top.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.id.cmp(&b.id)));
    top
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, RemoteError> {
    serde_json::from_slice(body).map_err(|error| {
        let start = String::from_utf8_lossy(&body[..body.len().min(80)]);
        RemoteError::BadAnswer(match start.trim() {
            "" => "it is empty".into(),
            text if text.starts_with('<') => "it is a web page, not JSON; check the address".into(),
            text => format!("{error}; it begins with {}", quote(text)),
        })
    })
}
