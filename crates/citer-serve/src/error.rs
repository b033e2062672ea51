//! Errors in OpenAI's shape: an HTTP status and `{"error": {"message", "type", "param", "code"}}`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// Seconds that a client waits when the queue is full.
const RETRY_SECONDS: u16 = 1;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), kind, param: None, code: None }
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
        Self { code: Some("context_length_exceeded"), ..Self::field(param, detail) }
    }

    /// 404: another model.
    pub fn model(asked: &str, served: &str) -> Self {
        let message = format!("the model {asked:?} does not exist: this server has {served:?}");
        let error = Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message);
        Self { param: Some("model".into()), code: Some("model_not_found"), ..error }
    }

    /// 404: another path.
    pub fn path(path: &str) -> Self {
        let message = format!("there is nothing at {path}: see /v1/models, /v1/completions, /v1/chat/completions");
        Self { code: Some("unknown_url"), ..Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message) }
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
        Self { code: Some("queue_full"), ..error }
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }

    /// The body.
    pub fn json(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.json())).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        response
    }
}
