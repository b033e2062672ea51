//! Memory of the workers while a file of 600 MB is downloaded into the browser's storage and loaded onto the GPU.
//!
//! `cargo xtask memory` runs it: a software adapter takes two minutes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tests::{
    browser::Browser, folder::TemporaryFolder, models::Models, page::Page, product, server::Server,
    slow_server::SlowServer,
};
use serde_json::json;
use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

/// Longest wait for the download, and for the model to be ready.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Most bytes of a worker's memory.
const MOST: u64 = 300_000_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and a gigabyte of disk: `cargo xtask memory`"]
async fn a_large_file_is_never_in_memory() {
    let folder = TemporaryFolder::new();
    let file = folder.path().join("qwen3-0.6b.gguf");
    let mut synth = Command::new(product::citer());
    synth.args(["synth", "qwen3-0.6b"]).arg(&file).args(["--dtype", "q8_0", "--seed", "1"]);
    assert!(synth.status().unwrap().success());
    let bytes = fs::metadata(&file).unwrap().len();
    let site = SlowServer::fast(folder.path()).await;
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    let models = Models(&page);
    page.open(&format!("{}/?server=none", server.url())).await;
    page.until("the shipped model is ready", |look| look.engine == "ready").await;
    models.open().await;
    models.add(&format!("{}/qwen3-0.6b.gguf", site.url())).await;
    let found = models.within(PATIENCE, "it is judged", |shelf| shelf.rows == 1 && shelf.speed.is_some()).await;
    eprintln!("{found:?}");
    let begun = Instant::now();
    models.press("resume").await;
    let done = models.within(PATIENCE, "it is complete", |shelf| shelf.state == "complete").await;
    let download_seconds = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    models.press("use").await;
    models.close().await;
    page.within(PATIENCE, "the engine starts anew", |look| look.engine == "loading").await;
    let look = page.within(PATIENCE, "it is loaded", |look| look.engine == "ready" || look.engine == "failed").await;
    assert_eq!(look.engine, "ready", "{}", look.error);
    let load_seconds = begun.elapsed().as_secs_f64();
    let memory = page.script("return Number(document.querySelector('[data-engine]').dataset.memory);", vec![]).await;
    let memory = memory.as_u64().unwrap();
    println!(
        "{:#}",
        json!({
            "adapter": look.adapter, "file_bytes": bytes, "predicted_tokens_per_s": found.speed,
            "library_worker_peak_bytes": done.memory, "download_seconds": download_seconds,
            "engine_worker_peak_bytes": memory, "load_seconds": load_seconds,
        })
    );
    assert!(memory > 0 && memory <= MOST, "the engine's worker took {memory} bytes for a file of {bytes}");
    assert!(done.memory > 0 && done.memory <= MOST, "the library's worker took {} bytes", done.memory);
    browser.close().await;
}
