//! Errors: the right status, OpenAI's shape, and words that name the field.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{CONTEXT, Scripted, VOCAB, bytes, config, start, start_with};
use reqwest::Response;
use serde_json::{Value, json};

const TEXT: &str = "/v1/completions";
const CHAT: &str = "/v1/chat/completions";

async fn error(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let error = body["error"].clone();
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    let keys: Vec<_> = error.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["code", "message", "param", "type"]);
    (status, error)
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let server = start(Scripted::new(vec![])).await;
    for (path, field, value) in [
        (TEXT, "prompt", Value::Null),
        (TEXT, "prompt", json!(7)),
        (TEXT, "prompt", json!("")),
        (TEXT, "prompt", json!([])),
        (TEXT, "prompt", json!(["a", "b"])),
        (TEXT, "prompt", json!([[1], [2]])),
        (TEXT, "prompt", json!([1, "a"])),
        (TEXT, "prompt", json!([-1])),
        (TEXT, "prompt", json!([1.5])),
        (TEXT, "prompt", json!([VOCAB])),
        (TEXT, "prompt", json!([u64::MAX])),
        (TEXT, "max_tokens", json!(0)),
        (TEXT, "max_tokens", json!(1_001)),
        (TEXT, "max_tokens", json!("many")),
        (TEXT, "temperature", json!(-0.1)),
        (TEXT, "temperature", json!(2.5)),
        (TEXT, "seed", json!(1.5)),
        (TEXT, "stop", json!("")),
        (TEXT, "stop", json!(["a", "b", "c", "d", "e"])),
        (TEXT, "stop", json!([1])),
        (TEXT, "logprobs", json!(6)),
        (TEXT, "logprobs", json!(true)),
        (TEXT, "stream", json!("yes")),
        (TEXT, "echo", json!(true)),
        (TEXT, "n", json!(2)),
        (TEXT, "best_of", json!(2)),
        (TEXT, "suffix", json!("end")),
        (TEXT, "top_p", json!(0)),
        (TEXT, "presence_penalty", json!(0.5)),
        (TEXT, "model", json!(3)),
        (CHAT, "messages", json!([])),
        (CHAT, "max_completion_tokens", json!(-1)),
        (CHAT, "top_logprobs", json!(2)),
        (CHAT, "logprobs", json!(2)),
        (CHAT, "tools", json!([{"type": "function"}])),
        (CHAT, "response_format", json!({"type": "json_object"})),
    ] {
        let mut body = json!({"prompt": "a", "messages": [{"role": "user", "content": "a"}]});
        body[field] = value.clone();
        let (status, error) = error(server.send(path, &body).await).await;
        assert_eq!((status, &error["type"]), (400, &json!("invalid_request_error")), "{field} {value}");
        assert_eq!(error["param"], field, "{error}");
        assert!(error["message"].as_str().unwrap().starts_with(field), "{error}");
    }
}

#[tokio::test]
async fn neutral_values_of_unsupported_fields_are_fine() {
    let server = start(Scripted::new(vec![])).await;
    let body = json!({"prompt": "a?", "n": 1, "best_of": 1, "echo": false, "top_p": 1.0, "presence_penalty": 0,
        "frequency_penalty": 0.0, "logit_bias": {}, "suffix": null, "user": "me"});
    server.ok(TEXT, body).await;
}

#[tokio::test]
async fn bodies_that_are_not_json_objects() {
    let server = start(Scripted::new(vec![])).await;
    for (body, said) in [("", "JSON"), ("{\"prompt\":", "JSON"), ("[1]", "object"), ("\u{FFFD}", "JSON")] {
        let response = server.client.post(server.base.clone() + TEXT).body(body).send().await.unwrap();
        let (status, error) = error(response).await;
        assert_eq!(status, 400);
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_hears_both_numbers() {
    let short = start_with(Scripted::new(vec![]), citer_serve::ServeConfig { max_prompt_tokens: 10, ..config() }).await;
    let whole = start(Scripted::new(vec![])).await;
    for (server, tokens, limit) in [(&short, 11, 10), (&whole, CONTEXT + 1, CONTEXT)] {
        let (status, error) = error(server.send(TEXT, &json!({"prompt": vec![5; tokens]})).await).await;
        assert_eq!((status, &error["code"]), (400, &json!("context_length_exceeded")));
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&tokens.to_string()) && message.contains(&limit.to_string()), "{message}");
    }
}

#[tokio::test]
async fn unknown_models_paths_and_methods() {
    let server = start(Scripted::new(vec![])).await;
    let (status, model) = error(server.send(TEXT, &json!({"model": "gpt", "prompt": "a"})).await).await;
    assert_eq!((status, &model["code"], &model["param"]), (404, &json!("model_not_found"), &json!("model")));
    for path in ["/v1", "/v1/", "/v1/embeddings", "/v1/models/gpt", "/v1/completions/x"] {
        assert_eq!(error(server.get(path).await).await.0, 404, "{path}");
    }
    for path in [TEXT, CHAT] {
        assert_eq!(error(server.get(path).await).await.0, 405, "{path}");
    }
    assert_eq!(error(server.send("/v1/models", &json!({})).await).await.0, 405);
}

#[tokio::test]
async fn a_body_that_is_too_large() {
    let config = citer_serve::ServeConfig { max_body: 1_000, ..config() };
    let server = start_with(Scripted::new(vec![]), config).await;
    let (status, _) = error(server.send(TEXT, &json!({"prompt": "a".repeat(2_000)})).await).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_failed_step_is_an_error_and_nothing_of_it_is_kept() {
    let server = start(Scripted::new(bytes("ok"))).await;
    server.ok(TEXT, json!({"prompt": "ab?"})).await;
    let (status, failed) = error(server.send(TEXT, &json!({"prompt": "ab#"})).await).await;
    assert_eq!((status, &failed["type"]), (500, &json!("server_error")));
    assert!(failed["message"].as_str().unwrap().contains("asked to fail"));
    let answer = server.ok(TEXT, json!({"prompt": "ab?"})).await;
    assert_eq!(answer["choices"][0]["text"], "ok");
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 2, "what others computed stays");
}

#[tokio::test]
async fn a_failure_within_a_stream_is_its_last_event() {
    // The script makes the model write the letter that lets it fail.
    let server = start(Scripted::new(bytes("o#k"))).await;
    let body = json!({"prompt": "?", "stream": true});
    let text = server.send(TEXT, &body).await.text().await.unwrap();
    let last = text.lines().rfind(|line| line.starts_with("data: ")).unwrap();
    let last: Value = serde_json::from_str(&last["data: ".len()..]).unwrap();
    assert_eq!(last["error"]["type"], "server_error", "{text}");
    assert!(text.contains("\"text\":\"o\""));
}

#[tokio::test]
async fn a_model_that_panics_is_reported_and_never_hangs() {
    let server = start(Scripted::new(vec![])).await;
    for prompt in ["~", "a"] {
        assert_eq!(error(server.send(TEXT, &json!({"prompt": prompt})).await).await.0, 500);
    }
    let health = server.get("/health").await;
    assert_eq!(health.status(), 503);
}
