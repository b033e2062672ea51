//! Sessions: a conversation whose history stays on the server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use citer_serve::ServeConfig;
use common::{CONTEXT, Gate, Scripted, Server, VOCAB, bytes, config, start, start_with};
use serde_json::{Value, json};
use std::sync::Arc;

async fn open(server: &Server) -> String {
    let (status, answer) = server.post("/v1/sessions", &json!({"model": "scripted", "tokenizer_sha256": "ab12"})).await;
    assert_eq!((status.as_u16(), &answer["context"]), (201, &json!(CONTEXT)));
    assert!(answer["expires_in"].as_u64() > Some(60));
    answer["session"].as_str().unwrap().to_owned()
}

fn path(session: &str) -> String {
    format!("/v1/sessions/{session}/tokens")
}

async fn ask(server: &Server, session: &str, position: usize, ids: &[u32]) -> Value {
    server.ok(&path(session), json!({"position": position, "ids": ids, "max_tokens": 1, "logprobs": 2})).await
}

#[tokio::test]
async fn the_ids_are_those_of_a_completion_and_only_what_is_new_is_computed() {
    let server = start(Scripted::new(vec![])).await;
    let session = open(&server).await;
    let (mut history, mut suffix) = (Vec::new(), bytes("a prompt that is longer than a block"));
    for step in 0..8 {
        let position = history.len();
        history.extend_from_slice(&suffix);
        let answer = ask(&server, &session, position, &suffix).await;
        let body = json!({"prompt": history, "temperature": 0, "max_tokens": 1, "return_token_ids": true});
        let whole = server.ok("/v1/completions", body).await;
        assert_eq!(answer["ids"], whole["choices"][0]["token_ids"]);
        assert_eq!(answer["text"], whole["choices"][0]["text"]);
        assert_eq!((&answer["position"], &answer["finish_reason"]), (&json!(history.len()), &json!("length")));
        assert_eq!((&answer["cached"], &answer["computed"]), (&json!(position), &json!(suffix.len())), "{step}");
        assert_eq!(answer["logprobs"][0][0], json!({"id": answer["ids"][0], "logprob": -0.25}));
        assert!(answer["server_ms"].as_f64() >= Some(0.0) && answer["queue_ms"].as_f64() >= Some(0.0));
        // The answer's token and some that the client made itself.
        suffix = vec![answer["ids"][0].as_u64().unwrap() as u32];
        suffix.extend(bytes(&"xyz"[..step % 3]));
    }
}

#[tokio::test]
async fn several_tokens_and_the_end() {
    let server = start(Scripted::new(bytes("é!"))).await;
    let session = open(&server).await;
    let body = json!({"position": 0, "ids": bytes("q?"), "max_tokens": 9});
    let answer = server.ok(&path(&session), body).await;
    assert_eq!(answer["ids"], json!([bytes("é!"), vec![0]].concat()));
    assert_eq!((&answer["text"], &answer["finish_reason"]), (&json!("é!"), &json!("stop")));
    assert_eq!(answer["position"], 2, "what was answered counts once the client sends it");
    let on = ask(&server, &session, 2, &bytes("é")).await;
    assert_eq!((&on["text"], &on["computed"]), (&json!("!"), &json!(1)), "tokens computed ahead are kept");
}

#[tokio::test]
async fn an_earlier_position_takes_tokens_back() {
    let server = start(Scripted::new(vec![])).await;
    let session = open(&server).await;
    ask(&server, &session, 0, &bytes("abcdefghijklmnopqrstuvwxyz")).await;
    let turned = ask(&server, &session, 20, &bytes("12")).await;
    assert_eq!((&turned["position"], &turned["cached"], &turned["computed"]), (&json!(22), &json!(20), &json!(2)));
    let body = json!({"prompt": bytes("abcdefghijklmnopqrst12"), "temperature": 0, "max_tokens": 1,
        "return_token_ids": true});
    assert_eq!(turned["ids"], server.ok("/v1/completions", body).await["choices"][0]["token_ids"]);
    let again = ask(&server, &session, 20, &bytes("12")).await;
    assert_eq!((&again["ids"], &again["computed"]), (&turned["ids"], &json!(1)), "sent twice, computed once");
}

#[tokio::test]
async fn a_lost_session_is_named_and_costs_one_resend() {
    let server = start_with(Scripted::new(vec![]), ServeConfig { sessions: 1, ..config() }).await;
    let first = open(&server).await;
    let answer = ask(&server, &first, 0, &bytes("abc")).await;
    let second = open(&server).await;
    let (status, lost) = server.post(&path(&first), &json!({"position": 3, "ids": bytes("d")})).await;
    assert_eq!((status.as_u16(), &lost["error"]["type"]), (404, &json!("session_lost")));
    let (status, short) = server.post(&path(&second), &json!({"position": 3, "ids": bytes("d")})).await;
    assert_eq!((status.as_u16(), &short["error"]["type"]), (409, &json!("session_lost")));
    assert_eq!(short["error"]["known"], 0);
    let resent = ask(&server, &second, 0, &bytes("abc")).await;
    assert_eq!((&resent["ids"], &resent["computed"]), (&answer["ids"], &json!(1)), "the prefix is still cached");
    for expected in [204, 404] {
        let gone = server.client.delete(format!("{}/v1/sessions/{second}", server.base)).send().await.unwrap();
        assert_eq!(gone.status(), expected);
    }
}

#[tokio::test]
async fn bytes_do_not_depend_on_the_history() {
    let server = start(Scripted::new(vec![])).await;
    let mut sizes = Vec::new();
    for length in [10, 60] {
        let session = open(&server).await;
        ask(&server, &session, 0, &vec![bytes("a")[0]; length]).await;
        let body = json!({"position": length, "ids": [100], "max_tokens": 1, "logprobs": 2});
        let mut answer = server.ok(&path(&session), body.clone()).await;
        // Times have more or fewer digits.
        (answer["server_ms"], answer["queue_ms"]) = (json!(0), json!(0));
        sizes.push((body.to_string().len(), answer.to_string().len()));
    }
    assert_eq!(sizes[0], sizes[1]);
}

#[tokio::test]
async fn sessions_share_what_they_begin_with() {
    let backend = Scripted::new(vec![]);
    let fed = backend.fed();
    let server = start(backend).await;
    let start = bytes("the same instructions for everybody, ");
    for (name, cached) in [("ann", 0), ("bob", start.len())] {
        let session = open(&server).await;
        let answer = ask(&server, &session, 0, &[start.clone(), bytes(name)].concat()).await;
        assert_eq!(answer["cached"], cached);
    }
    assert_eq!(*fed.lock().unwrap(), [start.len() + 3, 3]);
}

#[tokio::test]
async fn tokens_are_drawn_as_in_a_request_without_a_session() {
    let server = start(Scripted::new(vec![])).await;
    let prompt = bytes("tell me");
    let mut drawn = Vec::new();
    for (seed, top_p) in [(1, 1.0), (2, 1.0), (1, 0.5)] {
        let manner = json!({"temperature": 0.8, "top_p": top_p, "seed": seed, "max_tokens": 6});
        let mut whole = manner.clone();
        (whole["prompt"], whole["return_token_ids"]) = (json!(prompt), json!(true));
        let whole = server.ok("/v1/completions", whole).await["choices"][0]["token_ids"].clone();
        // One token a request gives the same as all at once: a token's random number depends on its place.
        let session = open(&server).await;
        let (mut position, mut suffix, mut ids) = (0, prompt.clone(), Vec::new());
        for _ in 0..6 {
            let mut body = manner.clone();
            (body["position"], body["ids"], body["max_tokens"]) = (json!(position), json!(suffix), json!(1));
            let id = server.ok(&path(&session), body).await["ids"][0].clone();
            position += suffix.len();
            suffix = vec![id.as_u64().unwrap() as u32];
            ids.push(id);
        }
        assert_eq!(whole, json!(ids), "seed {seed}, top-p {top_p}");
        assert!(!drawn.contains(&ids), "seed {seed}, top-p {top_p}");
        drawn.push(ids);
    }
}

#[tokio::test]
async fn a_small_cache_computes_again_and_says_the_same() {
    // Two blocks: one conversation drives the other out.
    let server = start_with(Scripted::new(vec![]), ServeConfig { cache_bytes: 2 * 1_024, ..config() }).await;
    let (first, second) = (open(&server).await, open(&server).await);
    let (one, other) = (bytes("0123456789abcdefghijklmnop"), bytes("ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    ask(&server, &first, 0, &one).await;
    ask(&server, &second, 0, &other).await;
    let answer = ask(&server, &first, one.len(), &bytes("!")).await;
    assert_eq!((&answer["cached"], &answer["computed"]), (&json!(0), &json!(one.len() + 1)));
    let all = [one, bytes("!")].concat();
    let body = json!({"prompt": all, "temperature": 0, "max_tokens": 1,
        "return_token_ids": true});
    assert_eq!(answer["ids"], server.ok("/v1/completions", body).await["choices"][0]["token_ids"]);
}

#[tokio::test]
async fn many_sessions_at_once_say_what_each_says_alone() {
    let gate = Arc::new(Gate::default());
    let backend = Scripted::new(vec![]).gated(&gate);
    let batches = backend.batches();
    let server = start(backend).await;
    let prompt = |number: usize| bytes(&format!("{number} is the number"));
    let ask_at_once = async |number: usize| {
        let session = open(&server).await;
        let body = json!({"position": 0, "ids": prompt(number), "max_tokens": 4 + number % 3});
        server.ok(&path(&session), body).await["ids"].clone()
    };
    let opener = async {
        let waits = gate.clone();
        tokio::task::spawn_blocking(move || waits.wait_entered()).await.unwrap();
        // The first is held in its step; the others join it before the next one.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        gate.open();
    };
    let all = futures::future::join_all((0..12).map(ask_at_once));
    let (together, ()) = tokio::join!(all, opener);
    assert!(batches.lock().unwrap().iter().any(|rows| *rows >= 8), "{:?}", batches.lock().unwrap());
    for (number, ids) in together.iter().enumerate() {
        let body = json!({"prompt": prompt(number), "temperature": 0, "max_tokens": 4 + number % 3,
            "return_token_ids": true});
        assert_eq!(*ids, server.ok("/v1/completions", body).await["choices"][0]["token_ids"]);
    }
}

#[tokio::test]
async fn a_row_that_fails_leaves_the_others_alone() {
    let gate = Arc::new(Gate::default());
    let server = start(Scripted::new(vec![]).gated(&gate)).await;
    let ask = async |text: &str| {
        let body = json!({"prompt": text, "temperature": 0, "max_tokens": 3});
        server.post("/v1/completions", &body).await
    };
    let opener = async {
        let waits = gate.clone();
        tokio::task::spawn_blocking(move || waits.wait_entered()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        gate.open();
    };
    let (good, bad, other, ()) = tokio::join!(ask("good"), ask("b#d"), ask("other"), opener);
    assert_eq!((good.0.as_u16(), bad.0.as_u16(), other.0.as_u16()), (200, 500, 200));
    assert_eq!(ask("good").await.1["choices"][0]["text"], good.1["choices"][0]["text"]);
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let server = start(Scripted::new(vec![])).await;
    let session = open(&server).await;
    for (field, value) in [
        ("position", json!(-1)),
        ("position", json!(CONTEXT + 1)),
        ("ids", json!(null)),
        ("ids", json!([])),
        ("ids", json!("text")),
        ("ids", json!([VOCAB])),
        ("ids", json!(vec![1; CONTEXT + 1])),
        ("max_tokens", json!(0)),
        ("logprobs", json!(21)),
        ("temperature", json!(3)),
        ("top_p", json!(0)),
        ("top_p", json!(1.1)),
        ("seed", json!("x")),
    ] {
        let mut body = json!({"position": 0, "ids": [5]});
        body[field] = value.clone();
        let (status, answer) = server.post(&path(&session), &body).await;
        assert_eq!((status.as_u16(), &answer["error"]["param"]), (400, &json!(field)), "{value}: {answer}");
    }
    let (status, answer) = server.post("/v1/sessions", &json!({"tokenizer_sha256": "other"})).await;
    assert_eq!((status.as_u16(), &answer["error"]["param"]), (400, &json!("tokenizer_sha256")));
    let (status, _) = server.post("/v1/sessions", &json!({"model": "other"})).await;
    assert_eq!(status, 404);
}
