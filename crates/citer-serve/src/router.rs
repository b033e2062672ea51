//! The router: which path goes where.

use crate::{
    bundle, chat, completions, cors,
    error::ApiError,
    guard::{self, Guard},
    models, openapi, proxy,
    server::{Engine, ServeConfig, ServeError, Shared},
    sessions,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{Method, Uri, header::CONTENT_TYPE},
    middleware::from_fn_with_state,
    response::IntoResponse,
    routing::{any, delete, get, post},
};
use std::sync::Arc;

/// What Prometheus calls its text.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole service.
pub(crate) fn router(config: &ServeConfig, shared: Arc<Shared>, guard: Arc<Guard>) -> Result<Router, ServeError> {
    let (complete, chat) = match shared.engine {
        Engine::Local(_) => (post(completions::handle), post(chat::handle)),
        Engine::Upstreams(_) => (post(proxy::handle), post(proxy::handle)),
    };
    let api = Router::new()
        .route("/health", get(models::health))
        .route("/metrics", get(metrics_text))
        .route("/openapi.json", get(openapi::handle))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*name}", get(models::one))
        .route("/v1/completions", complete)
        .route("/v1/chat/completions", chat)
        .route("/v1/sessions", post(sessions::open))
        .route("/v1/sessions/{id}", delete(sessions::close))
        .route("/v1/sessions/{id}/tokens", post(sessions::tokens))
        .route("/v1", any(no_path))
        .route("/v1/", any(no_path))
        .route("/v1/{*rest}", any(no_path))
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(config.max_body))
        .layer(from_fn_with_state(guard, guard::guard))
        .with_state(shared);
    // CORS is outermost, so that a page can read errors too.
    Ok(api.fallback_service(bundle::router(config.web.as_deref())?).layer(cors::layer(&config.allow_origins)?))
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS)], shared.metrics.text())
}

async fn no_path(uri: Uri) -> ApiError {
    ApiError::path(uri.path())
}

async fn no_method(method: Method, uri: Uri) -> ApiError {
    ApiError::method(method.as_str(), uri.path())
}
