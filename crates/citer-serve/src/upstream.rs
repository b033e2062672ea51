//! Upstreams: OpenAI-compatible servers behind this one, from a fixed list. Clients name a model and never an address.

use crate::transport::{Failed, Transport};
use crate::{backend::ModelInfo, error::ApiError, generation::Finish, meter::Meter};
use axum::{
    body::Body,
    http::{Method, Response, StatusCode, Uri},
};
use citer_core::{Sampling, TokenId};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most bytes of an answer that is not a stream.
const MAX_BODY: usize = 16 << 20;
/// Most tokens of a conversation where nothing else is known.
const ANY_CONTEXT: usize = 1 << 20;

/// A server behind this one, as the configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamEntry {
    /// Its address, with or without `/v1`.
    pub url: String,
    /// The models that are passed on; empty asks the server once, at the start.
    #[serde(default)]
    pub models: Vec<String>,
    /// The environment variable that holds its key.
    #[serde(default)]
    pub key_env: Option<String>,
    /// The file that holds its key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// SHA-256 of its tokenizer.json, for clients that hand ids over.
    #[serde(default)]
    pub tokenizer_sha256: Option<String>,
    /// Most tokens of a conversation.
    #[serde(default)]
    pub context: Option<usize>,
}

/// Why an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Not an address.
    #[error("{0:?} is not the address of a server: write it as http://host:port or https://host, without a password")]
    Address(String),
    /// No key where one should be.
    #[error("no key for the upstream {url} in {place}: set it, or leave it out of the configuration")]
    Key {
        /// The upstream.
        url: String,
        /// Where it was looked for.
        place: String,
    },
    /// It does not say what it has.
    #[error(
        "the upstream {url} does not list its models ({detail}): start it first, or name them in the configuration"
    )]
    Models {
        /// The upstream.
        url: String,
        /// What was wrong.
        detail: String,
    },
    /// Two with one name.
    #[error("the model {0:?} is listed twice: leave one out")]
    Twice(String),
    /// No client.
    #[error("no HTTP client ({0}): check the system's certificates")]
    Client(String),
}

/// One server.
pub(crate) struct Upstream {
    base: Uri,
    key: Option<String>,
}

/// All of them.
pub(crate) struct Upstreams {
    transport: Transport,
    list: Vec<Upstream>,
    /// Every model and whose it is.
    pub models: Vec<(ModelInfo, usize)>,
    permits: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").field("models", &self.models).finish_non_exhaustive()
    }
}

/// The next tokens of a sequence, from whoever has the model.
pub(crate) struct Next {
    pub ids: Vec<TokenId>,
    pub text: String,
    pub finish: Finish,
    /// Candidates of every token, best first.
    pub top: Vec<Vec<(TokenId, f32)>>,
    pub cached: usize,
    pub queued: Duration,
}

impl Upstreams {
    /// Prepares the list. `running` requests go on at once, `queue` more may wait, and none longer than `timeout`.
    pub async fn open(
        entries: &[UpstreamEntry],
        running: usize,
        queue: usize,
        timeout: Duration,
    ) -> Result<Self, UpstreamError> {
        let transport = Transport::new(timeout).map_err(UpstreamError::Client)?;
        let (permits, waiting) = (Arc::new(Semaphore::new(running.max(1))), Arc::new(Semaphore::new(queue)));
        let mut all = Self { transport, list: Vec::new(), models: Vec::new(), permits, waiting };
        for entry in entries {
            let upstream = Upstream { base: address(&entry.url)?, key: key(entry)? };
            let models = match entry.models.as_slice() {
                [] => all.ask(&upstream, entry).await?,
                named => named.iter().map(|name| info(entry, name, None)).collect(),
            };
            for model in models {
                if all.models.iter().any(|(other, _)| other.name == model.name) {
                    return Err(UpstreamError::Twice(model.name));
                }
                all.models.push((model, all.list.len()));
            }
            all.list.push(upstream);
        }
        Ok(all)
    }

    /// The models that an upstream lists.
    async fn ask(&self, upstream: &Upstream, entry: &UpstreamEntry) -> Result<Vec<ModelInfo>, UpstreamError> {
        let fail = |detail: String| UpstreamError::Models { url: entry.url.clone(), detail };
        let response = self.transport.send(Method::GET, upstream.url("/v1/models"), upstream.key(), Vec::new()).await;
        let response = response.map_err(|error| fail(error.to_string()))?;
        let status = response.status();
        let list = read(response).await.ok_or_else(|| fail("its answer was not received".into()))?;
        let list: Value = serde_json::from_slice(&list).map_err(|_| fail(format!("status {status}, no JSON")))?;
        let models = list["data"].as_array().ok_or_else(|| fail(format!("status {status}, no list")))?;
        Ok(models.iter().filter_map(|model| Some(info(entry, model["id"].as_str()?, Some(model)))).collect())
    }

    /// Sends a request's body to the model's server as it is. The permit ends with the answer.
    pub async fn forward(
        &self,
        model: usize,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(Response<Body>, OwnedSemaphorePermit, Duration), ApiError> {
        let asked = Instant::now();
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = self.waiting.clone().try_acquire_owned().map_err(|_| ApiError::busy())?;
                self.permits.clone().acquire_owned().await.map_err(|_| ApiError::busy())?
            }
        };
        let queued = asked.elapsed();
        let upstream = &self.list[self.models[model].1];
        let response = self.transport.send(Method::POST, upstream.url(path), upstream.key(), body).await;
        let response = response.map_err(|error| unreachable(&error))?;
        match response.status() {
            status if status.is_success() => Ok((response, permit, queued)),
            // The client's own key is fine; what is wrong is between the two servers.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ApiError::upstream("the server behind this one refused its key: ask who runs this server"))
            }
            status if status.is_redirection() => {
                Err(ApiError::upstream("the server behind this one points elsewhere: ask who runs this server"))
            }
            status => {
                let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                let body: Value =
                    read(response).await.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
                Err(ApiError::passed(status.as_u16(), &body, wait))
            }
        }
    }

    /// The next tokens after `prompt`, by ids: what sessions need.
    pub async fn next(
        &self,
        model: usize,
        prompt: &[TokenId],
        (sampling, max_tokens, top): (Sampling, usize, Option<usize>),
        meter: &Meter,
    ) -> Result<Next, ApiError> {
        let mut body = json!({
            "model": self.models[model].0.name, "prompt": prompt, "max_tokens": max_tokens,
            "temperature": sampling.temperature,
            "return_token_ids": true, "return_tokens_as_token_ids": true,
        });
        if sampling.draws() {
            // The server behind this one begins its random numbers anew with every request.
            (body["top_p"], body["seed"]) = (json!(sampling.top_p), json!(sampling.seed_at(prompt.len())));
        }
        if let Some(top) = top {
            body["logprobs"] = json!(top);
        }
        let (response, _permit, queued) = self.forward(model, "/v1/completions", body.to_string().into_bytes()).await?;
        let body = read(response).await.ok_or_else(|| ApiError::upstream("its answer broke off: try again"))?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let choice = &answer["choices"][0];
        let ids = ids(choice).ok_or_else(|| {
            ApiError::upstream("the server behind this one answers no token ids: use /v1/completions instead")
        })?;
        let cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0) as usize;
        let cached = cached.min(prompt.len());
        meter.started(prompt.len(), cached, queued, max_tokens == 1);
        ids.iter().for_each(|_| meter.token());
        let finish = if choice["finish_reason"] == "stop" { Finish::Stop } else { Finish::Length };
        let text = choice["text"].as_str().unwrap_or_default().to_owned();
        Ok(Next { top: candidates(choice, ids.len()), ids, text, finish, cached, queued })
    }
}

impl Upstream {
    fn url(&self, path: &str) -> String {
        let folder = self.base.path().trim_end_matches('/');
        let folder = folder.strip_suffix("/v1").unwrap_or(folder);
        let (scheme, authority) = (self.base.scheme_str(), self.base.authority());
        format!("{}://{}{folder}{path}", scheme.unwrap_or("http"), authority.map_or("", |host| host.as_str()))
    }

    fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

fn address(text: &str) -> Result<Uri, UpstreamError> {
    let bad = || UpstreamError::Address(text.into());
    let url: Uri = text.trim().parse().map_err(|_| bad())?;
    let is_plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@')) && url.query().is_none();
    let is_known = matches!(url.scheme_str(), Some("http" | "https"));
    if is_plain && is_known { Ok(url) } else { Err(bad()) }
}

fn key(entry: &UpstreamEntry) -> Result<Option<String>, UpstreamError> {
    let (place, found) = match (&entry.key_env, &entry.key_file) {
        (Some(name), _) => (format!("the environment variable {name}"), std::env::var(name).ok()),
        (None, Some(path)) => (format!("the file {}", path.display()), std::fs::read_to_string(path).ok()),
        (None, None) => return Ok(None),
    };
    let key = found.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    key.map(Some).ok_or(UpstreamError::Key { url: entry.url.clone(), place })
}

/// What clients may know; `listed` is the upstream's own entry.
fn info(entry: &UpstreamEntry, name: &str, listed: Option<&Value>) -> ModelInfo {
    let number = |name: &str| listed.and_then(|entry| entry[name].as_u64()).map(|number| number as usize);
    let hash = listed.and_then(|entry| entry["tokenizer_sha256"].as_str()).map(str::to_owned);
    ModelInfo {
        name: name.into(),
        tokenizer_sha256: entry.tokenizer_sha256.clone().or(hash).unwrap_or_default(),
        vocab_size: u32::MAX as usize,
        context: entry.context.or_else(|| number("context")).or_else(|| number("max_model_len")).unwrap_or(ANY_CONTEXT),
    }
}

/// The body, unless it breaks off or is too long.
pub(crate) async fn read(response: Response<Body>) -> Option<Vec<u8>> {
    let (mut body, mut parts) = (Vec::new(), response.into_body().into_data_stream());
    while let Some(part) = parts.next().await {
        let part = part.ok()?;
        if body.len() + part.len() > MAX_BODY {
            return None;
        }
        body.extend_from_slice(&part);
    }
    Some(body)
}

/// The ids of a choice: as a list, or as the names of its tokens.
fn ids(choice: &Value) -> Option<Vec<TokenId>> {
    let number = |value: &Value| TokenId::try_from(value.as_u64()?).ok();
    if let Some(list) = choice["token_ids"].as_array() {
        return list.iter().map(number).collect();
    }
    choice["logprobs"]["tokens"].as_array()?.iter().map(|name| named(name.as_str()?)).collect()
}

fn named(name: &str) -> Option<TokenId> {
    name.strip_prefix("token_id:")?.parse().ok()
}

fn candidates(choice: &Value, count: usize) -> Vec<Vec<(TokenId, f32)>> {
    let lists = choice["logprobs"]["top_logprobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let read = |place: usize| {
        let list = lists.get(place).and_then(Value::as_object);
        let pairs = list.into_iter().flatten().filter_map(|(name, value)| Some((named(name)?, value.as_f64()? as f32)));
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
        pairs
    };
    (0..count).map(read).collect()
}

/// An error without the address, which is nobody's business.
fn unreachable(error: &Failed) -> ApiError {
    ApiError::upstream(match error {
        Failed::Slow(_) => "the server behind this one did not answer in time: try again",
        Failed::Unreachable(_) => "the server behind this one cannot be reached: try again later",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_taken() {
        for good in ["http://vllm:8000", "https://api.example/v1/", " http://10.0.0.2:8000/llm "] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "vllm:8000", "file:///etc/passwd", "ftp://h", "http://a:b@h", "http://key@h"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        let upstream = Upstream { base: address("https://api.example/llm/v1/").unwrap(), key: None };
        assert_eq!(upstream.url("/v1/models"), "https://api.example/llm/v1/models");
    }

    #[test]
    fn ids_and_candidates_are_read_from_either_form() {
        let choice = json!({"token_ids": [7], "logprobs": {"tokens": ["token_id:7"],
            "top_logprobs": [{"token_id:3": -2.0, "token_id:7": -0.5, "x": -0.1}]}});
        assert_eq!(ids(&choice), Some(vec![7]));
        assert_eq!(ids(&json!({"logprobs": {"tokens": ["token_id:9"]}})), Some(vec![9]));
        assert_eq!(candidates(&choice, 1), [[(7, -0.5), (3, -2.0)]]);
        assert_eq!(ids(&json!({"text": "a"})), None);
        assert_eq!(ids(&json!({"logprobs": {"tokens": ["a"]}})), None);
        assert_eq!(candidates(&json!({}), 2), [vec![], vec![]]);
    }
}
