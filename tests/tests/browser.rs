//! The page end to end: a real browser with WebGPU, the built page, the built server and the shipped pair.
//!
//! `cargo xtask e2e` runs it. What the page shows is compared with the server's own log and with the native run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::{TokenId, Trace};
use citer_tests::{
    browser::Browser,
    folder::{TemporaryFolder, copy},
    native::{self, Routed},
    page::{Look, Page, mark},
    product,
    server::Server,
};
use std::{fs, path::Path};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_routed_chat_streams_labels_and_survives_its_server() {
    let mut server = Server::start(Some(&product::dist()));
    let routed = native::routed(server.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(server.url()).await;

    let ready = page.until("the engine is ready", |look| look.engine != "loading").await;
    assert_eq!(ready.engine, "ready", "{}", ready.error);
    assert!(ready.adapter.to_lowercase().contains("webgpu"), "the adapter is {}", ready.adapter);
    page.until("the server is found", |look| look.server == "available").await;
    page.shot("ready").await;

    routed_answer(&page, &server, &routed).await;
    appearances(&page).await;
    local_answer(&page, &server, &routed).await;
    lost_server(&page, &mut server, &routed).await;
    browser.close().await;
}

/// Router mode: tokens stream, and page, log and native run agree on ids and sources.
async fn routed_answer(page: &Page<'_>, server: &Server, routed: &Routed) {
    let before = server.log().len();
    page.mode("router").await;
    page.threshold(routed.threshold).await;
    page.ask(&routed.question).await;
    let first = page.until("tokens stream", |look| !look.ids.is_empty()).await;
    assert_eq!(first.state, "streaming", "tokens are shown before the answer is finished");
    let more = page.until("more tokens stream", |look| look.ids.len() > first.ids.len()).await;
    assert_eq!(more.state, "streaming", "tokens are shown one by one");
    let done = page.finished().await;

    let native: Vec<&str> = routed.trace.events.iter().map(|event| mark(event.source)).collect();
    assert_eq!(done.ids, routed.trace.ids(), "ids of page and native run");
    assert_eq!(done.sources, native, "sources of page and native run");
    let log: Vec<TokenId> = server.log().split_off(before).concat();
    assert_eq!(log, remote_ids(&done), "the server's log and the tokens marked as its own");
    assert!(log.len() >= 2 && log.len() < done.ids.len(), "{done:?}");
}

/// The same question alone: no request, and no token that is not the SLM's.
async fn local_answer(page: &Page<'_>, server: &Server, routed: &Routed) {
    let before = server.log().len();
    page.new_chat().await;
    page.mode("local-only").await;
    page.ask(&routed.question).await;
    let done = page.finished().await;
    assert!(!done.ids.is_empty() && done.sources.iter().all(|source| source == "local"), "{done:?}");
    assert_eq!(server.log().len(), before, "local only makes no request");
}

/// The server dies in the middle of an answer that needs it for every token.
async fn lost_server(page: &Page<'_>, server: &mut Server, routed: &Routed) {
    page.new_chat().await;
    page.mode("remote-only").await;
    page.ask(&routed.question).await;
    let before = page.until("three tokens are there", |look| look.ids.len() >= 3).await;
    server.kill();
    assert_eq!(before.state, "streaming", "the answer is long enough to lose the server half way");
    let done = page.finished().await;
    page.shot("server-lost").await;
    assert!(done.ids.starts_with(&before.ids), "shown tokens stay: {:?} then {:?}", before.ids, done.ids);
    let lost = done.sources.iter().position(|source| source == "forced");
    let lost = lost.expect("the answer goes on without the server");
    assert!(lost >= before.ids.len(), "{done:?}");
    assert!(done.sources[..lost].iter().all(|source| source == "remote" || source == "agreed"), "{done:?}");
    assert!(done.sources[lost..].iter().all(|source| source == "forced"), "{done:?}");
    assert!(done.notices.iter().any(|notice| !notice.trim().is_empty()), "the page says what happened");
}

/// Light and dark, wide and narrow: nothing is wider than the window.
async fn appearances(page: &Page<'_>) {
    for scheme in ["light", "dark"] {
        for (name, width, height) in [("wide", 1280, 900), ("narrow", 390, 844)] {
            page.appearance(width, height, scheme).await;
            page.shot(&format!("answer-{scheme}-{name}")).await;
            let overflow = page.look().await.overflow;
            assert!(overflow <= 0, "{overflow} pixels too wide at {width}");
        }
    }
    page.appearance(1280, 900, "light").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn damaged_weights_are_named_and_the_question_stays() {
    let copy = TemporaryFolder::copy_of(&product::dist());
    let weights = copy.path().join("models/slm/model.safetensors");
    let bytes = fs::read(&weights).expect("the page carries its model in models/slm");
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let server = Server::start(Some(copy.path()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(server.url()).await;

    page.write("What is left of me?").await;
    let failed = page.until("loading ends", |look| look.engine != "loading").await;
    page.shot("damaged-weights").await;
    assert_eq!(failed.engine, "failed");
    assert!(failed.error.to_lowercase().contains("download"), "it says what to do: {}", failed.error);
    assert_eq!(failed.question, "What is left of me?");
    browser.close().await;
}

#[derive(serde::Deserialize)]
struct Expected {
    prompt: String,
    ids: Vec<TokenId>,
    scores: Vec<f64>,
    logits: Vec<Vec<f64>>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn the_browser_agrees_with_transformers() {
    for name in ["untied", "tied"] {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity").join(name);
        let json = fs::read(fixture.join("expected.json")).unwrap();
        let expected: Expected = serde_json::from_slice(&json).unwrap();
        let site = TemporaryFolder::copy_of(&product::dist());
        copy(&fixture, &site.path().join("models"));
        let server = Server::start(Some(site.path()));
        let browser = Browser::start().await;
        let page = Page(&browser.driver);
        page.open(&format!("{}/?server=none", server.url())).await;
        let ready = page.until("the engine is ready", |look| look.engine != "loading").await;
        assert_eq!(ready.engine, "ready", "{}", ready.error);
        page.mode("local-only").await;
        page.ask(&expected.prompt).await;
        let done = page.finished().await;
        let steps = expected.ids.len();
        assert_eq!(done.ids[..steps], expected.ids, "{name}: greedy ids");
        for (step, (got, wanted)) in done.scores.iter().zip(&expected.scores).enumerate() {
            assert!((got - wanted).abs() < 1e-3, "{name}: step {step}: score {got} instead of {wanted}");
        }
        let worst = largest_difference(&page.trace().await, &expected);
        println!("browser {name}: largest difference of a log probability {worst:e}");
        assert!(worst < 1e-3, "{name}: log probabilities off by {worst}");
        browser.close().await;
    }
}

/// The largest difference between a candidate's log probability in the trace and in the expected logits.
fn largest_difference(trace: &Trace, expected: &Expected) -> f64 {
    let mut worst = 0.0f64;
    for (event, logits) in trace.events.iter().zip(&expected.logits) {
        let total = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        assert!(event.local.len() >= 2, "the trace holds the candidates");
        for candidate in &event.local {
            let wanted = logits[candidate.id as usize] - total;
            worst = worst.max((f64::from(candidate.probability).ln() - wanted).abs());
        }
    }
    worst
}

fn remote_ids(look: &Look) -> Vec<TokenId> {
    let tokens = look.ids.iter().zip(&look.sources);
    tokens.filter(|(_, source)| *source == "remote" || *source == "agreed").map(|(id, _)| *id).collect()
}
