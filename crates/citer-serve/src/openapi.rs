//! `GET /openapi.json`: the API in OpenAPI's words.

use axum::Json;
use serde_json::{Map, Value, json};

/// Serves the document.
pub(crate) async fn handle() -> Json<Value> {
    Json(document())
}

/// Fields that completions and chats share.
fn sampling() -> Value {
    json!({
        "model": {"type": "string", "description": "A name of /v1/models; the first one when left out."},
        "max_tokens": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2, "default": 1},
        "top_p": top_p(),
        "seed": {"type": "integer"},
        "stop": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 4}]},
        "stream": {"type": "boolean", "default": false},
        "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "return_token_ids": {"type": "boolean", "default": false},
        "return_tokens_as_token_ids": {"type": "boolean", "default": false},
    })
}

fn top_p() -> Value {
    json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1,
        "description": "Only the most likely tokens that together reach this probability can be drawn."})
}

fn with(more: Value) -> Value {
    let mut properties = sampling();
    if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
        all.extend(more);
    }
    properties
}

fn body(schema: Value) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn operation(summary: &str, success: &str, mut more: Value) -> Value {
    let error = |text: &str| json!({"description": text, "content": {"application/json": {"schema": schema("Error")}}});
    more["summary"] = json!(summary);
    more["responses"] = json!({
        success: {"description": "What was asked for."},
        "400": error("A field is wrong; the message names it."),
        "401": error("No API key, or a wrong one."),
        "404": error("No such model, session or path."),
        "429": error("Busy, or the key's allowance is used up: wait for Retry-After seconds."),
    });
    more
}

/// The document.
pub(crate) fn document() -> Value {
    let ids = json!({"type": "array", "items": {"type": "integer", "minimum": 0}});
    let session = json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
    let name = json!([{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}]);
    let opened = json!({"type": "object", "properties": {
        "model": {"type": "string"},
        "tokenizer_sha256": {"type": "string", "description": "Refused unless it is the model's."},
    }});
    let next = json!({"type": "object", "required": ["position", "ids"], "properties": {
        "position": {"type": "integer", "minimum": 0, "description": "Where the ids belong; earlier ones stay, later ones go."},
        "ids": ids,
        "max_tokens": {"type": "integer", "minimum": 1, "default": 1},
        "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2, "default": 0},
        "top_p": top_p(),
        "seed": {"type": "integer"},
    }});
    let prompt = json!({"prompt": {"oneOf": [{"type": "string"}, ids]}, "logprobs": {"type": "integer", "maximum": 5}});
    let chat = json!({
        "messages": {"type": "array", "items": {"type": "object", "required": ["role", "content"], "properties": {
            "role": {"enum": ["system", "developer", "user", "assistant"]},
            "content": {"type": "string"},
        }}},
        "max_completion_tokens": {"type": "integer", "minimum": 1},
        "logprobs": {"type": "boolean"},
        "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
    });
    let mut paths = Map::new();
    let mut add = |path: &str, method: &str, operation: Value| {
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        entry[method] = operation;
    };
    add("/health", "get", operation("Whether the model answers.", "200", json!({"security": []})));
    add("/metrics", "get", operation("Counters for Prometheus.", "200", json!({})));
    add("/openapi.json", "get", operation("This document.", "200", json!({"security": []})));
    add("/v1/models", "get", operation("The models.", "200", json!({})));
    add("/v1/models/{name}", "get", operation("One model.", "200", json!({"parameters": name})));
    let complete =
        json!({"requestBody": body(json!({"type": "object", "required": ["prompt"], "properties": with(prompt)}))});
    add("/v1/completions", "post", operation("Continues a prompt.", "200", complete));
    let chat =
        json!({"requestBody": body(json!({"type": "object", "required": ["messages"], "properties": with(chat)}))});
    add("/v1/chat/completions", "post", operation("Answers a conversation.", "200", chat));
    add("/v1/sessions", "post", operation("Opens a session.", "201", json!({"requestBody": body(opened)})));
    add("/v1/sessions/{id}", "delete", operation("Forgets a session.", "204", json!({"parameters": session})));
    let tokens = json!({"parameters": session, "requestBody": body(next)});
    let mut tokens = operation("Adds ids and answers the next tokens.", "200", tokens);
    tokens["responses"]["409"] = json!({"description": "The session holds fewer tokens than the position says."});
    add("/v1/sessions/{id}/tokens", "post", tokens);
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Citer", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "security": [{"key": []}],
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": {"type": "object", "properties": {"error": {"type": "object", "properties": {
                "message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]}, "known": {"type": "integer"},
            }}}}},
        },
    })
}
