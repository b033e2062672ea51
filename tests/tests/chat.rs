//! A chat that people keep using: conversations stay on the device, answers are laid out safely, and the split is measured.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tasks::{Split, suite};
use citer_tests::{
    browser::Browser,
    folder::TemporaryFolder,
    native,
    page::{Page, mark},
    product,
    server::Server,
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};
use thirtyfour::By;

/// What a model could write to attack the page that shows it.
const HOSTILE: &str = "<script>window.hacked = 1</script> <img src=x onerror=\"window.hacked = 2\">\n\n\
    [press](javascript:window.hacked=3) ![see](https://example.invalid/x.png) <b onclick=\"window.hacked=4\">bold</b>\n\n\
    <iframe srcdoc=\"<script>parent.hacked=5</script>\"></iframe>\n\n\
    $\\href{javascript:alert(1)}{x}$ and $\\frac{1}{2}$\n\n```js\nlet a = '<i>';\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";

async fn text(page: &Page<'_>, selector: &str) -> String {
    let script = "return document.querySelector(arguments[0])?.textContent ?? '';";
    page.script(script, vec![json!(selector)]).await.as_str().unwrap_or_default().to_owned()
}

/// Asks the page until the script's value is as wanted.
async fn until(page: &Page<'_>, what: &str, script: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    page.value(Duration::from_secs(150), what, script, wanted).await
}

async fn titles(page: &Page<'_>) -> Vec<String> {
    let script = "return [...document.querySelectorAll('#chats .chats-open')].map(e => e.textContent);";
    serde_json::from_value(page.script(script, vec![]).await).unwrap()
}

/// The names of the stored conversations.
const STORED: &str = "return navigator.storage.getDirectory()
    .then(root => root.getDirectoryHandle('conversations'))
    .then(async folder => { const names = []; for await (const name of folder.keys()) names.push(name); return names; })
    .catch(() => []);";

async fn choose_file(page: &Page<'_>, selector: &str, path: &Path) {
    let input = page.0.find(By::Css(selector)).await.unwrap();
    input.send_keys(path.to_str().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn conversations_stay_and_answers_can_be_continued_and_asked_again() {
    let server = Server::start(Some(&product::dist()));
    let routed = native::routed(server.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open_served(server.url()).await;
    page.mode("router").await;
    page.threshold(routed.threshold).await;

    // Stop in the middle, go on, and it is the same answer as if nothing had been.
    page.ask(&routed.question).await;
    page.until("tokens stream", |look| look.ids.len() >= 2).await;
    page.click("#stop").await;
    let stopped = page.finished().await;
    assert!(stopped.ids.len() < routed.trace.ids().len(), "it was stopped in time: {stopped:?}");
    page.click("article [data-action=continue]").await;
    page.until("it goes on", |look| look.ids.len() > stopped.ids.len()).await;
    let done = page.finished().await;
    assert_eq!(done.ids, routed.trace.ids(), "ids of an undisturbed run");
    let native: Vec<&str> = routed.trace.events.iter().map(|event| mark(event.source)).collect();
    assert_eq!(done.sources, native, "sources of an undisturbed run");
    let shown = text(&page, "article .text").await;
    let words = |text: &str| text.replace("\\boxed{", "").replace(['}', '\n'], "");
    assert_eq!(words(&shown), words(&routed.trace.text()), "the whole answer is shown");

    // Once more, and in other words: what was there stays as another version.
    page.mode("local-only").await;
    page.click("article [data-action=again]").await;
    page.until("the new version begins", |look| look.ids != done.ids).await;
    let again = page.finished().await;
    assert!(again.sources.iter().all(|source| source == "local"), "{again:?}");
    assert!(text(&page, ".versions").await.contains("2 of 2"));
    page.click("[data-action=version-before]").await;
    page.until("the first version is back", |look| look.ids == done.ids).await;
    page.click("[data-action=edit]").await;
    let edit = "const field = document.querySelector('.question-edit textarea'); field.value = arguments[0];
        field.form.requestSubmit();";
    page.script(edit, vec![json!("What is 2 + 3?")]).await;
    page.until("the other question is answered", |look| look.ids != done.ids).await;
    page.finished().await;
    assert!(text(&page, ".question p").await.contains("2 + 3"));
    assert!(text(&page, ".versions").await.contains("3 of 3"));
    let other = page.look().await.ids;

    // A second conversation, a title, a draft, and everything is there after a reload.
    page.new_chat().await;
    page.ask("What is 4 + 4?").await;
    page.finished().await;
    page.click(".chats-row.shown [data-action=rename]").await;
    let rename = "const field = document.querySelector('.chats-rename input'); field.value = 'Sums'; field.form.requestSubmit();";
    page.script(rename, vec![]).await;
    until(&page, "the title is changed", "return document.querySelector('#chats').textContent;", |all| {
        all.as_str().unwrap().contains("Sums")
    })
    .await;
    page.write("half a quest").await;
    until(&page, "both are stored", STORED, |names| names.as_array().is_some_and(|names| names.len() == 2)).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    page.open(server.url()).await;
    let back = page.until("the conversation is back", |look| look.answers == 1 && look.state == "finished").await;
    assert_eq!(back.question, "half a quest");
    assert_eq!(titles(&page).await[0], "Sums");
    page.shot("conversations").await;

    let search = "const field = document.querySelector('#chats-search'); field.value = arguments[0];
        field.dispatchEvent(new Event('input', { bubbles: true }));";
    page.script(search, vec![json!("2 + 3")]).await;
    until(&page, "one is found", "return document.querySelectorAll('.chats-open').length;", |count| *count == json!(1))
        .await;
    page.click(".chats-open").await;
    page.until("the first conversation is shown", |look| look.ids == other).await;
    assert_eq!(page.look().await.question, "", "a draft belongs to its conversation");
    page.script(search, vec![json!("")]).await;
    page.click(".chats-row.shown [data-action=delete]").await;
    page.click("[data-action=delete-now]").await;
    until(&page, "it is deleted", STORED, |names| names.as_array().is_some_and(|names| names.len() == 1)).await;
    assert_eq!(titles(&page).await, ["Sums"]);

    page.click(".chats-open").await;
    page.until("the other one is opened, and the engine is ready", |look| look.answers == 1 && look.engine == "ready")
        .await;
    batch(&page).await;
    measured(&page).await;
    browser.close().await;
}

/// A file of questions at three settings, with a table that fits what was answered.
async fn batch(page: &Page<'_>) {
    let folder = TemporaryFolder::new();
    let file = folder.path().join("questions.jsonl");
    let questions = suite(Split::Test, 9, 1);
    let lines: Vec<String> = questions.iter().map(|question| serde_json::to_string(question).unwrap()).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    page.click("#measure-open").await;
    page.click("input[name=scope][value=batch]").await;
    choose_file(page, "#batch-file", &file).await;
    until(page, "the file is read", "return document.querySelector('#batch-loaded').textContent;", |words| {
        words.as_str().unwrap().contains("5 questions")
    })
    .await;
    page.click("#batch-run").await;
    let done = "return document.querySelector('#batch-words')?.dataset.done;";
    until(page, "the batch is answered", done, |done| *done == json!("true")).await;
    page.shot("batch").await;
    let table = "return [...document.querySelectorAll('#batch-table tbody tr')].map(row => [row.dataset.mode,
        Number(row.querySelector('[data-accuracy]').dataset.accuracy), Number(row.querySelector('[data-share]').dataset.share)]);";
    let rows: Vec<(String, f64, f64)> = serde_json::from_value(page.script(table, vec![]).await).unwrap();
    let shares: Vec<(&str, f64)> = rows.iter().map(|(mode, _, share)| (mode.as_str(), *share)).collect();
    assert_eq!((shares[0], shares[2]), (("local-only", 0.0), ("remote-only", 1.0)), "{rows:?}");
    assert!(shares[1].0 == "router" && (0.0..1.0).contains(&shares[1].1), "{rows:?}");
    assert!(rows.iter().all(|(_, accuracy, _)| (accuracy * 5.0).fract() < 1e-9), "fifths of five questions: {rows:?}");
    assert!(rows[2].1 >= rows[0].1, "the large model is no worse on its own suite: {rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_batch_goes_on_after_a_reload_to_the_same_figures() {
    let folder = TemporaryFolder::new();
    let file = folder.path().join("questions.jsonl");
    let lines: Vec<String> = suite(Split::Test, 9, 2).iter().map(|q| serde_json::to_string(q).unwrap()).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open_served(server.url()).await;
    let open = async || {
        page.click("#measure-open").await;
        page.click("input[name=scope][value=batch]").await;
    };
    let table = "return [...document.querySelectorAll('#batch-table tbody tr')].map(row => [row.dataset.mode,
        row.querySelector('[data-accuracy]').textContent, row.querySelector('[data-share]').textContent]);";
    let done = "return document.querySelector('#batch-words')?.dataset.done;";
    let share = "const bar = document.querySelector('.batch progress'); return bar ? bar.value : 0;";
    open().await;
    choose_file(&page, "#batch-file", &file).await;
    until(&page, "the file is read", "return document.querySelector('#batch-loaded').textContent;", |words| {
        words.as_str().unwrap().contains("10 questions")
    })
    .await;
    page.click("#batch-run").await;
    until(&page, "the batch is answered", done, |done| *done == json!("true")).await;
    let whole = page.script(table, vec![]).await;

    // Once more, cut by a reload.
    page.0.refresh().await.unwrap();
    page.until("the server is found", |look| look.server == "available").await;
    open().await;
    let kept = "return !!document.querySelector('#batch-kept');";
    assert_eq!(page.script(kept, vec![]).await, json!(false), "one that is done is not offered");
    choose_file(&page, "#batch-file", &file).await;
    until(&page, "it can run", "return !document.querySelector('#batch-run').disabled;", |can| *can == json!(true))
        .await;
    page.click("#batch-run").await;
    until(&page, "some are answered", share, |share| share.as_f64() >= Some(4.0)).await;
    page.0.refresh().await.unwrap();
    page.until("the server is found", |look| look.server == "available").await;
    open().await;
    until(&page, "it can go on", kept, |kept| *kept == json!(true)).await;
    let so_far = page.script(share, vec![]).await.as_f64().unwrap();
    assert!(so_far >= 4.0, "what was answered is there: {so_far}");
    for (scheme, width) in [("light", 360), ("dark", 1280)] {
        page.appearance(width, 900, scheme).await;
        page.shot(&format!("batch-kept-{scheme}-{width}")).await;
    }
    page.appearance(1280, 900, "light").await;
    until(&page, "it can run", "return !document.querySelector('#batch-resume').disabled;", |can| *can == json!(true))
        .await;
    page.click("#batch-resume").await;
    until(&page, "the batch is answered", done, |done| *done == json!("true")).await;
    assert_eq!(page.script(table, vec![]).await, whole, "the figures of a batch that was not cut");

    // Discarded, it does not come back.
    page.click("#batch-run").await;
    until(&page, "it begins anew", share, |share| share.as_f64().is_some_and(|share| (1.0..25.0).contains(&share)))
        .await;
    page.0.refresh().await.unwrap();
    page.until("the server is found", |look| look.server == "available").await;
    open().await;
    until(&page, "it can go on", kept, |kept| *kept == json!(true)).await;
    page.click("#batch-discard").await;
    until(&page, "it is gone", kept, |kept| *kept == json!(false)).await;
    page.0.refresh().await.unwrap();
    page.until("the server is found", |look| look.server == "available").await;
    open().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(page.script(kept, vec![]).await, json!(false));
    browser.close().await;
}

/// The dialog's figures are those of the answers.
async fn measured(page: &Page<'_>) {
    page.click("input[name=scope][value=conversation]").await;
    let words =
        until(page, "figures are shown", "return document.querySelector('#figures')?.textContent;", Value::is_string);
    assert!(words.await.as_str().unwrap().contains("1 with"), "one answer");
    for chart in ["shares", "histogram"] {
        let found =
            page.script("return !!document.querySelector(`[data-chart=${arguments[0]}] svg`);", vec![json!(chart)]);
        assert_eq!(found.await, json!(true), "{chart}");
    }
    let slide = "const slider = document.querySelector('#histogram-threshold'); slider.value = arguments[0];
        slider.dispatchEvent(new Event('input', { bubbles: true })); return document.querySelector('#histogram-words').textContent;";
    page.script(slide, vec![json!("1")]).await;
    until(page, "all are below 1", "return document.querySelector('#histogram-words').textContent;", |words| {
        let words = words.as_str().unwrap();
        words.contains(" 100 %") || words.contains(" 9")
    })
    .await;
    for (scheme, name, width) in [("light", "wide", 1280), ("dark", "wide", 1280), ("light", "narrow", 390)] {
        page.appearance(width, 900, scheme).await;
        page.shot(&format!("measure-{scheme}-{name}")).await;
        assert!(page.look().await.overflow <= 0, "too wide at {width}");
    }
    page.appearance(1280, 900, "light").await;
    page.click("#measure [data-close]").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn files_open_safely_and_a_trace_replays_without_engine_or_network() {
    let mut server = Server::start(Some(&product::dist()));
    let routed = native::routed(server.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(&format!("{}/?server=none", server.url())).await;
    // What follows needs neither.
    server.kill();
    let folder = TemporaryFolder::new();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };

    // Files that are none change nothing and say why.
    for (name, bad) in [("cut.json", "{\"format\":\"citer-conv"), ("list.md", "# Shopping\n- milk"), ("empty.json", "")]
    {
        choose_file(&page, "#chats-import", &write(name, bad)).await;
        until(&page, "it is refused", "return document.querySelector('#chats-problem').textContent;", |words| {
            words.as_str().unwrap().contains(name)
        })
        .await;
        assert!(titles(&page).await.is_empty());
    }

    // A trace of somebody else.
    choose_file(&page, "#chats-import", &write("theirs.json", &routed.trace.to_json().unwrap())).await;
    let shown = page.until("the trace is shown", |look| look.answers == 1).await;
    let sources: Vec<&str> = routed.trace.events.iter().map(|event| mark(event.source)).collect();
    assert_eq!((shown.ids, shown.sources), (routed.trace.ids(), sources.iter().map(|s| (*s).to_owned()).collect()));
    page.click("article [data-action=replay]").await;
    let hidden = "return document.querySelectorAll('[data-later]').length;";
    until(&page, "the replay begins", hidden, |count| count.as_u64() > Some(0)).await;
    until(&page, "the replay ends", hidden, |count| *count == json!(0)).await;

    what_if(&page, &routed).await;
    views_and_keys(&page, &routed).await;

    // An answer that attacks the page is text.
    let record = json!({
        "format": "citer-conversation", "version": 1, "id": "x", "created": 1, "updated": 1, "leaf": 0,
        "exchanges": [{ "question": "<img src=x onerror=\"window.hacked=9\">", "plain": HOSTILE, "state": { "finished": "end" } }],
    });
    choose_file(&page, "#chats-import", &write("hostile.json", &record.to_string())).await;
    until(&page, "it is shown", "return document.querySelector('article .text')?.textContent ?? '';", |words| {
        words.as_str().unwrap().contains("window.hacked = 1")
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let found = page
        .script(
            "return { hacked: window.hacked ?? null,
                made: document.querySelectorAll('.messages :is(script, img, iframe, b, i)').length,
                links: [...document.querySelectorAll('.messages a')].map(a => a.protocol),
                fraction: document.querySelectorAll('article mfrac').length,
                table: document.querySelectorAll('article td').length,
                code: document.querySelector('article pre')?.textContent };",
            vec![],
        )
        .await;
    page.shot("hostile").await;
    assert_eq!(found["hacked"], Value::Null);
    assert_eq!(found["made"], json!(0), "no element of the answer's own");
    assert_eq!(found["links"], json!(["https:"]), "the picture became a link, and the script none");
    assert_eq!((&found["fraction"], &found["table"]), (&json!(1), &json!(2)));
    assert_eq!(found["code"], json!("let a = '<i>';\n"));

    two_tabs(&page).await;
    browser.close().await;
}

/// The slider recolours a finished answer: exact at its own threshold, and as it must be at the ends.
async fn what_if(page: &Page<'_>, routed: &native::Routed) {
    page.click("article [data-action=what-if]").await;
    let slide = "const slider = document.querySelector('[data-action=what-if-threshold]'); slider.value = arguments[0];
        slider.dispatchEvent(new Event('input', { bubbles: true }));";
    let makers = "return [...document.querySelectorAll('article [data-token]')].map(token => token.dataset.whatIf);";
    let makers = |wanted: Vec<&'static str>| async move {
        until(page, "the tokens are recoloured", makers, |found| *found == json!(wanted)).await;
    };
    let events = &routed.trace.events;
    page.script(slide, vec![json!(routed.threshold.to_string())]).await;
    makers(events.iter().map(|event| mark(event.source)).collect()).await;
    assert!(text(page, "[data-what-if-words]").await.contains("This is exact"));
    page.script(slide, vec![json!("0")]).await;
    makers(events.iter().map(|event| if event.score == 0.0 { mark(event.source) } else { "local" }).collect()).await;
    page.script(slide, vec![json!("1")]).await;
    makers(
        events.iter().map(|event| if mark(event.source) == "local" { "asked" } else { mark(event.source) }).collect(),
    )
    .await;
    let exact = events.iter().position(|event| mark(event.source) == "local").unwrap();
    let words = text(page, "[data-what-if-words]").await;
    assert!(words.contains(&format!("first {exact} of {}", events.len())), "{words}");
    page.shot("what-if").await;
    page.click("article [data-action=what-if]").await;
    let left = "return document.querySelectorAll('[data-what-if]').length;";
    until(page, "the marks are gone", left, |count| *count == json!(0)).await;
}

/// Three ways to look at an answer; the keys walk its tokens and open their cards.
async fn views_and_keys(page: &Page<'_>, routed: &native::Routed) {
    for view in ["plain", "heat", "source"] {
        page.click(&format!("input[name=view][value={view}]")).await;
        let shown = "return document.querySelector('.page').dataset.view;";
        until(page, "the view changes", shown, |shown| *shown == json!(view)).await;
        page.shot(&format!("view-{view}")).await;
    }
    let remote =
        routed.trace.events.iter().find(|event| mark(event.source) == "remote" || mark(event.source) == "agreed");
    let remote = remote.unwrap().index;
    let point = "const token = document.querySelector(`[data-token][data-index=\"${arguments[0]}\"]`);
        token.dispatchEvent(new PointerEvent('pointerover', { bubbles: true, pointerType: 'mouse' })); token.focus();";
    page.script(point, vec![json!(remote)]).await;
    let shown = "return document.querySelector('#token-card').textContent;";
    let card = until(page, "the card opens", shown, |card| card != "").await;
    let card = card.as_str().unwrap();
    for words in
        ["Router score", "below the threshold", "Small model", "Large model", "Wait: paid / hidden", "Tokens sent"]
    {
        assert!(card.contains(words), "{words}: {card}");
    }
    page.shot("card").await;
    let walk = "const from = document.activeElement; from.dispatchEvent(new KeyboardEvent('keydown', { key: 'Home', bubbles: true }));
        const first = document.activeElement.dataset.index;
        document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'End', bubbles: true }));
        return [first, document.activeElement.dataset.index];";
    let ends = page.script(walk, vec![]).await;
    assert_eq!(ends, json!(["0", (routed.trace.events.len() - 1).to_string()]));
}

/// What another tab stored is noticed, and what two tabs changed is kept twice.
async fn two_tabs(page: &Page<'_>) {
    until(page, "both are stored", STORED, |names| names.as_array().is_some_and(|names| names.len() == 2)).await;
    // Another tab stores a later version without saying so.
    let other = "const shown = document.querySelector('.chats-row.shown').dataset.chat;
        return navigator.storage.getDirectory().then(root => root.getDirectoryHandle('conversations')).then(async folder => {
            const file = await folder.getFileHandle(`${shown}.json`);
            const record = JSON.parse(await (await file.getFile()).text());
            record.revision += 5; record.name = 'From the other tab';
            const stream = await file.createWritable();
            await stream.write(JSON.stringify(record)); await stream.close(); return record.revision; });";
    page.script(other, vec![]).await;
    page.click(".chats-row.shown [data-action=rename]").await;
    let rename = "const field = document.querySelector('.chats-rename input'); field.value = 'Mine'; field.form.requestSubmit();";
    page.script(rename, vec![]).await;
    until(page, "both are kept", STORED, |names| names.as_array().is_some_and(|names| names.len() == 3)).await;
    until(page, "both are listed", "return document.querySelector('#chats').textContent;", |words| {
        let words = words.as_str().unwrap();
        words.contains("From the other tab") && words.contains("Mine")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn storage_that_is_denied_or_full_is_said_and_nothing_is_lost() {
    let server = Server::start(Some(&product::dist()));
    for (name, script, words) in [
        (
            "denied",
            "navigator.storage.getDirectory = () => Promise.reject(new DOMException('no', 'SecurityError'));",
            "stores nothing",
        ),
        (
            "full",
            "FileSystemFileHandle.prototype.createWritable = () => Promise.reject(new DOMException('no', 'QuotaExceededError'));",
            "no room left",
        ),
    ] {
        let browser = Browser::start().await;
        let page = Page(&browser.driver);
        page.0.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await.unwrap();
        page.open(&format!("{}/?server=none", server.url())).await;
        page.mode("local-only").await;
        page.ask("What is 1 + 1?").await;
        let done = page.finished().await;
        assert!(!done.ids.is_empty());
        until(&page, name, "return document.querySelector('#chats-problem').textContent;", |said| {
            said.as_str().unwrap().contains(words)
        })
        .await;
        assert_eq!(titles(&page).await.len(), 1, "the conversation is there while the page is open");
        browser.close().await;
    }
}
