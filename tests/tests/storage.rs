//! The browser's storage when it does not do what it should, and files of this device.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::trace::ENTROPY;
use citer_tests::{
    browser::Browser,
    folder::{TemporaryFolder, copy},
    models::Models,
    page::Page,
    product,
    server::Server,
    slow_server::SlowServer,
};
use serde_json::json;
use std::{fs, process::Command, time::Duration};

/// The shipped SLM as anybody's folder of files.
fn shipped() -> TemporaryFolder {
    let folder = TemporaryFolder::new();
    copy(&product::models().join("slm"), folder.path());
    fs::copy(product::models().join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    folder
}

/// Lets the server's pages store so many bytes.
async fn quota(browser: &Browser, server: &Server, bytes: u64) {
    let quota = json!({"origin": server.url(), "quotaSize": bytes});
    browser.driver.cdp().send_raw("Storage.overrideQuotaForOrigin", quota).await.expect("the browser takes a quota");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_full_storage_is_said_to_be_full_and_nothing_stored_is_lost() {
    let folder = shipped();
    let site = SlowServer::start(folder.path()).await;
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    let models = Models(&page);
    page.open(&format!("{}/?server=none", server.url())).await;
    // The page keeps a copy of itself first, so that what it uses stays as it is.
    let script = "return document.querySelector('[data-offline]').dataset.offline;";
    page.value(Duration::from_secs(60), "the page is on the device", script, |kept| kept == "ready").await;
    models.open().await;
    models.add(site.url()).await;
    let found = models.until("the model is found", |shelf| shelf.rows == 1).await;
    // Room for half of it, beside what the page itself keeps.
    let used = page.script("return navigator.storage.estimate().then(estimate => estimate.usage);", vec![]).await;
    let half = used.as_u64().unwrap() + found.bytes / 2;
    quota(&browser, &server, half).await;
    models.press("resume").await;
    models.until("it says so", |shelf| shelf.said.contains("full") && shelf.state == "partial").await;
    models.until("what does not go on the disk does not fit", |shelf| shelf.verdict == "does-not-fit").await;
    let kept = models.stored().await;
    page.shot("storage-full").await;
    quota(&browser, &server, used.as_u64().unwrap() + (64 << 20)).await;
    models.press("resume").await;
    let done = models.until("it is complete", |shelf| shelf.state == "complete").await;
    assert_eq!(done.stored, done.bytes);
    assert!(["runs", "slowly"].contains(&done.verdict.as_str()), "{done:?}");
    assert!(models.stored().await.len() > kept.len());
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_browser_without_site_data_answers_and_says_why_it_keeps_no_models() {
    let server = Server::start(Some(&product::dist()));
    // As a person sets it: sites may not save data.
    let browser = Browser::with(json!({"profile.default_content_setting_values.cookies": 2})).await;
    let page = Page(&browser.driver);
    let models = Models(&page);
    page.open(&format!("{}/?server=none", server.url())).await;
    let engine = page.until("the engine is ready", |look| look.engine == "ready" || look.engine == "failed").await;
    assert_eq!(engine.engine, "ready", "{}", engine.error);
    page.mode("local-only").await;
    page.ask("What is 3 + 4?").await;
    page.finished().await;
    models.open().await;
    let denied = models.until("it says why", |shelf| !shelf.words.is_empty()).await;
    assert!(denied.words.contains("site data"), "{denied:?}");
    page.shot("storage-denied").await;
    models.add("http://127.0.0.1:9/model.gguf").await;
    let denied = models.until("it says so again", |shelf| shelf.words.contains("site data")).await;
    assert_eq!(denied.rows, 0, "{denied:?}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_file_of_this_device_is_imported_and_asks_where_it_is_unsure() {
    let folder = TemporaryFolder::new();
    let file = folder.path().join("small-q8.gguf");
    let model = shipped();
    let mut convert = Command::new(product::citer());
    convert.arg("convert").arg(model.path()).arg(&file).args(["--dtype", "q8_0"]);
    assert!(convert.status().unwrap().success());
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    let models = Models(&page);
    page.open(server.url()).await;
    models.open().await;
    models.import(std::slice::from_ref(&file)).await;
    let done = models.until("it is complete", |shelf| shelf.state == "complete").await;
    assert_eq!(done.stored, fs::metadata(&file).unwrap().len(), "{done:?}");
    assert!(["runs", "slowly"].contains(&done.verdict.as_str()), "{done:?}");
    models.press("use").await;
    models.close().await;
    page.until("the engine starts anew", |look| look.engine != "ready").await;
    let look = page.until("the engine is ready", |look| look.engine == "ready" || look.engine == "failed").await;
    assert_eq!(look.engine, "ready", "{}", look.error);
    page.until("the server is known", |look| look.server == "available").await;
    page.mode("router").await;
    // Finding out what the server can do may have asked it something.
    let before = server.log().len();
    let help = page.script("return document.querySelector('.mode-help').textContent;", vec![]).await;
    assert!(help.as_str().is_some_and(|help| help.contains("no router") && help.contains("entropy")), "{help}");
    models.open().await;
    let row = "return document.querySelector('#models li[data-model-state] .model-judge')?.textContent ?? '';";
    page.value(Duration::from_secs(10), "the model's row says so", row, |words| {
        words.as_str().is_some_and(|words| words.contains("no router") && words.contains("entropy"))
    })
    .await;
    for (scheme, width) in [("light", 1280), ("dark", 360)] {
        page.appearance(width, 900, scheme).await;
        page.shot(&format!("models-no-router-{scheme}-{width}")).await;
    }
    page.appearance(1280, 900, "light").await;
    models.close().await;
    // Nothing is below 0, and no entropy is sure enough for 1.
    for (threshold, asked) in [(0.0, false), (1.0, true)] {
        page.new_chat().await;
        page.threshold(threshold).await;
        page.ask("What is 3 + 4?").await;
        let answer = page.finished().await;
        assert!(answer.scores.iter().all(|score| (0.0..1.0).contains(score)), "{answer:?}");
        assert!(answer.scores.iter().any(|score| *score != answer.scores[0]), "they follow the model: {answer:?}");
        assert!(answer.sources.iter().all(|source| (source != "local") == asked), "{threshold}: {answer:?}");
        assert_eq!(server.log().len() > before, asked, "{threshold}");
        let trace = page.trace().await;
        assert_eq!(trace.router.map(|router| router.name).as_deref(), Some(ENTROPY));
    }
    page.script("document.querySelector('article [data-token]').focus();", vec![]).await;
    let card = "return document.querySelector('#token-card').textContent;";
    page.value(Duration::from_secs(10), "the token's card says why", card, |words| {
        words.as_str().is_some_and(|words| words.contains("unsure") && words.contains("Score from entropy"))
    })
    .await;
    page.shot("card-no-router").await;
    // Its fastest kernel variants are kept for the next visit.
    let script = "return (async () => {
        const engine = await (await navigator.storage.getDirectory()).getDirectoryHandle('engine');
        const files = [];
        for await (const [, file] of (await engine.getDirectoryHandle('tuning')).entries())
            files.push(JSON.parse(await (await file.getFile()).text()));
        return files.map(record => record.tuning.decode.head.rows);
    })();";
    let kept = page.script(script, vec![]).await;
    assert!(kept.as_array().is_some_and(|kept| !kept.is_empty() && kept.iter().all(|rows| rows.is_u64())), "{kept}");
    // A file that is no model leaves nothing behind.
    let other = folder.path().join("notes.txt");
    fs::write(&other, "no model").unwrap();
    models.open().await;
    models.import(&[other]).await;
    let refused = models.until("it is refused", |shelf| !shelf.words.is_empty()).await;
    assert_eq!(refused.rows, 1, "{refused:?}");
    browser.close().await;
}

/// What the device report says: how many kernel variants were tried, and whether they were known.
async fn kernels(page: &Page<'_>) -> (u64, bool) {
    let look = page.until("the engine is ready", |look| look.engine == "ready" || look.engine == "failed").await;
    assert_eq!(look.engine, "ready", "{}", look.error);
    page.click("#device-open").await;
    let script = "return document.querySelector('#device-text').textContent;";
    let told = |text: &serde_json::Value| text.as_str().is_some_and(|text| text.contains("features"));
    let text = page.value(Duration::from_secs(30), "the report is there", script, told).await;
    let text = text.as_str().unwrap();
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
    let tried = line("kernel variants tried: ").split(',').next().unwrap().parse().unwrap();
    (tried, line("known from an earlier visit: ") == "yes")
}

/// Rewrites every kept record of kernel variants.
async fn rewrite(page: &Page<'_>, change: &str) {
    let script = format!(
        "return (async () => {{
            const engine = await (await navigator.storage.getDirectory()).getDirectoryHandle('engine');
            let count = 0;
            for await (const [, file] of (await engine.getDirectoryHandle('tuning')).entries()) {{
                const text = await (await file.getFile()).text();
                const stream = await file.createWritable();
                await stream.write(({change})(text));
                await stream.close();
                count += 1;
            }}
            return count;
        }})();"
    );
    assert_eq!(page.script(&script, vec![]).await, json!(1), "one model was loaded on one adapter");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn kernel_variants_are_tried_once_unless_their_record_is_damaged_or_foreign() {
    let server = Server::start(Some(&product::dist()));
    let url = format!("{}/?server=none", server.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(&url).await;
    let (all, known) = kernels(&page).await;
    assert!(!known, "there was no earlier visit");
    page.open(&url).await;
    let (fewer, known) = kernels(&page).await;
    assert!(known && fewer < all, "{fewer} of {all} variants are tried again");
    // Cut short by a crash, or of another adapter.
    for change in [
        "text => text.slice(0, text.length / 2)",
        "text => JSON.stringify({ ...JSON.parse(text), adapter: 'another one' })",
    ] {
        rewrite(&page, change).await;
        page.open(&url).await;
        // How many are tried depends on how slow the first ones are.
        let (tried, known) = kernels(&page).await;
        assert!(!known && tried > fewer, "{tried} variants are tried after {change}");
        page.open(&url).await;
        assert_eq!(kernels(&page).await, (fewer, true), "it is written anew after {change}");
    }
    browser.close().await;
}
