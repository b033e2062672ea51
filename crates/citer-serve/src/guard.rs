//! The guard around the API: keys, allowances, time limits, counting and the access log.

use crate::{
    allowance::{Allowance, Exhausted},
    answer::now,
    error::ApiError,
    keys::{ApiKeys, BadHash, KeyEntry},
    meter::{KeyState, Meter},
    metrics::Metrics,
    server::ServeConfig,
    spending::{Spending, SpendingError},
};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CONTENT_LENGTH},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Paths that need no key: they tell nothing about anybody.
const OPEN: [&str; 2] = ["/health", "/openapi.json"];
/// A number that joins an answer to its line in the log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What requests have to pass.
pub(crate) struct Guard {
    keys: ApiKeys,
    states: Vec<Arc<KeyState>>,
    timeout: Duration,
    max_body: usize,
    log: bool,
    pub metrics: Arc<Metrics>,
    next: AtomicU64,
}

impl Guard {
    /// Without keys in the settings nobody needs one.
    pub fn new(config: &ServeConfig, metrics: Arc<Metrics>) -> Result<Self, BadHash> {
        let state = |entry: &KeyEntry| {
            let allowance = Mutex::new(Allowance::new(entry.limits(), Instant::now()));
            Arc::new(KeyState { name: entry.name.clone(), allowance })
        };
        let (keys, states) = (ApiKeys::new(&config.keys)?, config.keys.iter().map(state).collect());
        let (timeout, max_body, log) = (config.request_timeout, config.max_body, config.access_log);
        Ok(Self { keys, states, timeout, max_body, log, metrics, next: AtomicU64::new(1) })
    }

    /// Keeps what keys use of the day in the file at `path`.
    pub fn spending(&self, path: &Path, keys: &[KeyEntry]) -> Result<Spending, SpendingError> {
        let hashes = keys.iter().map(|entry| entry.sha256.to_ascii_lowercase());
        Spending::open(path, hashes.zip(self.states.iter().cloned()).collect())
    }

    fn admit(&self, path: &str, headers: &HeaderMap) -> Result<Option<Arc<KeyState>>, ApiError> {
        if self.states.is_empty() || OPEN.contains(&path) {
            return Ok(None);
        }
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = value.and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        let place = key.and_then(|(_, key)| self.keys.find(key.trim())).ok_or_else(ApiError::unauthorised)?;
        let state = self.states[place].clone();
        if path != "/metrics" {
            let taken = state.allowance.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now(), now());
            taken.map_err(|Exhausted { budget, wait }| ApiError::exhausted(budget, wait))?;
        }
        Ok(Some(state))
    }

    /// Refuses a body that is announced as too long, before it is read; others end when they become too long.
    fn weigh(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > self.max_body as u64) {
            return Err(ApiError::body(StatusCode::PAYLOAD_TOO_LARGE, ""));
        }
        Ok(())
    }
}

/// Lets a request through, or answers for it.
pub(crate) async fn guard(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let (method, version) = (request.method().clone(), request.version());
    let id = guard.next.fetch_add(1, Ordering::Relaxed);
    let (meter, admitted) = match guard.admit(&path, request.headers()) {
        Ok(key) => (Arc::new(Meter::new(guard.metrics.clone(), key)), guard.weigh(request.headers())),
        Err(error) => (Arc::new(Meter::new(guard.metrics.clone(), None)), Err(error)),
    };
    let mut response = match admitted {
        Err(error) => error.into_response(),
        Ok(()) => {
            request.extensions_mut().insert(meter.clone());
            let answered = tokio::time::timeout(guard.timeout, next.run(request)).await;
            answered.unwrap_or_else(|_| ApiError::slow(guard.timeout).into_response())
        }
    };
    response.headers_mut().insert(REQUEST_ID, HeaderValue::from(id));
    let status = response.status().as_u16();
    guard.metrics.answered(&path, status);
    if guard.log {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let line = json!({
            "time": now(), "request": id, "protocol": format!("{version:?}"), "method": method.as_str(), "path": path,
            "status": status, "key": meter.owner(), "ms": (meter.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            "prompt_tokens": count(&meter.prompt), "cached_tokens": count(&meter.cached),
            "generated_tokens": count(&meter.generated),
        });
        eprintln!("{line}");
    }
    response
}
