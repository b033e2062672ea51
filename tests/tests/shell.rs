//! The page as an app: offline, versions, consent, what is sent and what is refused, keyboard, audit, and what the main thread
//! does while an answer comes.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tests::{
    audit::Audit,
    browser::Browser,
    folder::TemporaryFolder,
    native::{self, Routed},
    page::Page,
    product,
    server::Server,
    slow_server::SlowServer,
};
use serde_json::json;
use std::{fs, time::Duration};

/// A worker that asks whatever it is told, as a program with a fault might.
const PROBE: &str = "onmessage = event => fetch(event.data)
    .then(reply => reply.text()).then(() => postMessage('let out'), () => postMessage('refused'));";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn nothing_leaves_unasked_and_the_page_works_offline() {
    let site = TemporaryFolder::copy_of(&product::dist());
    fs::write(site.path().join("probe.js"), PROBE).unwrap();
    let elsewhere = TemporaryFolder::new();
    fs::write(elsewhere.path().join("config.json"), "{}").unwrap();
    let foreign = SlowServer::start(elsewhere.path()).await;
    let mut server = Server::start(Some(site.path()));
    let routed = native::routed(server.url());
    let browser = Browser::start_new().await;
    let page = Page(&browser.driver);
    page.open_served(server.url()).await;
    until(&page, "the page is on the device", "document.querySelector('[data-offline]').dataset.offline", "ready")
        .await;

    consent(&page, &server, &routed).await;
    kept_here(&page, &server, &routed).await;
    refusals(&page, &server, &foreign).await;
    airplane(&page, &server, &routed).await;

    // Everything is gone: server and network.
    server.kill();
    page.open(server.url()).await;
    let ready = page.until("the engine starts offline", |look| look.engine != "loading").await;
    assert_eq!(ready.engine, "ready", "{}", ready.error);
    page.mode("local-only").await;
    page.ask(&routed.question).await;
    let done = page.finished().await;
    assert!(done.ids.len() > 1 && done.sources.iter().all(|source| source == "local"), "{done:?}");
    page.shot("offline").await;
    browser.close().await;
}

/// No text leaves before the reader agreed; after that every request is a row.
async fn consent(page: &Page<'_>, server: &Server, routed: &Routed) {
    let before = server.log().len();
    page.mode("remote-only").await;
    page.ask(&routed.question).await;
    until(page, "consent is asked for", "String(document.querySelector('#consent').open)", "true").await;
    page.shot("consent").await;
    page.click("#consent-no").await;
    let done = page.finished().await;
    assert!(done.sources.iter().all(|source| source == "local"), "{done:?}");
    assert_eq!(server.log().len(), before, "nothing was asked without consent");

    page.new_chat().await;
    page.mode("remote-only").await;
    page.ask(&routed.question).await;
    until(page, "consent is asked for again", "String(document.querySelector('#consent').open)", "true").await;
    page.click("#consent-yes").await;
    let done = page.finished().await;
    assert!(done.sources.iter().all(|source| source == "remote" || source == "agreed"), "{done:?}");
    let asked = server.log().split_off(before).concat().len();
    assert_eq!(asked, done.ids.len());

    page.click("#sent-open").await;
    let rows = "document.querySelectorAll('#sent tr[data-purpose=token]').length";
    until(page, "every request is a row", &format!("String({rows})"), &asked.to_string()).await;
    let seen = page
        .script(
            "const line = document.querySelector('#disclosed').dataset; return [line.seen, line.all].map(Number);",
            vec![],
        )
        .await;
    let (seen, all) = (seen[0].as_u64().unwrap(), seen[1].as_u64().unwrap());
    assert!(seen >= routed.question.len() as u64 && seen <= all, "{seen} of {all}");
    page.shot("sent").await;
    // The exports hold the same rows.
    let csv = page
        .script(
            "const make = URL.createObjectURL;
            URL.createObjectURL = blob => { window.saved = blob.text(); return make.call(URL, blob); };
            document.querySelector('#sent-csv').click(); URL.createObjectURL = make; return window.saved;",
            vec![],
        )
        .await;
    let csv = csv.as_str().unwrap();
    assert_eq!(csv.lines().filter(|line| line.contains(",token,")).count(), asked, "{csv}");
    close(page, "sent").await;
}

/// A locked conversation and sensitive text are answered on the device, in whatever mode.
async fn kept_here(page: &Page<'_>, server: &Server, routed: &Routed) {
    let before = server.log().len();
    page.new_chat().await;
    page.mode("remote-only").await;
    page.click("#lock").await;
    page.ask(&routed.question).await;
    let done = page.finished().await;
    assert!(done.sources.iter().all(|source| source == "local"), "{done:?}");
    assert!(done.notices.iter().any(|notice| notice.contains("locked")), "{:?}", done.notices);

    page.new_chat().await;
    page.write("Write to jane.doe@example.org: what is 3 + 4?").await;
    until(page, "the address is found", "document.querySelector('#spans li[data-kind]')?.dataset.kind ?? ''", "email")
        .await;
    page.shot("sensitive").await;
    page.click("#send").await;
    let done = page.until("the answer ends", |look| look.answers == 1 && look.state == "finished").await;
    assert!(done.sources.iter().all(|source| source == "local"), "{done:?}");
    assert!(done.notices.iter().any(|notice| notice.contains("e-mail")), "{:?}", done.notices);
    assert_eq!(server.log().len(), before, "nothing was asked");

    // A pasted book is refused with words, and stays.
    let paste = "const field = document.querySelector('#question'); field.value = 'word '.repeat(30000);
        field.dispatchEvent(new Event('input', { bubbles: true }));";
    page.script(paste, vec![]).await;
    until(page, "it is too long", "String(document.querySelector('#too-long') !== null)", "true").await;
    until(page, "it cannot be sent", "String(document.querySelector('#send').disabled)", "true").await;
    page.script(&paste.replace("30000", "0"), vec![]).await;
}

/// A server that nobody allowed cannot be reached: not by the page (CSP), not by a worker (service worker).
async fn refusals(page: &Page<'_>, server: &Server, foreign: &SlowServer) {
    let url = format!("{}/config.json", foreign.url());
    let by_page =
        page.script("return fetch(arguments[0]).then(() => 'let out', () => 'refused');", vec![json!(url)]).await;
    assert_eq!(by_page, json!("refused"), "the page's own policy");
    assert_eq!(worker_asks(page, &url).await, "refused", "a worker's request");
    assert_eq!(worker_asks(page, &format!("{}/health", server.url())).await, "let out", "the page's own server");
    assert!(foreign.take("config.json").is_empty(), "nothing reached the other server");
    page.click("#sent-open").await;
    let rows = "String(document.querySelectorAll('#sent tr[data-outcome=refused]').length > 0)";
    until(page, "the refusal is a row", rows, "true").await;
    close(page, "sent").await;
    let inline = "const script = document.createElement('script'); script.textContent = 'window.injected = true';
        document.body.append(script); return Boolean(window.injected);";
    assert_eq!(page.script(inline, vec![]).await, json!(false), "inline scripts do not run");
}

/// The switch cuts the network for the page and its workers; the chat goes on.
async fn airplane(page: &Page<'_>, server: &Server, routed: &Routed) {
    page.click("#airplane").await;
    until(page, "it is on", "document.querySelector('[data-airplane]').dataset.airplane", "true").await;
    assert_eq!(worker_asks(page, &format!("{}/health", server.url())).await, "refused");
    let before = server.log().len();
    page.new_chat().await;
    page.mode("remote-only").await;
    page.ask(&routed.question).await;
    let done = page.finished().await;
    page.shot("airplane").await;
    assert!(done.sources.iter().all(|source| source == "forced"), "{done:?}");
    assert_eq!(server.log().len(), before);
    page.click("#airplane").await;
    page.until("the server is found again", |look| look.server == "available").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_new_version_waits_for_the_reader() {
    let site = TemporaryFolder::copy_of(&product::dist());
    let server = Server::start(Some(site.path()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    let url = format!("{}/?server=none", server.url());
    let kept = "document.querySelector('[data-offline]')?.dataset.offline ?? ''";
    page.open(&url).await;
    until(&page, "the page is on the device", kept, "ready").await;
    let old = version(&page).await;

    let file = site.path().join("service-worker.js");
    let script = fs::read_to_string(&file).unwrap();
    assert!(script.contains(&old), "the page's version is the bundle's");
    let new = "0123456789abcdef";
    fs::write(&file, script.replace(&old, new)).unwrap();
    page.open(&url).await;
    page.write("Still here").await;
    until(&page, "the new version waits", kept, "newer").await;
    assert_eq!(version(&page).await, old, "it is not taken unasked");
    page.shot("new-version").await;
    page.click("#reload").await;
    until(&page, "the new version is there", kept, "ready").await;
    assert_eq!(version(&page).await, new);
    let look = page.until("the draft stayed", |look| !look.question.is_empty()).await;
    assert_eq!(look.question, "Still here");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn the_page_passes_the_audit_and_works_by_keyboard() {
    let server = Server::start(Some(&product::dist()));
    let routed = native::routed(server.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open_served(server.url()).await;
    keyboard(&page).await;
    let mut audit = Audit::default();
    audit.look(&page, "empty").await;
    page.mode("router").await;
    page.threshold(routed.threshold).await;
    page.ask(&routed.question).await;
    page.finished().await;
    for (scheme, contrast) in
        [("light", "no-preference"), ("dark", "no-preference"), ("light", "more"), ("dark", "more")]
    {
        page.look_as(1280, 900, scheme, contrast).await;
        let name = format!("{scheme}-{contrast}");
        audit.look(&page, &format!("answer-{name}")).await;
        for (button, dialog) in [
            ("#models-open", "models"),
            ("#endpoints-open", "endpoints"),
            ("#sent-open", "sent"),
            ("#device-open", "device"),
            ("#limits-open", "limits"),
            ("#settings-open", "settings"),
        ] {
            page.click(button).await;
            until(&page, "the dialog is open", &format!("String(document.querySelector('#{dialog}').open)"), "true")
                .await;
            if dialog == "device" {
                until(
                    &page,
                    "the report is there",
                    "String(document.querySelector('#device-text').textContent.includes('features'))",
                    "true",
                )
                .await;
            }
            audit.look(&page, &format!("{dialog}-{name}")).await;
            page.shot(&format!("{dialog}-{name}")).await;
            close(&page, dialog).await;
        }
    }
    for (scheme, width, height) in [("light", 390, 844), ("dark", 390, 844), ("light", 320, 640), ("dark", 1600, 1000)]
    {
        page.look_as(width, height, scheme, "no-preference").await;
        audit.look(&page, &format!("answer-{scheme}-{width}")).await;
        page.shot(&format!("page-{scheme}-{width}")).await;
        assert!(page.look().await.overflow <= 0, "nothing is wider than {width} pixels");
        for (button, dialog) in [("#endpoints-open", "endpoints"), ("#sent-open", "sent")] {
            page.click(button).await;
            page.shot(&format!("{dialog}-{scheme}-{width}")).await;
            assert!(page.look().await.overflow <= 0, "{dialog}: nothing is wider than {width} pixels");
            close(&page, dialog).await;
        }
    }
    let calm = "return matchMedia('(prefers-reduced-motion: reduce)').matches
        && document.getAnimations().every(animation => animation.playState !== 'running');";
    assert_eq!(page.script(calm, vec![]).await, json!(true), "who wants less motion gets none");
    audit.end();
    browser.close().await;
}

/// Every control is reached by Tab, a dialog closes by Escape, and the focus comes back.
async fn keyboard(page: &Page<'_>) {
    let reached = "const wanted = [...document.querySelectorAll('button, input, textarea, select, a[href], [tabindex=\"0\"]')]
          .filter(e => e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && e.type !== 'radio' && !e.closest('dialog'));
        return wanted.filter(e => !(window.reached ?? new Set()).has(e)).map(e => e.id || e.className || e.textContent);";
    page.script("window.reached = new Set(); document.addEventListener('focusin', e => window.reached.add(e.target)); document.activeElement.blur();", vec![]).await;
    for _ in 0..60 {
        page.key("Tab", 9).await;
    }
    let missed = page.script(reached, vec![]).await;
    assert_eq!(missed, json!([]), "Tab does not reach these");
    page.script("document.querySelector('#sent-open').focus();", vec![]).await;
    page.key("Enter", 13).await;
    until(page, "Enter opens it", "String(document.querySelector('#sent').open)", "true").await;
    page.key("Escape", 27).await;
    until(page, "Escape closes it", "String(document.querySelector('#sent').open)", "false").await;
    until(page, "the focus is back", "document.activeElement.id", "sent-open").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn nothing_moves_while_an_answer_comes() {
    let server = Server::start(Some(&product::dist()));
    let routed = native::routed(server.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    let watch = "window.marks = {};
        new MutationObserver((_, self) => { if (document.querySelector('#question')) {
          window.marks.interactive = performance.now(); self.disconnect(); } }).observe(document, { childList: true, subtree: true });";
    let source = json!({"source": watch});
    browser.driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", source).await.unwrap();
    page.open_served(server.url()).await;
    page.mode("router").await;
    page.threshold(routed.threshold).await;
    // The first answer grows the page's memory; the second one is what people see all day.
    page.ask(&routed.question).await;
    page.finished().await;
    page.new_chat().await;
    page.write(&routed.question).await;
    page.script(
        "window.tasks = []; window.shifts = [];
        const watch = (type, keep) => new PerformanceObserver(list => list.getEntries().forEach(keep)).observe({ type });
        watch('longtask', entry => window.tasks.push(entry.duration));
        watch('layout-shift', entry => { if (!entry.hadRecentInput) window.shifts.push({ value: entry.value,
          sources: entry.sources.map(source => source.node?.className ?? source.node?.nodeName ?? '') }); });",
        vec![],
    )
    .await;
    // Past the half second in which a shift counts as wanted.
    tokio::time::sleep(Duration::from_millis(700)).await;
    page.click("#send").await;
    // What moves at the press is the reader's own doing: the text field empties, the meters begin.
    page.until("the answer streams", |look| look.answers == 1 && look.ids.len() >= 2).await;
    page.script("window.shifts.length = 0;", vec![]).await;
    page.until("the answer ends", |look| look.answers == 1 && look.state == "finished").await;
    let found = page
        .script(
            "const files = performance.getEntriesByType('resource');
            return { interactive_ms: window.marks.interactive, long_tasks_ms: window.tasks, layout_shifts: window.shifts,
              page_bytes: files.reduce((sum, file) => sum + file.encodedBodySize, 0), page_files: files.length };",
            vec![],
        )
        .await;
    let tokens = page.look().await.ids.len();
    let engine = fs::metadata(product::dist().join("citer-worker_bg.wasm")).unwrap().len();
    println!("page: {}", json!({"tokens": tokens, "engine_bytes_raw": engine, "figures": found}));
    let shifts = found["layout_shifts"].as_array().unwrap();
    let total: f64 = shifts.iter().filter_map(|shift| shift["value"].as_f64()).sum();
    assert!(total < 0.001, "the page moved while the answer came: {shifts:?}");
    browser.close().await;
}

async fn worker_asks(page: &Page<'_>, url: &str) -> String {
    let script = "return new Promise(done => { const worker = window.probe ??= new Worker('./probe.js');
        worker.onmessage = event => done(event.data); worker.onerror = event => done(`broken: ${event.message}`);
        worker.postMessage(arguments[0]); });";
    page.script(script, vec![json!(url)]).await.as_str().unwrap_or_default().to_owned()
}

async fn version(page: &Page<'_>) -> String {
    let script = "return new Promise(done => { const channel = new MessageChannel();
        channel.port1.onmessage = event => done(event.data);
        navigator.serviceWorker.controller.postMessage({ type: 'version' }, [channel.port2]); });";
    page.script(script, vec![]).await.as_str().unwrap_or_default().to_owned()
}

async fn close(page: &Page<'_>, dialog: &str) {
    let script = "const dialog = document.querySelector(`#${arguments[0]}`);
        dialog.querySelector('[data-close]').click();";
    page.script(script, vec![json!(dialog)]).await;
    until(page, "the dialog is closed", &format!("String(document.querySelector('#{dialog}').open)"), "false").await;
}

/// Looks until an expression of the page is as wanted.
async fn until(page: &Page<'_>, what: &str, expression: &str, wanted: &str) {
    let script = format!("return {expression};");
    page.value(Duration::from_secs(60), what, &script, |value| value.as_str() == Some(wanted)).await;
}
