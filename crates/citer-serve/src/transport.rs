//! The transport to servers behind this one: HTTP/1.1, or HTTP/2 where TLS agrees on it, over connections that stay open.
//!
//! It follows no redirects: they would lead to addresses that are on no list.

use axum::{
    body::Body,
    http::{
        Method, Request, Response,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::{error::Error, sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a connection with requests under way may be silent before a ping, and how long an answer to that may take.
const ALIVE: Duration = Duration::from_secs(5);

/// A client for all upstreams.
pub(crate) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    patience: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// It took too long.
    #[error("no answer in {0} s")]
    Slow(u64),
    /// No connection, or one that broke.
    #[error("{0}")]
    Unreachable(String),
}

impl Transport {
    /// Answers have to begin within `patience`.
    pub fn new(patience: Duration) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // Without the system's certificates plain HTTP still works; TLS then says that it knows no issuer.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT.min(patience)));
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(ALIVE)
            .http2_keep_alive_timeout(ALIVE)
            .build(connector.enable_http1().enable_http2().wrap_connector(http));
        Ok(Self { client, patience })
    }

    /// Sends JSON and waits until the answer begins.
    pub async fn send(
        &self,
        method: Method,
        url: String,
        key: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Response<Body>, Failed> {
        let mut request = Request::builder().method(method).uri(url).header(CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let unreachable = |error: &dyn Error| Failed::Unreachable(cause(error));
        let request = request.body(Body::from(body)).map_err(|error| unreachable(&error))?;
        let answered = timeout(self.patience, self.client.request(request)).await;
        let answered = answered.map_err(|_| Failed::Slow(self.patience.as_secs()))?;
        Ok(answered.map_err(|error| unreachable(&error))?.map(Body::new))
    }
}

/// The innermost reason.
fn cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}
