//! `GET /health`, `GET /v1/models`, `GET /v1/models/{name}`.

use crate::{
    backend::ModelInfo,
    error::ApiError,
    server::{Engine, Shared},
};
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
    let is_alive = match &shared.engine {
        Engine::Local(worker) => worker.is_alive(),
        Engine::Upstreams(_) => true,
    };
    let (code, status) = if is_alive { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "stopped") };
    (code, Json(json!({"status": status, "model": shared.models[0].name}))).into_response()
}

/// The list of models.
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let data: Value = shared.models.iter().map(|model| entry(&shared, model)).collect();
    Json(json!({"object": "list", "data": data}))
}

/// One model by its name.
pub(crate) async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(entry(&shared, &shared.models[shared.model(Some(&name))?])))
}

fn entry(shared: &Shared, model: &ModelInfo) -> Value {
    // An upstream may not say which tokenizer it has.
    let hash = Some(&model.tokenizer_sha256).filter(|hash| !hash.is_empty());
    json!({
        "id": model.name, "object": "model", "created": shared.created, "owned_by": "citer",
        "tokenizer_sha256": hash, "context": model.context, "sessions": true,
    })
}
