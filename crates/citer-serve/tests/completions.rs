//! Completions: what comes back, whole and streamed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{CONTEXT, END, Scripted, bytes, piece, start};
use serde_json::{Value, json};

const PATH: &str = "/v1/completions";

/// "né END!x" with token borders inside the accent and inside END.
fn script() -> Vec<u32> {
    [bytes("né "), vec![piece("EN"), piece("D!")], bytes("x")].concat()
}

fn joined(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect()
}

#[tokio::test]
async fn text_usage_and_reason() {
    let server = start(Scripted::new(script())).await;
    let answer = server.ok(PATH, json!({"model": "scripted", "prompt": "q?", "temperature": 0, "unknown": [1]})).await;
    let choice = &answer["choices"][0];
    assert_eq!(choice["text"], "né END!x");
    assert_eq!((&choice["finish_reason"], &choice["index"]), (&json!("stop"), &json!(0)));
    assert_eq!((&choice["logprobs"], choice.get("token_ids")), (&Value::Null, None));
    assert_eq!((&answer["object"], &answer["model"]), (&json!("text_completion"), &json!("scripted")));
    assert_eq!(
        answer["usage"],
        json!({"prompt_tokens": 2, "completion_tokens": 8, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 0}})
    );
    let cut = server.ok(PATH, json!({"prompt": "q?", "max_tokens": 1})).await;
    assert_eq!((&cut["choices"][0]["text"], &cut["choices"][0]["finish_reason"]), (&json!("n"), &json!("length")));
}

#[tokio::test]
async fn one_token_for_the_routed_decoder() {
    let server = start(Scripted::new(vec![])).await;
    let question = json!({"model": "scripted", "prompt": bytes("q?"), "max_tokens": 1, "temperature": 0, "logprobs": 5,
        "return_token_ids": true, "return_tokens_as_token_ids": true});
    let choice = server.ok(PATH, question).await["choices"][0].clone();
    assert_eq!(choice["token_ids"], json!([END]));
    assert_eq!(choice["prompt_token_ids"], json!(bytes("q?")));
    assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!(""), &json!("stop")));
    assert_eq!(choice["logprobs"]["tokens"], json!(["token_id:0"]));
    let top = choice["logprobs"]["top_logprobs"][0].as_object().unwrap();
    assert_eq!((top.len(), &top["token_id:0"], &top["token_id:1"]), (5, &json!(-0.25), &json!(-3.0)));
}

#[tokio::test]
async fn every_way_to_write_one_prompt() {
    let server = start(Scripted::new(script())).await;
    let mut answers = Vec::new();
    for prompt in [json!("q?"), json!(["q?"]), json!(bytes("q?")), json!([bytes("q?")])] {
        answers.push(server.ok(PATH, json!({"prompt": prompt})).await["choices"][0]["text"].clone());
    }
    assert_eq!(answers, vec![json!("né END!x"); 4]);
}

#[tokio::test]
async fn a_stop_string_is_found_across_tokens() {
    let server = start(Scripted::new(script())).await;
    for (stop, text, tokens) in [
        (json!("END"), "né ", 6),
        (json!(["zzz", "D!x", "é E"]), "n", 5),
        (json!(["!", "END!x"]), "né END", 6),
        (json!("END?"), "né END!x", 8),
        (json!([]), "né END!x", 8),
    ] {
        let body = json!({"prompt": "q?", "stop": stop, "return_token_ids": true});
        let answer = server.ok(PATH, body.clone()).await;
        let choice = &answer["choices"][0];
        assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!(text), &json!("stop")), "{stop}");
        assert_eq!(choice["token_ids"].as_array().unwrap().len(), tokens, "{stop}");
        assert_eq!(answer["usage"]["completion_tokens"], tokens, "{stop}");
        assert_eq!(joined(&server.stream(PATH, body).await), text, "{stop}");
    }
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let server = start(Scripted::new([bytes("日本"), bytes("é")[..1].to_vec()].concat())).await;
    for max_tokens in 1..=9 {
        let body = json!({"prompt": "q?", "max_tokens": max_tokens, "return_token_ids": true, "logprobs": 1,
            "stream_options": {"include_usage": true}});
        let whole = server.ok(PATH, body.clone()).await;
        let mut chunks = server.stream(PATH, body).await;
        let usage = chunks.pop().unwrap();
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"]["completion_tokens"], whole["usage"]["completion_tokens"]);
        assert!(chunks.iter().all(|chunk| chunk["usage"].is_null()));
        assert_eq!(joined(&chunks), whole["choices"][0]["text"].as_str().unwrap());
        let list = |name: &str| -> Vec<Value> {
            let lists = chunks.iter().filter_map(|chunk| chunk["choices"][0].pointer(name)?.as_array());
            lists.flatten().cloned().collect()
        };
        for name in ["/token_ids", "/logprobs/tokens", "/logprobs/text_offset", "/prompt_token_ids"] {
            assert_eq!(Some(&json!(list(name))), whole["choices"][0].pointer(name), "{name}");
        }
        let reasons: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
        assert_eq!(reasons.last(), Some(&&whole["choices"][0]["finish_reason"]));
        assert!(reasons[..reasons.len() - 1].iter().all(|reason| reason.is_null()));
    }
}

#[tokio::test]
async fn characters_cut_by_the_length_become_replacement_characters() {
    let server = start(Scripted::new(bytes("日本"))).await;
    let answer = server.ok(PATH, json!({"prompt": "q?", "max_tokens": 4})).await;
    assert_eq!(answer["choices"][0]["text"], "日\u{FFFD}");
}

#[tokio::test]
async fn log_probabilities_have_openais_shape() {
    let server = start(Scripted::new(bytes("é"))).await;
    let body = json!({"prompt": "q?", "logprobs": 2});
    let logprobs = server.ok(PATH, body).await["choices"][0]["logprobs"].clone();
    assert_eq!(logprobs["tokens"], json!(["bytes:\\xc3", "bytes:\\xa9", ""]));
    assert_eq!(logprobs["token_logprobs"], json!([-0.25, -0.25, -0.25]));
    assert_eq!(logprobs["text_offset"], json!([0, 0, 1]));
    assert_eq!(logprobs["top_logprobs"][2], json!({"token_id:0": -0.25, "token_id:1": -3.0}));
    let none = server.ok(PATH, json!({"prompt": "q?", "logprobs": 0})).await;
    assert_eq!(none["choices"][0]["logprobs"]["top_logprobs"][0], json!({}));
}

#[tokio::test]
async fn a_seed_repeats_an_answer() {
    let server = start(Scripted::new(vec![])).await;
    let ask = async |seed: Value| {
        let body = json!({"prompt": "hello", "seed": seed, "temperature": 1, "max_tokens": 20});
        server.ok(PATH, body).await["choices"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask(json!(1)).await, ask(json!(1)).await);
    assert_ne!(ask(json!(1)).await, ask(json!(2)).await);
    assert_eq!(ask(json!(-1)).await, ask(json!(-1)).await);
    assert_ne!(ask(Value::Null).await, ask(Value::Null).await);
}

#[tokio::test]
async fn a_growing_prompt_is_not_computed_again() {
    let backend = Scripted::new(vec![]);
    let fed = backend.fed();
    let server = start(backend).await;
    let ask = async |prompt: Vec<u32>| {
        fed.lock().unwrap().clear();
        let body = json!({"prompt": prompt, "max_tokens": 1, "temperature": 0, "return_token_ids": true});
        let answer = server.ok(PATH, body).await;
        let cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
        (cached, fed.lock().unwrap().clone(), answer["choices"][0]["token_ids"][0].clone())
    };
    let (cached, fed, first) = ask(bytes("abcd")).await;
    assert_eq!((cached, fed), (0, vec![4]));
    let (cached, fed, again) = ask(bytes("abcd")).await;
    assert_eq!((cached, fed, again), (3, vec![1], first), "the last token is always fed");
    let (cached, fed, other) = ask(bytes("abXYZ")).await;
    assert_eq!((cached, fed), (2, vec![3]));
    // A cache that kept the wrong tokens would change the scripted model's choice.
    assert_eq!(ask(bytes("QQ")).await.0, 0);
    assert_eq!(ask(bytes("abXYZ")).await, (4, vec![1], other), "another prompt in between takes nothing away");
}

#[tokio::test]
async fn a_full_context_ends_the_answer() {
    let server = start(Scripted::new(vec![])).await;
    for prompt in [CONTEXT - 3, CONTEXT] {
        let body = json!({"prompt": "a".repeat(prompt), "max_tokens": 50});
        let answer = server.ok(PATH, body).await;
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(answer["usage"]["completion_tokens"], CONTEXT - prompt + 1);
    }
}
