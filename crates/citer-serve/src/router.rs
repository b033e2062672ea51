//! The router: which path goes where.

use crate::{
    bundle, chat, completions, cors,
    error::ApiError,
    models,
    server::{ServeConfig, ServeError, Shared},
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, Uri},
    routing::{any, get, post},
};
use std::sync::Arc;

/// The whole service.
pub(crate) fn router(config: &ServeConfig, shared: Arc<Shared>) -> Result<Router, ServeError> {
    let api = Router::new()
        .route("/health", get(models::health))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*name}", get(models::one))
        .route("/v1/completions", post(completions::handle))
        .route("/v1/chat/completions", post(chat::handle))
        .route("/v1", any(no_path))
        .route("/v1/", any(no_path))
        .route("/v1/{*rest}", any(no_path))
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(config.max_body))
        .with_state(shared);
    // CORS is outermost, so that a page can read errors too.
    Ok(api.fallback_service(bundle::router(config.web.as_deref())?).layer(cors::layer(&config.allow_origins)?))
}

async fn no_path(uri: Uri) -> ApiError {
    ApiError::path(uri.path())
}

async fn no_method(method: Method, uri: Uri) -> ApiError {
    ApiError::method(method.as_str(), uri.path())
}
