//! The remote model: asks a server for one token after a prefix of token ids.

use crate::{answer, continuation::Continuation, http::Http, sglang};
use citer_core::{RemoteError, RemoteModel, RemoteToken, TokenId};
use serde::Serialize;
use std::time::Duration;

/// Candidates asked with every token.
const TOP: usize = 5;

/// The LLM behind one server.
#[derive(Clone, Debug)]
pub struct Remote {
    http: Http,
    model: Option<String>,
    dialect: Dialect,
}

/// How a server wants to be asked for token ids.
#[derive(Clone, Copy, Debug, Default)]
enum Dialect {
    /// `POST /v1/completions` with extensions (`citer serve`, vLLM, llama.cpp).
    #[default]
    Completions,
    /// `POST /generate` of SGLang.
    Sglang,
}

/// What a server says about its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerModel {
    /// Its name, sent with every request.
    pub name: String,
    /// SHA-256 of its `tokenizer.json`, in hexadecimal; only `citer serve` says it. Another one than the local
    /// model's means that token ids cannot be exchanged.
    pub tokenizer_sha256: Option<String>,
    /// Most tokens in a sequence, where the server says it.
    pub context: Option<u64>,
}

/// The body of a request for tokens (`POST /v1/completions`).
#[derive(Serialize)]
struct Question<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    prompt: &'a [TokenId],
    max_tokens: u32,
    temperature: u32,
    /// vLLM would take another one from the model's files, and greedy would no longer be greedy.
    repetition_penalty: u32,
    logprobs: usize,
    return_token_ids: bool,
    return_tokens_as_token_ids: bool,
}

impl Remote {
    /// A model at `base_url` (such as `http://127.0.0.1:8080`, with or without a path in front of `/v1`). Without
    /// `model`, [`Remote::probe`] takes the server's first one. No request is made here.
    ///
    /// # Errors
    /// An address that is not http or https; natively https too, which this build does not speak.
    pub fn new(base_url: &str, model: Option<String>, timeout: Duration) -> Result<Self, RemoteError> {
        Ok(Self { http: Http::new(base_url, timeout)?, model, dialect: Dialect::default() })
    }

    /// Sends `key` as bearer token with every request. It is never shown by `Debug` or in an error.
    pub fn with_api_key(mut self, key: impl Into<String>) -> Self {
        self.http.set_key(key.into());
        self
    }

    /// The model asked for, once it is known.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Asks the server which model it has (`GET /v1/models`), and keeps its name when none was given. A server that says to
    /// be SGLang is asked in its own way from then on.
    ///
    /// # Errors
    /// Every [`RemoteError`] but `NotConfigured`; `BadAnswer` when the server does not have the wanted model.
    pub async fn probe(&mut self) -> Result<ServerModel, RemoteError> {
        let list = answer::models(&self.http.get("/v1/models").await?)?;
        let names = || list.iter().map(|model| model.id.as_str()).collect::<Vec<_>>().join(", ");
        let found = match &self.model {
            None => list.first().ok_or_else(|| RemoteError::BadAnswer("it lists no model".into()))?,
            Some(wanted) => list.iter().find(|model| model.id == *wanted).ok_or_else(|| {
                RemoteError::BadAnswer(format!("it has no model {wanted}; choose one of: {}", names()))
            })?,
        };
        self.model = Some(found.id.clone());
        self.dialect = match found.owned_by.as_deref() {
            Some(sglang::OWNER) => Dialect::Sglang,
            _ => Dialect::Completions,
        };
        Ok(ServerModel {
            name: found.id.clone(),
            tokenizer_sha256: found.tokenizer_sha256.clone(),
            context: found.room(),
        })
    }
}

impl Remote {
    /// The LLM's greedy tokens after `prefix`: at least one, at most `most`, unless it stops at once.
    ///
    /// # Errors
    /// Every [`RemoteError`] but `NotConfigured`.
    pub async fn tokens(&self, prefix: &[TokenId], most: u32) -> Result<Continuation, RemoteError> {
        let (path, body) = match self.dialect {
            Dialect::Completions => ("/v1/completions", self.question(prefix, most)?),
            Dialect::Sglang => (sglang::PATH, sglang::question(prefix, most, TOP)?),
        };
        let bytes_sent = body.len() as u64;
        let received = self.http.post(path, body).await?;
        let found = match self.dialect {
            Dialect::Completions => answer::continuation(&received, prefix.len())?,
            Dialect::Sglang => sglang::continuation(&received, prefix.len())?,
        };
        Ok(Continuation { bytes_sent, ..found })
    }

    fn question(&self, prefix: &[TokenId], max_tokens: u32) -> Result<Vec<u8>, RemoteError> {
        let question = Question {
            model: self.model.as_deref(),
            prompt: prefix,
            max_tokens,
            temperature: 0,
            repetition_penalty: 1,
            logprobs: TOP,
            return_token_ids: true,
            return_tokens_as_token_ids: true,
        };
        serde_json::to_vec(&question).map_err(|error| RemoteError::BadAnswer(error.to_string()))
    }
}

impl RemoteModel for Remote {
    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        answer::token(self.tokens(prefix, 1).await?)
    }
}
