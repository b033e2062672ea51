//! Answers: reads the server's JSON, trusting none of it.

use crate::{
    continuation::{Continuation, Continued},
    failure::quote,
};
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
    #[serde(default)]
    finish_reason: Option<String>,
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
    let Continuation { tokens, bytes_received, tokens_sent, tokens_cached, .. } = continuation(body, sent)?;
    let [Continued { token, top }] = tokens.as_slice() else {
        return Err(RemoteError::BadAnswer(format!("it has {} tokens instead of one", tokens.len())));
    };
    let (token, top) = (*token, top.clone());
    let tokens_received = 1;
    Ok(RemoteToken {
        token,
        top,
        bytes_received,
        tokens_sent,
        tokens_cached,
        tokens_received,
        ..RemoteToken::default()
    })
}

/// The tokens in the answer to `POST /v1/completions`, in any of the forms that carry ids.
pub(crate) fn continuation(body: &[u8], sent: usize) -> Result<Continuation, RemoteError> {
    let bad = |detail: String| RemoteError::BadAnswer(detail);
    let answer: Completion = parse(body)?;
    let [choice] = answer.choices.as_slice() else {
        return Err(bad(format!("it has {} choices instead of one", answer.choices.len())));
    };
    let listed = choice.logprobs.as_ref().and_then(|logprobs| logprobs.content.as_ref());
    let ids: Vec<TokenId> = match (&choice.token_ids, listed) {
        (Some(ids), _) => ids.clone(),
        (None, Some(content)) if content.iter().all(|token| token.id.is_some()) => {
            content.iter().filter_map(|token| token.id).collect()
        }
        _ => {
            let detail = "it has no token_ids; use a server that knows return_token_ids (citer serve, vLLM) or lists ids with \
                its logprobs (llama.cpp)";
            return Err(bad(detail.into()));
        }
    };
    let tops = choice.logprobs.as_ref();
    let tokens = ids.iter().enumerate().map(|(at, token)| Continued {
        token: *token,
        top: tops.map(|logprobs| candidates(logprobs, at)).unwrap_or_default(),
    });
    let usage = answer.usage.as_ref();
    let tokens_sent = usage.and_then(|usage| usage.prompt_tokens).unwrap_or(sent as u64);
    let cached = usage.and_then(|usage| usage.prompt_tokens_details.as_ref()?.cached_tokens).unwrap_or(0);
    Ok(Continuation {
        tokens: tokens.collect(),
        stopped: choice.finish_reason.as_deref() == Some("stop"),
        bytes_sent: 0,
        bytes_received: body.len() as u64,
        tokens_sent,
        tokens_cached: cached.min(tokens_sent),
    })
}

/// The candidates of the token at place `at`, best first. Names that are not written `token_id:N` cannot be matched to a
/// token and are left out.
fn candidates(logprobs: &Logprobs, at: usize) -> Vec<Candidate> {
    let probability = |logprob: f64| logprob.exp().clamp(0.0, 1.0) as f32;
    let mut top: Vec<Candidate> = if let Some(token) = logprobs.content.as_ref().and_then(|list| list.get(at)) {
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
    top.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.id.cmp(&b.id)));
    top.dedup_by_key(|candidate| candidate.id);
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
