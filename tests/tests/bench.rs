//! The benchmark's page in a real browser: what a decoded token asks of WebGPU, and nothing made after the warm-up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tests::{browser::Browser, product, server::Server};
use serde_json::Value;
use std::time::{Duration, Instant};
use thirtyfour::WebDriver;

/// Longest wait: a software adapter takes minutes to compile its first kernels.
const PATIENCE: Duration = Duration::from_secs(300);

const OUTCOME: &str = "const { bench, benchError } = document.documentElement.dataset; return [bench, benchError];";

/// The report that the page at `url` comes to.
async fn report(driver: &WebDriver, url: &str) -> Value {
    driver.goto(url).await.unwrap();
    let begun = Instant::now();
    loop {
        let outcome = driver.execute(OUTCOME, vec![]).await.unwrap().json().clone();
        if let Some(report) = outcome[0].as_str() {
            return serde_json::from_str(report).unwrap();
        }
        assert!(outcome[1].is_null(), "the benchmark failed: {}", outcome[1]);
        assert!(begun.elapsed() < PATIENCE, "no report within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_token_makes_nothing_new_and_stays_within_its_calls() {
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let report =
        report(&browser.driver, &format!("{}/bench.html?contexts=13,47&decode=16&cache=f16", server.url())).await;
    println!("{report:#}");
    let speeds = report["speeds"].as_array().unwrap();
    assert_eq!(speeds.len(), 2, "both contexts fit");
    // SwiftShader has no 16-bit floats; what was asked for is not taken for what there is.
    assert_eq!(report["model"]["cache_bits"], 32, "{report}");
    for speed in speeds {
        let calls = |name: &str| speed["calls"][name].as_u64().unwrap();
        let tokens = speed["decoded"].as_u64().unwrap();
        let prefill = |name: &str| speed["prefill_calls"][name].as_u64().unwrap();
        assert_eq!((prefill("pipelines"), prefill("buffers")), (0, 0), "made for a prompt of another length: {speed}");
        assert_eq!(calls("pipelines"), 0, "pipelines after the warm-up: {speed}");
        assert_eq!(calls("buffers"), 0, "buffers after the warm-up: {speed}");
        assert!(calls("reads") <= tokens, "at most one read a token: {speed}");
        // The shipped SLM has two layers: at most 8 kernels a layer and 6 more, for the steps that ran ahead too.
        let steps = calls("dispatches") as f64 / report["dispatches_per_token"].as_f64().unwrap();
        assert!(report["dispatches_per_token"].as_u64().unwrap() <= 8 * 2 + 6, "{report}");
        assert!(steps.fract() == 0.0 && steps >= tokens as f64, "every dispatch belongs to a step: {speed}");
    }
    let variants = report["variants"].as_array().unwrap();
    let chosen: Vec<&Value> = variants.iter().filter(|variant| variant["chosen"] == true).collect();
    assert!(
        chosen.len() >= 7 && chosen.iter().all(|variant| variant["error"].as_f64().unwrap() <= 1.0),
        "{variants:?}"
    );
    browser.close().await;
}
