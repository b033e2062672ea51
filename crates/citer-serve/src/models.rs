//! `GET /health`, `GET /v1/models`, `GET /v1/models/{name}`.

use crate::{error::ApiError, server::Shared};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Whether the model answers, for monitors.
pub(crate) async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let (code, status) =
        if shared.worker.is_alive() { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "stopped") };
    (code, Json(json!({"status": status, "model": shared.model.name}))).into_response()
}

/// The list of the one model.
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({"object": "list", "data": [entry(&shared)]}))
}

/// One model by its name.
pub(crate) async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    if name == shared.model.name { Ok(Json(entry(&shared))) } else { Err(ApiError::model(&name, &shared.model.name)) }
}

fn entry(shared: &Shared) -> Value {
    json!({
        "id": shared.model.name, "object": "model", "created": shared.created, "owned_by": "citer",
        "tokenizer_sha256": shared.model.tokenizer_sha256, "context": shared.model.context,
    })
}
