//! Errors in OpenAI's shape: an HTTP status and `{"error": {"message", "type", "param", "code"}}`.

use crate::session_table::Lost;
use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use std::{borrow::Cow, time::Duration};

/// Seconds that a client waits when the queue is full.
const RETRY_SECONDS: u64 = 1;
/// Most characters that are passed on of what another server says.
const MAX_PASSED: usize = 500;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<Cow<'static, str>>,
    /// Tokens that a lost session holds.
    known: Option<usize>,
    /// Seconds to wait.
    retry: Option<u64>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), kind, param: None, code: None, known: None, retry: None }
    }

    /// 400: the request as a whole is wrong.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// 400: the field `param` is wrong; `detail` continues the field's name.
    pub fn field(param: &str, detail: impl std::fmt::Display) -> Self {
        Self { param: Some(param.into()), ..Self::bad(format!("{param} {detail}")) }
    }

    /// 400: more tokens than permitted.
    pub fn too_long(param: &str, tokens: usize, limit: usize) -> Self {
        let detail = format!("has {tokens} tokens and at most {limit} are permitted: shorten it");
        Self { code: Some("context_length_exceeded".into()), ..Self::field(param, detail) }
    }

    /// 404: another model.
    pub fn model<'a>(asked: &str, served: impl Iterator<Item = &'a str>) -> Self {
        let served = served.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let message = format!("the model {asked:?} does not exist: this server has {served}");
        let error = Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message);
        Self { param: Some("model".into()), code: Some("model_not_found".into()), ..error }
    }

    /// 404 or 409: the session is gone, or shorter than the client believes.
    pub fn session(lost: Lost) -> Self {
        let (status, known, message) = match lost {
            Lost::Unknown => (StatusCode::NOT_FOUND, 0, "there is no such session, or no longer".into()),
            Lost::Short { known } => (StatusCode::CONFLICT, known, format!("the session holds {known} tokens only")),
        };
        let message = format!("{message}: open a new one and send everything from position 0");
        Self { known: Some(known), ..Self::new(status, "session_lost", message) }
    }

    /// 404: another path.
    pub fn path(path: &str) -> Self {
        let message =
            format!("there is nothing at {path}: see /v1/models, /v1/completions, /v1/chat/completions, /v1/sessions");
        Self { code: Some("unknown_url".into()), ..Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message) }
    }

    /// 405.
    pub fn method(method: &str, path: &str) -> Self {
        let message = format!("{method} is not possible at {path}: use the method that the API describes");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message)
    }

    /// A body that could not be received.
    pub fn body(status: StatusCode, detail: &str) -> Self {
        let message = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "the request is larger than this server accepts: shorten it".into(),
            _ => format!("the request could not be received: {detail}"),
        };
        Self::new(status, "invalid_request_error", message)
    }

    /// 429: the queue is full.
    pub fn busy() -> Self {
        let message = format!("the server is busy: try again in {RETRY_SECONDS} s");
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        Self { code: Some("queue_full".into()), ..error }
    }

    /// 401: no key, or a wrong one.
    pub fn unauthorised() -> Self {
        let message = "this server needs an API key: send it as `Authorization: Bearer KEY`";
        let error = Self::new(StatusCode::UNAUTHORIZED, "authentication_error", message);
        Self { code: Some("invalid_api_key".into()), ..error }
    }

    /// 429: the key has used what it may.
    pub fn exhausted(budget: bool, wait: u64) -> Self {
        let (what, code) =
            if budget { ("today's tokens", "budget_exhausted") } else { ("requests a minute", "rate_limit_exceeded") };
        let message = format!("this key's {what} are used up: try again in {wait} s");
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        Self { code: Some(code.into()), retry: Some(wait), ..error }
    }

    /// 408: the body or the answer took too long.
    pub fn slow(limit: Duration) -> Self {
        let message = format!("the request took more than {} s: ask for less", limit.as_secs_f64());
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout_error", message)
    }

    /// 502: the server behind this one.
    pub fn upstream(message: &str) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "upstream_error", message)
    }

    /// An error of the server behind this one that concerns the client, in its words; its failures become 502.
    pub fn passed(status: u16, body: &Value, retry: Option<u64>) -> Self {
        let status = StatusCode::from_u16(status).ok().filter(StatusCode::is_client_error);
        let kind = match status {
            Some(StatusCode::TOO_MANY_REQUESTS) => "rate_limit_error",
            Some(_) => "invalid_request_error",
            None => "upstream_error",
        };
        let error = &body["error"];
        let short = |value: &Value| value.as_str().map(|text| text.chars().take(MAX_PASSED).collect::<String>());
        let message = short(&error["message"]).or_else(|| short(&body["message"]));
        let message = message.unwrap_or_else(|| "the server behind this one gave no reason: try again".into());
        let (param, code) = (short(&error["param"]), short(&error["code"]).map(Cow::Owned));
        Self { param, code, retry, ..Self::new(status.unwrap_or(StatusCode::BAD_GATEWAY), kind, message) }
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }

    /// The body.
    pub fn json(&self) -> Value {
        let mut body =
            json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}});
        if let Some(known) = self.known {
            body["error"]["known"] = json!(known);
        }
        body
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.json())).into_response();
        let is_busy = self.status == StatusCode::TOO_MANY_REQUESTS;
        if let Some(wait) = self.retry.or(is_busy.then_some(RETRY_SECONDS)) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
