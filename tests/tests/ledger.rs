//! The list of what was sent: a row for every request, there before the request leaves, whole after a reload and with two
//! windows at once.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tests::{
    browser::Browser,
    endpoint::{Endpoint, Way},
    folder::{TemporaryFolder, copy},
    models::Models,
    native,
    page::Page,
    product,
    sent::{self, Row},
    server::Server,
    slow_server::SlowServer,
};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const PATIENCE: Duration = Duration::from_secs(60);
const LIVE: &str = "return document.querySelector('#sent-open').dataset.live;";

fn of<'a>(rows: &'a [Row], endpoint: &str) -> Vec<&'a Row> {
    rows.iter().filter(|row| row.endpoint == endpoint).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn every_request_is_a_row_and_all_counts_agree() {
    let server = Server::start(Some(&product::dist()));
    let endpoint = Endpoint::start(server.url()).await;
    let routed = native::routed(server.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(&format!("{}/?server={}", server.url(), endpoint.url())).await;
    page.until("the server is found", |look| look.server == "available").await;
    page.mode("router").await;
    page.threshold(routed.threshold).await;
    // Another server than the page's own is asked about by itself.
    page.ask(&routed.question).await;
    let asked = "return [...document.querySelectorAll('#consent-servers li')].map(server => server.dataset.server);";
    let named = page.value(PATIENCE, "consent is asked for", asked, |servers| *servers != json!([])).await;
    assert_eq!(named, json!([endpoint.url()]));
    assert!(endpoint.asked().iter().all(|asked| asked.method == "GET" || asked.bytes == 0), "no text before consent");
    page.click("#consent-yes").await;
    page.finished().await;
    let trace = page.trace().await;

    let rows = sent::settled(&page).await;
    let (rows, asked) = (of(&rows, endpoint.url()), endpoint.asked());
    assert_eq!(rows.len(), asked.len(), "{rows:?}\n{asked:?}");
    let opened = asked.iter().filter(|asked| asked.method == "POST" && asked.path.ends_with("/sessions")).count();
    assert!(opened > 0, "the server keeps sessions");
    assert_eq!(rows.iter().filter(|row| row.purpose == "session").count(), opened);
    let spent = trace.split().spent;
    let tokens: Vec<&&Row> = rows.iter().filter(|row| row.is_for_tokens()).collect();
    assert_eq!(tokens.len() as u64, spent.calls, "{tokens:?}");
    assert_eq!(tokens.iter().filter_map(|row| row.bytes_sent).sum::<u64>(), spent.bytes_sent);
    assert_eq!(tokens.iter().filter_map(|row| row.bytes_received).sum::<u64>(), spent.bytes_received);
    assert_eq!(tokens.iter().map(|row| row.tokens_sent).sum::<u64>(), spent.tokens_sent);
    assert_eq!(
        rows.iter().filter_map(|row| row.bytes_sent).sum::<u64>(),
        asked.iter().map(|asked| asked.bytes).sum::<u64>()
    );
    let summary = page.script("return document.querySelector('article[data-answer]').textContent;", vec![]).await;
    assert!(summary.as_str().unwrap().contains(&format!("for {} request", spent.calls)), "{summary}");
    let agreed = rows.iter().filter(|row| row.outcome == "agreed").count() as u64;
    let replaced = rows.iter().filter(|row| row.outcome == "replaced").count() as u64;
    assert_eq!((agreed, replaced), (trace.split().agreed, trace.split().remote));
    assert!(tokens.iter().all(|row| row.conversation.is_some()), "{tokens:?}");

    light(&page, &endpoint, &routed.question).await;
    filters(&page).await;
    browser.close().await;
}

/// The light is on from the beginning of a request to its end, and the row is there meanwhile.
async fn light(page: &Page<'_>, endpoint: &Endpoint, question: &str) {
    page.value(PATIENCE, "the light is off", LIVE, |live| *live == json!("false")).await;
    let before = endpoint.asked().len();
    endpoint.set(Way::Hold);
    page.new_chat().await;
    page.ask(question).await;
    while endpoint.asked().len() == before {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Longer than the light stays on for a short request.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(page.script(LIVE, vec![]).await, json!("true"), "the request is under way");
    let under_way = sent::rows(page).await;
    assert!(of(&under_way, endpoint.url()).iter().any(|row| row.outcome == "started"), "{under_way:?}");
    page.click("#sent-open").await;
    let seen = "return Number(document.querySelector('#disclosed').dataset.seen);";
    page.value(PATIENCE, "what is under way has left", seen, |seen| seen.as_u64().unwrap() >= question.len() as u64)
        .await;
    page.shot("sent-under-way").await;
    sent::close(page).await;
    endpoint.set(Way::Pass);
    page.until("the answer ends", |look| look.state == "finished").await;
    let rows = sent::settled(page).await;
    assert!(rows.iter().all(|row| row.outcome != "started"), "{rows:?}");
    assert_eq!(of(&rows, endpoint.url()).len(), endpoint.asked().len());
}

/// What is shown follows the filters, the exports hold the same rows, and the list is cleared for good.
async fn filters(page: &Page<'_>) {
    let all = sent::rows(page).await;
    sent::open(page).await;
    let choose = "const list = document.querySelector('#sent-purpose'); list.value = arguments[0];
        list.dispatchEvent(new Event('change', { bubbles: true }));";
    let shown = "return [...document.querySelectorAll('#sent tbody tr')].map(row => row.dataset.purpose);";
    for purpose in ["probe", "session", "token", "download"] {
        page.script(choose, vec![json!(purpose)]).await;
        let wanted = all.iter().filter(|row| row.purpose == purpose).count();
        let same = |rows: &Value| {
            let rows = rows.as_array().unwrap();
            rows.len() == wanted && rows.iter().all(|row| row == purpose)
        };
        page.value(PATIENCE, purpose, shown, same).await;
    }
    page.script(choose, vec![json!("")]).await;
    page.value(PATIENCE, "all are shown", shown, |rows| rows.as_array().unwrap().len() == all.len()).await;
    page.click("#sent-failed").await;
    let failed = all.iter().filter(|row| ["failed", "refused", "interrupted"].contains(&row.outcome.as_str())).count();
    page.value(PATIENCE, "failures are shown", shown, |rows| rows.as_array().unwrap().len() == failed).await;
    page.click("#sent-failed").await;
    page.click("#sent-here").await;
    let here = page.script(shown, vec![]).await.as_array().unwrap().len();
    assert!(here < all.len(), "only this conversation's rows");
    let csv = sent::export(page, "#sent-csv").await;
    assert_eq!(csv.lines().count(), all.len() + 1, "{csv}");
    for row in &all {
        assert!(csv.contains(&row.endpoint) && csv.contains(&row.status), "{row:?}");
    }
    page.click("#sent-clear").await;
    let label = "return document.querySelector('#sent-clear').textContent;";
    page.value(PATIENCE, "it asks once more", label, |label| label.as_str().unwrap().contains("Really")).await;
    page.click("#sent-clear").await;
    page.value(PATIENCE, "nothing is left", "return document.querySelector('#sent-count').textContent;", |count| {
        *count == "0"
    })
    .await;
    sent::close(page).await;
    page.0.refresh().await.unwrap();
    page.until("the page is back", |look| look.engine == "ready").await;
    let rows = sent::settled(page).await;
    let old: Vec<&Row> = rows.iter().filter(|row| all.iter().any(|gone| gone.id == row.id)).collect();
    assert!(old.is_empty(), "{old:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_download_cut_by_a_reload_stays_in_the_list() {
    let folder = TemporaryFolder::new();
    copy(&product::models().join("slm"), folder.path());
    fs::copy(product::models().join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let site = SlowServer::start(folder.path()).await;
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    let models = Models(&page);
    page.open(&format!("{}/?server=none", server.url())).await;
    models.open().await;
    models.add(site.url()).await;
    models.until("the model is found", |shelf| shelf.rows == 1).await;
    models.press("resume").await;
    models.until("it is under way", |shelf| shelf.state == "downloading" && shelf.stored > 500_000).await;
    assert_eq!(page.script(LIVE, vec![]).await, json!("true"), "something is under way");
    page.0.refresh().await.unwrap();
    page.until("the page is back", |look| look.engine == "ready").await;
    let rows = sent::settled(&page).await;
    let cut: Vec<&Row> = rows.iter().filter(|row| row.outcome == "interrupted").collect();
    assert_eq!(cut.len(), 1, "{rows:?}");
    assert_eq!((cut[0].purpose.as_str(), cut[0].endpoint.as_str()), ("download", site.url()));
    assert!(cut[0].bytes_received.is_some_and(|bytes| bytes > 50_000), "{cut:?}");
    page.click("#sent-open").await;
    page.click("#sent-failed").await;
    page.shot("sent-interrupted").await;
    page.fits("sent-interrupted", &[("light", 360, 800), ("dark", 360, 800), ("dark", 1280, 800)]).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn two_windows_share_the_list_and_what_was_decided() {
    let server = Server::start(Some(&product::dist()));
    let endpoint = Endpoint::start(server.url()).await;
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(&format!("{}/", server.url())).await;
    page.until("the server is found", |look| look.server == "available").await;
    let one = browser.driver.window().await.unwrap();
    let two = browser.driver.new_window().await.unwrap();

    // A server that one window adds is in the other's list.
    browser.driver.switch_to_window(two.clone()).await.unwrap();
    page.open(&format!("{}/", server.url())).await;
    page.click("#endpoints-open").await;
    let add = "const field = document.querySelector('#endpoint-url'); field.value = arguments[0];
        field.dispatchEvent(new Event('input', { bubbles: true })); field.form.requestSubmit();";
    page.script(add, vec![json!(endpoint.url())]).await;
    let count = "return document.querySelectorAll('#endpoints li[data-endpoint]').length;";
    page.value(PATIENCE, "it is added", count, |count| *count == 2).await;
    browser.driver.switch_to_window(one.clone()).await.unwrap();
    page.click("#endpoints-open").await;
    page.value(PATIENCE, "the other window has it too", count, |count| *count == 2).await;

    // Both ask at once, several times.
    let press = "window.tests = 0; const pause = () => new Promise(done => setTimeout(done, 50));
        const button = document.querySelector(`#endpoints li[data-address='${arguments[0]}'] [data-action=test]`);
        (async () => { while (window.tests < 3) {
            button.click();
            do await pause(); while (button.disabled);
            window.tests += 1;
        } })();";
    for window in [&one, &two] {
        browser.driver.switch_to_window(window.clone()).await.unwrap();
        page.script(press, vec![json!(endpoint.url())]).await;
    }
    for window in [&one, &two] {
        browser.driver.switch_to_window(window.clone()).await.unwrap();
        page.value(Duration::from_secs(120), "three tests", "return window.tests;", |tests| tests.as_u64() >= Some(3))
            .await;
    }
    for window in [&one, &two] {
        browser.driver.switch_to_window(window.clone()).await.unwrap();
        page.click("#endpoints [data-close]").await;
    }
    // Each window shows both windows' rows, and so does the device.
    for window in [&one, &two] {
        browser.driver.switch_to_window(window.clone()).await.unwrap();
        let rows = sent::settled(&page).await;
        assert_eq!(of(&rows, endpoint.url()).len(), endpoint.asked().len(), "{rows:?}");
    }
    page.0.refresh().await.unwrap();
    let rows = sent::settled(&page).await;
    assert!(of(&rows, endpoint.url()).len() >= endpoint.asked().len(), "{rows:?}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_full_storage_loses_no_row() {
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    // The browser has no room, as long as the test says so.
    let full = "const put = IDBObjectStore.prototype.put;
        IDBObjectStore.prototype.put = function (...given) {
            if (!window.full) return put.apply(this, given);
            throw new DOMException('no', 'QuotaExceededError');
        };";
    page.0.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", json!({ "source": full })).await.unwrap();
    page.open_served(server.url()).await;
    let before = sent::settled(&page).await.len();
    page.script("window.full = true;", vec![]).await;
    page.mode("remote-only").await;
    page.ask("What is 1 + 1?").await;
    let done = page.finished().await;
    assert!(done.sources.iter().any(|source| source == "remote" || source == "agreed"), "{done:?}");
    page.click("#sent-open").await;
    let said = "return document.querySelector('#sent-problem')?.textContent ?? '';";
    page.value(PATIENCE, "it says so", said, |said| said.as_str().unwrap().contains("no room left")).await;
    page.shot("sent-full").await;
    sent::close(&page).await;
    let kept = sent::settled(&page).await;
    assert!(kept.len() > before, "the rows are there while the page is open");
    // Once there is room, all of them are stored with the next one.
    page.script("window.full = false;", vec![]).await;
    page.new_chat().await;
    page.ask("What is 1 + 2?").await;
    page.finished().await;
    page.click("#sent-open").await;
    page.value(PATIENCE, "all is well", said, |said| said.as_str().unwrap().is_empty()).await;
    sent::close(&page).await;
    page.0.refresh().await.unwrap();
    page.until("the page is back", |look| look.engine == "ready").await;
    let rows = sent::settled(&page).await;
    for row in &kept {
        let stored = rows.iter().find(|stored| stored.id == row.id);
        assert_eq!(stored.map(|stored| &stored.outcome), Some(&row.outcome), "{row:?}");
    }
    browser.close().await;
}
