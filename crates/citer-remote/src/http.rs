//! HTTP: the transport over reqwest, natively and in the browser. One request with a time limit, a cap on the answer's size
//! and precise errors.

use crate::{
    failure, timer,
    transport::{Method, Request, Response, Transport},
};
use citer_core::RemoteError;
use futures::StreamExt;
use reqwest::{
    Client, RequestBuilder, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
};
use std::{fmt, time::Duration};
use web_time::Instant;

/// Largest answer that is read, in bytes; one token and its candidates need about a thousand.
const MAX_BODY: usize = 1 << 20;

/// Browsers keep timers in 31 bits of milliseconds; an hour is longer than anybody waits for a token.
const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);

/// How long an HTTP/2 connection with requests under way may be silent before a ping, and how long its answer may take.
#[cfg(not(target_family = "wasm"))]
const ALIVE: Duration = Duration::from_secs(2);

/// A server's address and how to talk to it.
#[derive(Clone)]
pub struct Http {
    client: Client,
    base: Url,
    key: Option<String>,
    timeout: Duration,
    begun: Instant,
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
    /// A way to the server at `base_url` whose answers are awaited for at most `timeout`. No request is made here.
    ///
    /// # Errors
    /// An address that is not http or https.
    pub fn new(base_url: &str, timeout: Duration) -> Result<Self, RemoteError> {
        let bad = |detail: String| RemoteError::Unreachable(detail);
        let base = Url::parse(base_url.trim())
            .map_err(|error| bad(format!("{base_url:?} is not an address, {error}; write it as http://host:port")))?;
        match base.scheme() {
            "http" | "https" => {}
            other => return Err(bad(format!("{other} is not http"))),
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad("the address holds a password; give it as API key instead".into()));
        }
        // The first one to come decides for the whole program; later ones change nothing.
        #[cfg(not(target_family = "wasm"))]
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = client().map_err(|error| bad(format!("no HTTP client: {}", failure::cause(error))))?;
        let timeout = timeout.clamp(Duration::from_millis(1), MAX_TIMEOUT);
        Ok(Self { client, base, key: None, timeout, begun: Instant::now() })
    }

    /// Sends `key` as bearer token with every request.
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.set_key(key.into());
        self
    }

    pub(crate) fn set_key(&mut self, key: String) {
        self.key = Some(key);
    }

    fn keyed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
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
}

impl Transport for Http {
    async fn send(&self, request: Request) -> Result<Response, RemoteError> {
        let begun = Instant::now();
        let url = self.url(&request.path);
        let builder = match request.method {
            Method::Get => self.client.get(url),
            Method::Post => {
                let json = HeaderValue::from_static("application/json");
                self.client.post(url).header(CONTENT_TYPE, json).body(request.body)
            }
            Method::Delete => self.client.delete(url),
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
        let response = self.keyed(builder).timeout(self.timeout).send().await.map_err(|error| failed(error, None))?;
        let (status, retry_after) = (response.status(), seconds(response.headers()));
        let body = match read(response, failed).await {
            // The status says more than a body that could not be read.
            Err(_) if !status.is_success() => Vec::new(),
            body => body?,
        };
        Ok(Response { status: status.as_u16(), retry_after, body })
    }

    async fn sleep(&self, time: Duration) {
        timer::sleep(time).await;
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn limit(&self) -> Duration {
        self.timeout
    }
}

/// HTTP/2 where TLS agrees on it, else HTTP/1.1; connections stay open. Browsers do the same by themselves.
fn client() -> reqwest::Result<Client> {
    let builder = Client::builder();
    // A request that times out leaves an HTTP/2 connection open; the ping finds out whether the connection itself is dead.
    #[cfg(not(target_family = "wasm"))]
    let builder = builder.http2_keep_alive_interval(ALIVE).http2_keep_alive_timeout(ALIVE);
    builder.build()
}

fn seconds(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

async fn read(
    response: reqwest::Response,
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
