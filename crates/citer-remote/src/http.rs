//! HTTP: one request with a time limit, a cap on the answer's size and precise errors.

use crate::failure;
use citer_core::RemoteError;
use futures::StreamExt;
use reqwest::{
    Client, RequestBuilder, Response, Url,
    header::{CONTENT_TYPE, HeaderValue},
};
use std::{fmt, time::Duration};
use web_time::Instant;

/// Largest answer that is read, in bytes; one token and its candidates need about a thousand.
const MAX_BODY: usize = 1 << 20;

/// Browsers keep timers in 31 bits of milliseconds; an hour is longer than anybody waits for a token.
const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);

/// A server's address and how to talk to it.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    base: Url,
    key: Option<String>,
    timeout: Duration,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_some() { "hidden" } else { "none" };
        f.debug_struct("Http")
            .field("base", &self.base.as_str())
            .field("key", &key)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl Http {
    pub(crate) fn new(base_url: &str, timeout: Duration) -> Result<Self, RemoteError> {
        let bad = |detail: String| RemoteError::Unreachable(detail);
        let base = Url::parse(base_url.trim())
            .map_err(|error| bad(format!("{base_url:?} is not an address, {error}; write it as http://host:port")))?;
        match base.scheme() {
            "http" => {}
            "https" if cfg!(target_family = "wasm") => {}
            "https" => return Err(bad("this program speaks http only, not https".into())),
            other => return Err(bad(format!("{other} is not http"))),
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad("the address holds a password; give it as API key instead".into()));
        }
        let client =
            Client::builder().build().map_err(|error| bad(format!("no HTTP client: {}", failure::cause(error))))?;
        let timeout = timeout.clamp(Duration::from_millis(1), MAX_TIMEOUT);
        Ok(Self { client, base, key: None, timeout })
    }

    pub(crate) fn set_key(&mut self, key: String) {
        self.key = Some(key);
    }

    /// The body of the answer to a GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>, RemoteError> {
        self.send(self.client.get(self.url(path))).await
    }

    /// The body of the answer to a POST of JSON.
    pub(crate) async fn post(&self, path: &str, json: Vec<u8>) -> Result<Vec<u8>, RemoteError> {
        let json_type = HeaderValue::from_static("application/json");
        self.send(self.client.post(self.url(path)).header(CONTENT_TYPE, json_type).body(json)).await
    }

    /// The address of `path` (starting with `/v1`) below the base, which may itself end in `/v1`.
    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let folder = url.path().trim_end_matches('/');
        let folder = folder.strip_suffix("/v1").unwrap_or(folder);
        let full = format!("{folder}{path}");
        url.set_path(&full);
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<Vec<u8>, RemoteError> {
        let begun = Instant::now();
        let request = match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        let failed = |error: reqwest::Error, read: Option<usize>| {
            // In browsers an abort while the body is read is not marked as a timeout, so the clock decides.
            if error.is_timeout() || begun.elapsed() >= self.timeout {
                return RemoteError::Timeout(self.timeout.as_millis() as u64);
            }
            RemoteError::Unreachable(match read {
                None => failure::cause(error),
                Some(bytes) => format!("the connection broke after {bytes} bytes, {}", failure::cause(error)),
            })
        };
        let response = request.timeout(self.timeout).send().await.map_err(|error| failed(error, None))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response, failed).await;
        if status.is_success() {
            return body;
        }
        // The status says more than a body that could not be read.
        Err(failure::of_status(status.as_u16(), &headers, &body.unwrap_or_default()))
    }
}

async fn read(
    response: Response,
    failed: impl Fn(reqwest::Error, Option<usize>) -> RemoteError,
) -> Result<Vec<u8>, RemoteError> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| failed(error, Some(body.len())))?;
        if body.len() + chunk.len() > MAX_BODY {
            return Err(RemoteError::BadAnswer(format!("it is longer than {MAX_BODY} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str) -> String {
        Http::new(base, Duration::from_secs(1)).unwrap().url("/v1/models").to_string()
    }

    #[test]
    fn every_usual_way_to_write_the_address_works() {
        for base in ["http://h:8080", "http://h:8080/", " http://h:8080/v1 ", "http://h:8080/v1/?a=b#c"] {
            assert_eq!(url(base), "http://h:8080/v1/models");
        }
        assert_eq!(url("http://h/llm/v1"), "http://h/llm/v1/models");
        assert_eq!(url("http://h/llm"), "http://h/llm/v1/models");
    }
}
