//! The real transport through a proxy that breaks connections on purpose: dozens of conversations with a server that answers
//! well, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../citer-core/tests/scripted/mod.rs"]
mod scripted;

use axum::{Json, Router, body::Bytes, extract::State, routing::post};
use citer_core::{Mode, RemoteError, RoutedDecoder, Sampling, Settings, Source, Split, StopFlag, TokenId};
use citer_remote::{
    Policy, Remote, Servers,
    proxy::{Proxy, Way},
};
use scripted::{END, ScriptedLocal, VOCAB, bytes_of, mix, slm_step};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpListener;

/// What the LLM says after `prompt`.
fn llm(seed: u64, prompt: &[TokenId]) -> TokenId {
    let random = mix(seed ^ 0x77, prompt);
    if random.is_multiple_of(2) {
        slm_step(seed, Sampling::GREEDY, prompt).token
    } else {
        (random >> 20) as TokenId % VOCAB as TokenId
    }
}

async fn complete(State(seed): State<u64>, body: Bytes) -> Json<Value> {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let prompt: Vec<TokenId> =
        body["prompt"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as TokenId).collect();
    Json(json!({"choices": [{"token_ids": [llm(seed, &prompt)], "finish_reason": "length"}]}))
}

async fn serve(seed: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/v1/completions", post(complete)).with_state(seed);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dozens_of_conversations_over_broken_connections() {
    let (mut faults, mut remote_tokens, mut forced) = (0, 0, 0);
    for seed in 0..36 {
        let address = serve(seed).await;
        let way = Way { jitter: Duration::from_millis(2), faults: 0.25, seed, ..Way::default() };
        let proxy = Proxy::start(address, way).await.unwrap();
        let remote = Remote::new(&format!("http://{}", proxy.address()), None, Duration::from_millis(250)).unwrap();
        // Hiding may not be tried on the same thread that the model blocks, so this one stands beside it.
        let policy = Policy {
            patience: Duration::from_millis(400),
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(20),
            seed,
            ..Policy::default()
        };
        let mut servers = Servers::new(vec![remote], policy);
        let settings = Settings {
            mode: Mode::RemoteOnly,
            max_tokens: 16,
            max_failures: 1_000,
            hide_wait: seed % 2 == 0,
            ..Settings::default()
        };
        let prompt = [9, 10 + seed as TokenId % 30];
        let mut local = ScriptedLocal::new(seed);
        let mut decoder = RoutedDecoder::new();
        let stop = StopFlag::default();
        let answer = decoder.answer(&mut local, &mut servers, &prompt, &settings, &stop, |_| {});
        let answer = tokio::time::timeout(Duration::from_secs(60), answer).await.expect("it hangs").unwrap();
        let mut context = prompt.to_vec();
        let mut bytes = Vec::new();
        for event in &answer.events {
            let (small, large) = (slm_step(seed, Sampling::GREEDY, &context).token, llm(seed, &context));
            match event.source {
                Source::Local => panic!("seed {seed}: remote only"),
                Source::Forced(_) => assert_eq!(event.id, small, "seed {seed}"),
                // Bytes changed on the way may read as another id; all others are the LLM's.
                Source::Agreed => assert_eq!(event.id, small, "seed {seed}"),
                Source::Remote => assert!(event.id == large && large != small, "seed {seed}"),
            }
            if event.id != END {
                bytes.extend(bytes_of(event.id));
            }
            context.push(event.id);
        }
        assert_eq!(answer.text(), String::from_utf8_lossy(&bytes), "seed {seed}");
        let split: Split = answer.events.iter().collect();
        faults += proxy.faults();
        remote_tokens += split.remote + split.agreed;
        forced += split.forced;
    }
    assert!(faults > 40 && remote_tokens > 100, "{faults} faults, {remote_tokens} remote, {forced} forced");
}

#[tokio::test]
async fn the_injected_round_trip_is_there_and_little_else() {
    let address = serve(1).await;
    let way = Way { round_trip: Duration::from_millis(40), ..Way::default() };
    let proxy = Proxy::start(address, way).await.unwrap();
    let mut remote = Remote::new(&format!("http://{}", proxy.address()), None, Duration::from_secs(5)).unwrap();
    for place in 0..5 {
        let begun = std::time::Instant::now();
        assert_eq!(remote.ask(&[9, place], 1).await.unwrap().token.token, llm(1, &[9, place]));
        assert!(begun.elapsed() >= Duration::from_millis(40));
    }
    assert_eq!(proxy.faults(), 0);
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_unreachable_by_https() {
    let address = serve(1).await;
    let mut remote = Remote::new(&format!("https://{address}"), None, Duration::from_secs(5)).unwrap();
    let failed = remote.ask(&[9], 1).await.unwrap_err();
    assert!(matches!(failed, RemoteError::Unreachable(_)), "{failed}");
}

#[tokio::test]
async fn a_name_that_is_nowhere_is_unreachable_and_the_answer_local() {
    let remote = Remote::new("http://no-such-host.invalid:1", None, Duration::from_secs(5)).unwrap();
    let mut servers = Servers::new(vec![remote], Policy::default());
    let settings = Settings { mode: Mode::RemoteOnly, max_tokens: 8, ..Settings::default() };
    let mut local = ScriptedLocal::new(3);
    let stop = StopFlag::default();
    let answer = RoutedDecoder::new().answer(&mut local, &mut servers, &[9], &settings, &stop, |_| {}).await.unwrap();
    assert!(!answer.events.is_empty());
    assert!(answer.events.iter().all(|event| matches!(event.source, Source::Forced(_))));
}
