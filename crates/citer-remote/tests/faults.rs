//! The client against a server on the loopback that answers, fails and lies in every way we know.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use citer_core::{Candidate, RemoteError, RemoteModel, RemoteToken};
use citer_remote::{Continuation, Http, Remote, ServerModel, Servers};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::TcpListener;

const LONG: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Fake {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Requests that fail with 500 before the first good answer.
    failures: usize,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Path, headers and body of a request.
type Seen = (String, HeaderMap, Vec<u8>);

async fn reply(State(fake): State<Fake>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut seen = fake.seen.lock().unwrap();
    seen.push((uri.path().into(), headers, body.to_vec()));
    if seen.len() <= fake.failures {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    (fake.status, fake.headers, fake.body).into_response()
}

async fn start(fake: &Fake) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(reply).with_state(fake.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// Answers every connection with `bytes`, then holds it open or closes it.
fn start_raw(bytes: &'static [u8], hold: bool) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept() {
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(bytes);
            if hold {
                held.push(socket);
            }
        }
    });
    format!("http://{address}")
}

fn remote(base: &str) -> Remote {
    Remote::new(base, Some("big".into()), LONG).unwrap()
}

async fn ask(fake: Fake) -> Result<RemoteToken, RemoteError> {
    remote(&start(&fake).await).next_token(&[1, 2, 3]).await
}

async fn ask_body(body: impl Into<Vec<u8>>) -> Result<RemoteToken, RemoteError> {
    ask(Fake { body: body.into(), ..Fake::default() }).await
}

fn good() -> Value {
    json!({
        "choices": [{
            "text": "x", "token_ids": [7],
            "logprobs": {"top_logprobs": [{
                "token_id:9": -1.5, "token_id:7": -0.5, "token_id:8": null, "the": -3.0, "token_id:x": -4.0,
            }]},
        }],
        "usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}},
    })
}

fn bad(result: Result<RemoteToken, RemoteError>) -> String {
    match result {
        Err(RemoteError::BadAnswer(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_token_with_its_candidates_and_cost() {
    let body = good().to_string().into_bytes();
    let fake = Fake { body: body.clone(), ..Fake::default() };
    let mut remote = remote(&start(&fake).await).with_api_key("s3cret");
    assert!(!format!("{remote:?}").contains("s3cret"));
    let token = remote.next_token(&[1, 2, 3]).await.unwrap();
    let (path, headers, sent) = fake.seen.lock().unwrap()[0].clone();
    assert_eq!(
        token,
        RemoteToken {
            token: 7,
            top: vec![
                Candidate { id: 7, probability: (-0.5f64).exp() as f32 },
                Candidate { id: 9, probability: (-1.5f64).exp() as f32 }
            ],
            bytes_sent: sent.len() as u64,
            bytes_received: body.len() as u64,
            tokens_sent: 3,
            tokens_cached: 2,
            tokens_received: 1,
            ..RemoteToken::default()
        }
    );
    assert_eq!(path, "/v1/completions");
    assert_eq!(headers["authorization"], "Bearer s3cret");
    assert_eq!(headers["content-type"], "application/json");
    let question: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(
        question,
        json!({"model": "big", "prompt": [1, 2, 3], "max_tokens": 1, "temperature": 0, "repetition_penalty": 1,
               "logprobs": 5, "return_token_ids": true, "return_tokens_as_token_ids": true})
    );
}

#[tokio::test]
async fn a_bare_answer_is_enough() {
    let token = ask_body(r#"{"choices":[{"token_ids":[0],"logprobs":null}],"usage":null}"#).await.unwrap();
    assert_eq!((token.token, token.top.len(), token.tokens_sent, token.tokens_cached), (0, 0, 3, 0));
}

#[tokio::test]
async fn answers_that_are_no_token_are_bad_answers() {
    let without = |place: &str, value: Value| {
        let mut body = good();
        *body.pointer_mut(place).unwrap() = value;
        body.to_string()
    };
    for (body, said) in [
        (String::new(), "empty"),
        ("<!doctype html><p>hello".into(), "web page"),
        (good().to_string()[..40].into(), "EOF"),
        ("[]".into(), "begins with []"),
        ("{}".into(), "choices"),
        ("\u{FFFD}\0".into(), "expected value"),
        (without("/choices", json!([])), "0 choices"),
        (without("/choices", json!([{"token_ids": [1]}, {"token_ids": [2]}])), "2 choices"),
        (without("/choices/0/token_ids", Value::Null), "return_token_ids"),
        (without("/choices/0/token_ids", json!([])), "0 tokens"),
        (without("/choices/0/token_ids", json!([1, 2])), "2 tokens"),
        (without("/choices/0/token_ids", json!(["7"])), "invalid type"),
        (without("/choices/0/token_ids", json!([-1])), "invalid value"),
        (without("/choices/0/token_ids", json!([4_294_967_296u64])), "invalid value"),
        (without("/choices/0/token_ids", json!([1.5])), "invalid type"),
        (without("/choices/0/logprobs", json!({"top_logprobs": "high"})), "invalid type"),
        (without("/usage", json!({"prompt_tokens": "many"})), "invalid type"),
    ] {
        let detail = bad(ask_body(body.clone()).await);
        assert!(detail.contains(said), "{body}: {detail}");
    }
    assert!(bad(ask_body(vec![b' '; (1 << 20) + 1]).await).contains("longer than 1048576 bytes"));
}

#[tokio::test]
async fn error_statuses_keep_the_servers_words() {
    for status in [400, 401, 404, 500, 502] {
        let body = br#"{"error":{"message":"no model big"}}"#.to_vec();
        let fake = Fake { status: StatusCode::from_u16(status).unwrap(), body, ..Fake::default() };
        assert_eq!(ask(fake).await, Err(RemoteError::Refused { status, message: "no model big".into() }));
    }
    let fake = Fake { status: StatusCode::BAD_GATEWAY, body: b"<html>gateway".to_vec(), ..Fake::default() };
    assert!(ask(fake).await.unwrap_err().to_string().contains("web page"));
}

#[tokio::test]
async fn a_busy_server_says_how_long_to_wait() {
    for (status, retry, seconds) in [
        (StatusCode::TOO_MANY_REQUESTS, Some("7"), 7),
        (StatusCode::SERVICE_UNAVAILABLE, None, 1),
        (StatusCode::TOO_MANY_REQUESTS, Some("Wed, 21 Oct 2065 07:28:00 GMT"), 1),
    ] {
        let mut headers = HeaderMap::new();
        retry.map(|value| headers.insert("retry-after", value.parse().unwrap()));
        assert_eq!(ask(Fake { status, headers, ..Fake::default() }).await, Err(RemoteError::Busy(seconds)));
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = remote(&base).next_token(&[1]).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn a_broken_connection_is_unreachable() {
    let chopped = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"choices\":";
    match remote(&start_raw(chopped, false)).next_token(&[1]).await {
        Err(RemoteError::Unreachable(detail)) => assert!(detail.contains("after 11 bytes"), "{detail}"),
        other => panic!("{other:?}"),
    }
    for start in [&b""[..], b"HTTP/1.1 2", b"SSH-2.0-nonsense\r\n"] {
        let error = remote(&start_raw(start, false)).next_token(&[1]).await.unwrap_err();
        assert!(matches!(error, RemoteError::Unreachable(_)), "{error}");
    }
}

#[tokio::test]
async fn silence_is_a_timeout_before_and_within_the_body() {
    for start in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"] {
        let base = start_raw(start, true);
        let mut remote = Remote::new(&base, None, Duration::from_millis(150)).unwrap();
        assert_eq!(remote.next_token(&[1]).await, Err(RemoteError::Timeout(150)));
    }
}

#[tokio::test]
async fn the_client_goes_on_after_a_failure() {
    let fake = Fake { body: good().to_string().into_bytes(), failures: 1, ..Fake::default() };
    let mut remote = remote(&start(&fake).await);
    let refused = RemoteError::Refused { status: 500, message: "it gave no reason".into() };
    assert_eq!(remote.next_token(&[1]).await, Err(refused));
    assert_eq!(remote.next_token(&[1]).await.unwrap().token, 7);
}

#[tokio::test]
async fn probing_finds_the_model() {
    let list = json!({"object": "list", "data": [
        {"id": "first", "tokenizer_sha256": "ab", "context": 512}, {"id": "big", "owned_by": "someone"}]});
    let base = start(&Fake { body: list.to_string().into_bytes(), ..Fake::default() }).await;
    let mut any = Remote::new(&base, None, LONG).unwrap();
    let first = ServerModel { name: "first".into(), tokenizer_sha256: Some("ab".into()), context: Some(512) };
    assert_eq!(any.probe().await, Ok(first));
    assert_eq!(any.model(), Some("first"));
    assert_eq!(remote(&base).probe().await.unwrap().tokenizer_sha256, None);
    for room in [json!({"max_model_len": 77}), json!({"meta": {"n_ctx": 77, "n_ctx_train": 512}})] {
        let mut listed = json!({"data": [{"id": "big"}]});
        listed["data"][0].as_object_mut().unwrap().extend(room.as_object().unwrap().clone());
        let base = start(&Fake { body: listed.to_string().into_bytes(), ..Fake::default() }).await;
        assert_eq!(remote(&base).probe().await.unwrap().context, Some(77));
    }
    let mut other = Remote::new(&base, Some("huge".into()), LONG).unwrap();
    match other.probe().await {
        Err(RemoteError::BadAnswer(detail)) => assert!(detail.contains("first, big"), "{detail}"),
        other => panic!("{other:?}"),
    }
    let none = start(&Fake { body: br#"{"data":[]}"#.to_vec(), ..Fake::default() }).await;
    assert!(matches!(Remote::new(&none, None, LONG).unwrap().probe().await, Err(RemoteError::BadAnswer(_))));
}

#[tokio::test]
async fn unusable_addresses_are_refused_at_once() {
    for (address, said) in [
        ("", "not an address"),
        ("localhost", "not an address"),
        ("/v1", "not an address"),
        ("localhost:8080", "is not http"),
        ("ftp://llm.example", "is not http"),
        ("http://me:word@llm.example", "API key"),
    ] {
        match Remote::new(address, None, LONG) {
            Err(RemoteError::Unreachable(detail)) => assert!(detail.contains(said), "{address}: {detail}"),
            other => panic!("{address}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn without_a_server_nothing_is_asked() {
    assert_eq!(Servers::<Http>::default().next_token(&[1]).await, Err(RemoteError::NotConfigured));
}

async fn several(body: Value) -> Result<Continuation, RemoteError> {
    let fake = Fake { body: body.to_string().into_bytes(), ..Fake::default() };
    remote(&start(&fake).await).tokens(&[1, 2, 3], 4).await
}

#[tokio::test]
async fn several_tokens_come_with_their_own_candidates() {
    let fake = Fake {
        body: json!({
            "choices": [{
                "token_ids": [7, 9], "finish_reason": "length",
                "logprobs": {"top_logprobs": [{"token_id:7": -0.5}, {"token_id:8": -2.0, "token_id:9": -0.1}]},
            }],
        })
        .to_string()
        .into_bytes(),
        ..Fake::default()
    };
    let found = remote(&start(&fake).await).tokens(&[1, 2, 3], 4).await.unwrap();
    let sent: Value = serde_json::from_slice(&fake.seen.lock().unwrap()[0].2).unwrap();
    assert_eq!((&sent["max_tokens"], &sent["temperature"], &sent["prompt"]), (&json!(4), &json!(0), &json!([1, 2, 3])));
    assert_eq!(found.tokens.iter().map(|t| t.token).collect::<Vec<_>>(), [7, 9]);
    assert_eq!(found.tokens[1].top.iter().map(|c| c.id).collect::<Vec<_>>(), [9, 8]);
    assert_eq!((found.stopped, found.tokens_sent), (false, 3));
}

#[tokio::test]
async fn ids_are_also_read_where_llama_cpp_writes_them() {
    let found = several(json!({
        "choices": [{
            "text": " a", "finish_reason": "stop",
            "logprobs": {"content": [{
                "id": 7, "token": " a", "logprob": -0.5,
                "top_logprobs": [{"id": 7, "logprob": -0.5}, {"id": 4, "logprob": -1.5}],
            }]},
        }],
    }))
    .await
    .unwrap();
    assert_eq!(found.tokens.len(), 1);
    assert_eq!(found.tokens[0].top.iter().map(|c| c.id).collect::<Vec<_>>(), [7, 4]);
    assert!(found.stopped);
}

#[tokio::test]
async fn a_stop_without_any_token_is_an_end_and_text_without_ids_is_refused() {
    let ended = several(json!({"choices": [{"text": "", "token_ids": [], "finish_reason": "stop"}]})).await.unwrap();
    assert!(ended.stopped && ended.tokens.is_empty());
    let no_ids = several(json!({"choices": [{"text": " a", "logprobs": {"tokens": [" a"]}}]})).await;
    assert!(matches!(no_ids, Err(RemoteError::BadAnswer(detail)) if detail.contains("no token_ids")));
}

/// Answers a list of models of SGLang, then `body`; what was asked and what came of it.
async fn sglang(body: Value) -> (Seen, Result<Continuation, RemoteError>) {
    let list = json!({"object": "list", "data": [{"id": "m", "owned_by": "sglang", "max_model_len": 300}]});
    let (probed, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let first = Fake { body: list.to_string().into_bytes(), seen: probed, ..Fake::default() };
    let second = Fake { body: body.to_string().into_bytes(), seen: asked.clone(), ..Fake::default() };
    let app = Router::new()
        .route("/v1/models", axum::routing::get(reply).with_state(first))
        .fallback_service(Router::new().fallback(reply).with_state(second));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut remote = Remote::new(&base, None, LONG).unwrap();
    assert_eq!(remote.probe().await.unwrap().context, Some(300));
    let found = remote.tokens(&[1, 2, 3], 4).await;
    let seen = asked.lock().unwrap()[0].clone();
    (seen, found)
}

#[tokio::test]
async fn sglang_is_asked_in_its_own_way() {
    let ((path, _, sent), found) = sglang(json!({
        "text": " a b", "output_ids": [7, 9],
        "meta_info": {
            "id": "x", "finish_reason": {"type": "stop", "matched": 9}, "prompt_tokens": 3, "completion_tokens": 2,
            "cached_tokens": 2, "output_token_logprobs": [[-0.5, 7, null], [-0.1, 9, null]],
            "output_top_logprobs": [[[-0.5, 7, null], [-1.5, 4, null]], [[-0.1, 9, null]]], "e2e_latency": 0.1,
        },
    }))
    .await;
    let question: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(path, "/generate");
    assert_eq!(
        question,
        json!({"input_ids": [1, 2, 3], "return_logprob": true, "top_logprobs_num": 5,
               "sampling_params": {"max_new_tokens": 4, "temperature": 0, "repetition_penalty": 1}})
    );
    let found = found.unwrap();
    assert_eq!(found.tokens.iter().map(|t| t.token).collect::<Vec<_>>(), [7, 9]);
    assert_eq!(found.tokens[0].top.iter().map(|c| c.id).collect::<Vec<_>>(), [7, 4]);
    assert_eq!((found.stopped, found.tokens_sent, found.tokens_cached), (true, 3, 2));
    assert_eq!(found.bytes_sent, sent.len() as u64);
}

#[tokio::test]
async fn an_sglang_without_ids_is_read_by_its_log_probabilities_and_one_that_gives_up_is_an_error() {
    let meta =
        |reason: Value, own: Value| json!({"meta_info": {"finish_reason": reason, "output_token_logprobs": own}});
    let (_, found) = sglang(meta(json!({"type": "length", "length": 1}), json!([[-0.5, 7, " a"]]))).await;
    let found = found.unwrap();
    assert_eq!((found.tokens.len(), found.tokens[0].token, found.stopped, found.tokens_sent), (1, 7, false, 3));
    let abort = json!({"type": "abort", "message": "out of memory", "status_code": 503});
    for (body, said) in [
        (meta(abort, json!([])), "out of memory"),
        (meta(json!({"type": "length"}), Value::Null), "neither output_ids"),
        (json!({"text": " a"}), "meta_info"),
    ] {
        match sglang(body).await.1 {
            Err(RemoteError::BadAnswer(detail)) => assert!(detail.contains(said), "{detail}"),
            other => panic!("{other:?}"),
        }
    }
}
