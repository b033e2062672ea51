//! The page where there is no WebGPU, or none any more: the processor answers, the same, and the page says so. And the page in
//! a private window.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::TokenId;
use citer_tests::{
    browser::{Browser, INSECURE},
    folder::{TemporaryFolder, copy},
    models::Models,
    native::{self, Routed},
    page::{Look, Page, mark},
    product,
    server::Server,
};
use serde_json::{Value, json};
use std::{env, fs, path::Path, process::Command, time::Duration};

const PATIENCE: Duration = Duration::from_secs(120);

/// A loader whose programs for WebGPU always find their device lost.
const LOST: &str = r#"if (new URLSearchParams(location.search).get("device") !== "processor") {
  postMessage(JSON.stringify({ type: "died", cause: "device-lost", detail: "it is lost for good" }));
} else {
  importScripts("./citer-worker-cpu.js");
  wasm_bindgen({ module_or_path: "./citer-worker-cpu_bg.wasm" });
}"#;

const DIES: &str = r#"type: "died", cause: "device-lost", detail: "it is lost for good""#;
/// What a program says whose device cannot run it.
const NO_DEVICE: &str = r#"type: "no-device", error: "it computes wrong numbers""#;

/// The programs of the engine that the browser keeps for offline use.
const KEPT: &str = "return (async () => {
    const names = [];
    for (const name of await caches.keys())
        for (const request of await (await caches.open(name)).keys()) names.push(new URL(request.url).pathname);
    return names.filter(name => name.endsWith('.wasm') && name.includes('citer-worker')).sort();
})();";

/// What the page says about the processor.
const NOTE: &str = "return document.querySelector('#processor-note')?.textContent ?? '';";

async fn text(page: &Page<'_>, selector: &str) -> String {
    let script = "return document.querySelector(arguments[0])?.textContent ?? '';";
    page.script(script, vec![json!(selector)]).await.as_str().unwrap_or_default().to_owned()
}

async fn ready(page: &Page<'_>) -> Look {
    let look = page.until("the engine is ready", |look| look.engine == "ready" || look.engine == "failed").await;
    assert_eq!(look.engine, "ready", "{}", look.error);
    look
}

async fn on_the_device(page: &Page<'_>) {
    let script = "return document.querySelector('[data-offline]').dataset.offline;";
    page.value(PATIENCE, "the page is on the device", script, |kept| kept == "ready").await;
}

/// What the model says by itself.
async fn local(page: &Page<'_>, question: &str) -> Vec<TokenId> {
    page.new_chat().await;
    page.mode("local-only").await;
    page.ask(question).await;
    page.finished().await.ids
}

/// The native run's tokens, sources and requests.
async fn routed_as_natively(page: &Page<'_>, server: &Server, routed: &Routed) {
    page.until("the server is found", |look| look.server == "available").await;
    let before = server.log().len();
    page.mode("router").await;
    page.threshold(routed.threshold).await;
    page.ask(&routed.question).await;
    let done = page.finished().await;
    assert_eq!(done.ids, routed.trace.ids(), "ids of the native run");
    let sources: Vec<&str> = routed.trace.events.iter().map(|event| mark(event.source)).collect();
    assert_eq!(done.sources, sources, "sources of the native run");
    for (score, event) in done.scores.iter().zip(&routed.trace.events) {
        assert!((score - f64::from(event.score)).abs() < 1e-3, "score {score} instead of {}", event.score);
    }
    assert_eq!(page.trace().await.ids(), routed.trace.ids());
    let asked: Vec<TokenId> = server.log().split_off(before).concat();
    let remote = routed.trace.events.iter().filter(|event| event.source.is_remote());
    assert_eq!(asked, remote.map(|event| event.id).collect::<Vec<_>>(), "the server's log");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn without_webgpu_the_processor_answers_the_same() {
    let mut server = Server::start(Some(&product::dist()));
    let routed = native::routed(server.url());

    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(server.url()).await;
    assert!(ready(&page).await.adapter.contains("WebGpu"));
    assert_eq!(text(&page, "#processor-note").await, "", "nothing is said where WebGPU runs");
    let on_webgpu = local(&page, &routed.question).await;
    on_the_device(&page).await;
    let kept = page.script(KEPT, vec![]).await;
    assert_eq!(kept, json!(["/citer-worker_bg.wasm"]), "the other engine is not downloaded");
    browser.close().await;

    let browser = Browser::without_webgpu().await;
    let page = Page(&browser.driver);
    page.open(server.url()).await;
    let look = ready(&page).await;
    assert_eq!(look.adapter, "processor (burn-flex)");
    let said = page.value(PATIENCE, "it is said", NOTE, |said| said != "").await;
    assert!(said.as_str().unwrap().contains("chrome://gpu"), "{said}");
    routed_as_natively(&page, &server, &routed).await;
    assert_eq!(local(&page, &routed.question).await, on_webgpu, "ids on WebGPU");

    page.mode("router").await;
    for (name, width, height, scheme) in
        [("light", 1280, 900, "light"), ("dark", 1280, 900, "dark"), ("narrow", 360, 740, "light")]
    {
        page.appearance(width, height, scheme).await;
        page.script(
            "document.querySelector('#processor-note details').open = arguments[0]",
            vec![json!(name == "dark")],
        )
        .await;
        page.shot(&format!("processor-{name}")).await;
        assert!(page.look().await.overflow <= 0, "{name}: the page is wider than its window");
        audit(&page, name).await;
    }
    page.appearance(1280, 900, "light").await;
    page.click("#device-open").await;
    let script = "return document.querySelector('#device-text').textContent;";
    let is_there = |report: &Value| report.as_str().is_some_and(|report| report.contains("offline use"));
    let report = page.value(PATIENCE, "the report is there", script, is_there).await;
    assert!(report.as_str().unwrap().contains("adapter in use: processor (burn-flex)"), "{report}");
    page.shot("processor-report").await;

    on_the_device(&page).await;
    let kept = page.script(KEPT, vec![]).await;
    assert_eq!(kept, json!(["/citer-worker-cpu_bg.wasm", "/citer-worker_bg.wasm"]));
    server.kill();
    page.open(server.url()).await;
    ready(&page).await;
    assert_eq!(local(&page, &routed.question).await, on_webgpu, "ids without network");
    page.click("#processor-read").await;
    page.value(PATIENCE, "what was read goes away", NOTE, |said| said == "").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn the_page_says_what_is_missing() {
    let server = Server::start(Some(&product::dist()));
    // A page of another machine that comes without TLS has no WebGPU, and no storage either.
    let browser = Browser::without_webgpu().await;
    let page = Page(&browser.driver);
    let insecure = server.url().replace("127.0.0.1", INSECURE);
    page.open(&format!("{insecure}/?server=none")).await;
    assert_eq!(ready(&page).await.adapter, "processor (burn-flex)");
    let said = page.value(PATIENCE, "it is said", NOTE, |said| said != "").await;
    assert!(said.as_str().unwrap().contains("https"), "{said}");
    page.mode("local-only").await;
    page.ask("What is 3 + 4?").await;
    page.finished().await;
    page.shot("processor-insecure").await;

    // A browser that knows no WebGPU.
    let script = json!({"source": "delete Navigator.prototype.gpu"});
    browser.driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", script).await.unwrap();
    page.open(&format!("{}/?server=none", server.url())).await;
    assert_eq!(ready(&page).await.adapter, "processor (burn-flex)");
    let said = page.value(PATIENCE, "it is said", NOTE, |said| said != "").await;
    assert!(said.as_str().unwrap().contains("this browser has no WebGPU"), "{said}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_model_of_the_library_runs_on_the_processor() {
    let folder = TemporaryFolder::new();
    copy(&product::models().join("slm"), folder.path());
    fs::copy(product::models().join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let file = folder.path().join("small-q8.gguf");
    let mut convert = Command::new(product::citer());
    convert.arg("convert").arg(folder.path()).arg(&file).args(["--dtype", "q8_0"]);
    assert!(convert.status().unwrap().success());
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::without_webgpu().await;
    let page = Page(&browser.driver);
    let models = Models(&page);
    page.open(&format!("{}/?server=none", server.url())).await;
    ready(&page).await;
    models.open().await;
    models.import(std::slice::from_ref(&file)).await;
    let done = models.until("it is complete", |shelf| shelf.state == "complete").await;
    assert_eq!(done.verdict, "runs", "{done:?}");
    page.shot("processor-library").await;
    models.press("use").await;
    models.close().await;
    page.until("the engine starts anew", |look| look.engine != "ready").await;
    assert_eq!(ready(&page).await.adapter, "processor (burn-flex)");
    assert!(local(&page, "What is 3 + 4?").await.len() > 1);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn the_speed_on_the_processor_can_be_measured() {
    let server = Server::start(Some(&product::dist()));
    // A browser with WebGPU, on the processor all the same.
    let browser = Browser::start().await;
    browser.driver.goto(format!("{}/bench.html?engine=cpu&contexts=16,128&decode=64", server.url())).await.unwrap();
    let page = Page(&browser.driver);
    let script = "const { bench, benchError } = document.documentElement.dataset; return bench ?? benchError ?? '';";
    let report = page.value(PATIENCE, "there is a report", script, |report| report != "").await;
    let report: Value = serde_json::from_str(report.as_str().unwrap()).unwrap_or_else(|_| panic!("{report}"));
    println!("{report:#}");
    assert_eq!(report["environment"]["adapter"], "processor (burn-flex)");
    assert_eq!(report["speeds"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["ids"].as_array().unwrap().len(), 64, "{report}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn an_answer_goes_on_on_the_processor_when_the_device_stays_lost() {
    let site = TemporaryFolder::copy_of(&product::dist());
    // Without it, what changes on the server changes in the page.
    fs::remove_file(site.path().join("service-worker.js")).unwrap();
    let server = Server::start(Some(site.path()));
    let routed = native::routed(server.url());
    let middle = routed.trace.events.len() / 2;
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(&format!("{}/?fault=device-lost@{middle}", server.url())).await;
    assert!(ready(&page).await.adapter.contains("WebGpu"));
    fs::write(site.path().join("citer-engine.js"), LOST).unwrap();
    routed_as_natively(&page, &server, &routed).await;
    let done = page.look().await;
    assert_eq!((done.adapter.as_str(), done.answers), ("processor (burn-flex)", 1));
    assert!(done.notices.iter().any(|notice| notice.contains("on the processor now")), "{done:?}");
    let said = text(&page, "#processor-note").await;
    assert!(said.contains("the graphics device failed") && said.contains("lost for good"), "{said}");
    page.shot("processor-after-loss").await;

    // The device is back.
    fs::copy(product::dist().join("citer-engine.js"), site.path().join("citer-engine.js")).unwrap();
    page.click("#webgpu-again").await;
    page.until("WebGPU is used again", |look| look.engine == "ready" && look.adapter.contains("WebGpu")).await;
    assert_eq!(page.look().await.answers, 1, "the conversation is kept");

    // An adapter that is there and cannot be opened, or computes wrong numbers.
    fs::write(site.path().join("citer-engine.js"), LOST.replace(DIES, NO_DEVICE)).unwrap();
    page.open(&format!("{}/?server=none", server.url())).await;
    assert_eq!(ready(&page).await.adapter, "processor (burn-flex)");
    let said = page.value(PATIENCE, "it is said", NOTE, |said| said != "").await;
    assert!(said.as_str().unwrap().contains("computes wrong numbers"), "{said}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_private_window_answers_keeps_what_it_can_and_says_for_how_long() {
    let server = Server::start(Some(&product::dist()));
    let routed = native::routed(server.url());
    let browser = Browser::private().await;
    let page = Page(&browser.driver);
    page.open(server.url()).await;
    ready(&page).await;
    let said = text(&page, "#chats").await;
    assert!(said.contains("private window"), "it is said before anything is typed: {said}");
    routed_as_natively(&page, &server, &routed).await;
    page.write("half a question").await;
    on_the_device(&page).await;

    // A reload in the same window loses nothing.
    page.open(server.url()).await;
    ready(&page).await;
    let look = page.until("the conversation is shown again", |look| look.answers == 1).await;
    assert_eq!((look.ids, look.question.as_str()), (routed.trace.ids(), "half a question"));
    page.click("#models-open").await;
    let script = "return document.querySelector('#models').textContent;";
    let is_said = |words: &Value| words.as_str().is_some_and(|words| words.contains("private window"));
    page.value(PATIENCE, "what becomes of models is said", script, is_said).await;
    page.shot("private-window").await;
    browser.close().await;
}

/// Runs axe-core on the page.
async fn audit(page: &Page<'_>, name: &str) {
    let Some(axe) = env::var_os("CITER_AXE") else {
        println!("audit of {name}: skipped, because axe-core is not there (npm installs it)");
        return;
    };
    let source = fs::read_to_string(Path::new(&axe)).unwrap();
    page.script(&format!("if (!window.axe) {{ {source} }}"), vec![]).await;
    let script = "return axe.run(document, { resultTypes: ['violations'] }).then(result => result.violations.map(
        violation => `${violation.id}: ${violation.nodes.map(node => node.target).join(', ')}`));";
    assert_eq!(page.script(script, vec![]).await, json!([]), "{name}: what axe-core objects to");
}
