//! The web bundle: static files from a folder; page addresses without a file get index.html.

use crate::server::ServeError;
use axum::{
    Router,
    extract::State,
    handler::HandlerWithoutStateExt,
    http::{
        Extensions, HeaderMap, HeaderValue, StatusCode, Uri, Version,
        header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use std::path::{Path, PathBuf};
use tower_http::{compression::CompressionLayer, services::ServeDir};

/// Types that gzip makes smaller. Weights are left alone: they hardly shrink, and their size should be known.
const COMPRESSED: [&str; 5] = ["text/", "application/wasm", "application/javascript", "application/json", "image/svg"];

/// A router for everything outside the API.
pub(crate) fn router(folder: Option<&Path>) -> Result<Router, ServeError> {
    let Some(folder) = folder else {
        let hint = || async { (StatusCode::NOT_FOUND, "This server has no page; the API is under /v1.\n") };
        return Ok(Router::new().fallback_service(hint.into_service()));
    };
    let index = folder.join("index.html");
    if !index.is_file() {
        return Err(ServeError::Bundle(folder.into()));
    }
    let files = ServeDir::new(folder).fallback(get(page).with_state(index));
    Ok(Router::new()
        .fallback_service(files)
        .layer(map_response(with_headers))
        .layer(CompressionLayer::new().compress_when(worth_compressing)))
}

async fn page(State(index): State<PathBuf>, uri: Uri) -> Response {
    // A missing file must not look like a page: a browser would try to run HTML as a script.
    if uri.path().rsplit('/').next().is_some_and(|name| name.contains('.')) {
        return (StatusCode::NOT_FOUND, "There is no such file.\n").into_response();
    }
    match tokio::fs::read(&index).await {
        Ok(html) => Html(html).into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "The page's files are gone; build them again.\n").into_response(),
    }
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Files are asked for again, and answered "not modified", so that a new bundle is never mixed with an old one.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn worth_compressing(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    COMPRESSED.iter().any(|start| kind.starts_with(start))
}
