//! Chat completions: what comes back, whole and streamed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Scripted, bytes, start};
use serde_json::{Value, json};

const PATH: &str = "/v1/chat/completions";

fn question() -> Value {
    json!({"model": "scripted", "messages": [{"role": "user", "content": "q?"}]})
}

fn with(more: Value) -> Value {
    let mut body = question();
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
    body
}

#[tokio::test]
async fn a_message_with_usage_and_reason() {
    let server = start(Scripted::new(bytes("fine"))).await;
    let answer = server.ok(PATH, question()).await;
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"], json!({"role": "assistant", "content": "fine", "refusal": null}));
    assert_eq!((&answer["object"], &choice["finish_reason"]), (&json!("chat.completion"), &json!("stop")));
    assert_eq!(answer["usage"]["total_tokens"], 4 + 5);
    for name in ["max_tokens", "max_completion_tokens"] {
        let cut = server.ok(PATH, with(json!({name: 2}))).await;
        assert_eq!(cut["choices"][0]["message"]["content"], "fi");
        assert_eq!(cut["choices"][0]["finish_reason"], "length");
    }
    let stopped = server.ok(PATH, with(json!({"stop": "ne"}))).await;
    assert_eq!(stopped["choices"][0]["message"]["content"], "fi");
}

#[tokio::test]
async fn a_stream_begins_with_the_role_and_ends_with_the_reason() {
    let server = start(Scripted::new(bytes("é!"))).await;
    let body = with(json!({"stream_options": {"include_usage": true}}));
    let chunks = server.stream(PATH, body).await;
    let deltas: Vec<_> = chunks.iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect();
    let expected = [
        json!({"role": "assistant", "content": ""}),
        json!({"content": "é"}),
        json!({"content": "!"}),
        json!({}),
        Value::Null,
    ];
    assert_eq!(deltas, expected);
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[4]["usage"]["completion_tokens"], 4);
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == chunks[0]["id"]));
}

#[tokio::test]
async fn log_probabilities_and_ids_have_the_chat_shape() {
    let server = start(Scripted::new(bytes("a"))).await;
    let body = with(json!({"logprobs": true, "top_logprobs": 1, "return_token_ids": true}));
    let answer = server.ok(PATH, body.clone()).await;
    let entry = json!({"token": "a", "logprob": -0.25, "bytes": [97]});
    let mut expected = entry.clone();
    expected["top_logprobs"] = json!([entry]);
    assert_eq!(answer["choices"][0]["logprobs"]["content"][0], expected);
    assert_eq!(answer["choices"][0]["token_ids"], json!([bytes("a")[0], 0]));
    assert_eq!(answer["prompt_token_ids"].as_array().unwrap().len(), 4);
    let chunks = server.stream(PATH, body).await;
    assert_eq!(chunks[0]["prompt_token_ids"], answer["prompt_token_ids"]);
    assert_eq!(chunks[1]["choices"][0]["logprobs"]["content"][0], expected);
}
