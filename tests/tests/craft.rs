//! The page's craft, on an engine that says what a test wants: small windows, keys, headings, long answers, huge pastes, and
//! what the main thread does meanwhile.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tasks::{Split, suite};
use citer_tests::{
    audit::Audit, browser::Browser, fake_engine, folder::TemporaryFolder, page::Page, product, server::Server,
};
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};
use thirtyfour::By;

/// Watches what the main thread does from the first byte on.
const WATCH: &str = "window.tasks = []; window.shifts = []; window.marks = {};
    const watch = (type, keep) => new PerformanceObserver(list => list.getEntries().forEach(keep)).observe({ type, buffered: true });
    watch('longtask', entry => window.tasks.push(Math.round(entry.duration)));
    watch('paint', entry => window.marks[entry.name] = Math.round(entry.startTime));
    watch('layout-shift', entry => { if (!entry.hadRecentInput) window.shifts.push(entry.value); });
    new MutationObserver((_, self) => { if (document.querySelector('#question')) {
      window.marks.interactive = Math.round(performance.now()); self.disconnect(); } })
      .observe(document, { childList: true, subtree: true });
    new MutationObserver((_, self) => { if (document.querySelector('[data-engine=ready]')) {
      window.marks.engine = Math.round(performance.now()); self.disconnect(); } })
      .observe(document, { childList: true, subtree: true, attributes: true });";

/// Answers as these tokens.
fn site(tokens: &[String], every_ms: f64) -> TemporaryFolder {
    let site = TemporaryFolder::copy_of(&product::dist());
    fake_engine::put(site.path(), tokens, every_ms);
    site
}

/// Words as a model's tokens are: mostly a space and some letters.
fn words(count: usize) -> Vec<String> {
    (0..count).map(|n| if n % 17 == 16 { ".".into() } else { format!(" w{}", "ord".repeat(n % 3)) }).collect()
}

fn tokens(text: &str) -> Vec<String> {
    text.split_inclusive([' ', '\n']).map(str::to_owned).collect()
}

/// The page with its engine ready.
async fn open(page: &Page<'_>, server: &Server) {
    page.open(server.url()).await;
    page.until("the engine is ready", |look| look.engine == "ready" && look.server == "available").await;
}

async fn until(page: &Page<'_>, what: &str, expression: &str, wanted: Value) {
    page.value(Duration::from_secs(60), what, &format!("return {expression};"), |value| *value == wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_small_window_is_for_the_conversation_and_everything_can_be_reached() {
    let site = site(&tokens("It is **42**, because `6 x 7 = 42`.\n\n- one\n- two"), 1.0);
    let server = Server::start(Some(site.path()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    let mut audit = Audit::default();
    for (width, height, scheme) in
        [(360, 640, "light"), (360, 640, "dark"), (768, 1024, "light"), (640, 360, "dark"), (1440, 900, "light")]
    {
        page.look_as(width, height, scheme, "no-preference").await;
        open(&page, &server).await;
        let name = format!("{scheme}-{width}");
        page.shot(&format!("craft-empty-{name}")).await;
        audit.look(&page, &format!("empty-{name}")).await;
        page.ask("What is 6 x 7?").await;
        page.finished().await;
        page.shot(&format!("craft-answer-{name}")).await;
        audit.look(&page, &format!("answer-{name}")).await;
        let sizes = page.script(SIZES, vec![]).await;
        println!("{name}: {sizes}");
        assert!(page.look().await.overflow <= 0, "nothing is wider than {width} pixels");
        assert_eq!(sizes["beyond"], json!(0), "the document is as high as the window at {width}: {sizes}");
        assert_eq!(sizes["rows"], json!(1), "the header is one row at {width}: {sizes}");
        assert_eq!(sizes["small"], json!([]), "targets of 24 pixels at least");
        if height <= 640 {
            assert!(sizes["dock"].as_f64().unwrap() <= 0.25, "the dock takes a quarter at most: {sizes}");
            assert!(sizes["header"].as_f64().unwrap() <= 0.15, "the header is small: {sizes}");
            unfolds(&page, "menu", "#models-open", &name, &mut audit).await;
            unfolds(&page, "more", "#threshold", &name, &mut audit).await;
            // A dialog that was opened from the menu gives the focus back to what can be seen.
            page.script("document.querySelector('#menu-open').focus();", vec![]).await;
            page.key("Enter", 13).await;
            until(&page, "the menu is open", "document.querySelector('#menu').checkVisibility()", json!(true)).await;
            page.script("document.querySelector('#models-open').focus(); document.activeElement.click();", vec![])
                .await;
            until(&page, "the dialog is open", "document.querySelector('#models').open", json!(true)).await;
            page.key("Escape", 27).await;
            until(&page, "the dialog is closed", "document.querySelector('#models').open", json!(false)).await;
            until(&page, "the focus is on the menu's button", "document.activeElement.id", json!("menu-open")).await;
        }
    }
    audit.end();
    browser.close().await;
}

/// Shares of the window, rows of the header, and targets that are too small for a finger.
const SIZES: &str = "
    const share = selector => document.querySelector(selector).getBoundingClientRect().height / innerHeight;
    const seen = [...document.querySelectorAll('button, input, textarea, select, a[href], summary')]
      .filter(e => e.checkVisibility() && !e.closest('dialog, .hidden'));
    const tops = [...document.querySelectorAll('.header > *')].filter(e => e.checkVisibility())
      .map(e => e.getBoundingClientRect()).filter(box => box.height > 0).map(box => [box.top, box.bottom]);
    const overlap = tops.every(([top, bottom]) => tops.every(([t, b]) => top < b && t < bottom));
    const small = seen.map(e => [e, (e.type === 'radio' || e.type === 'file' ? e.closest('label') : e).getBoundingClientRect()])
      .filter(([, box]) => box.width < 24 || box.height < 24)
      .map(([e, box]) => `${e.id || e.dataset.action || e.className || e.textContent}: ${box.width}x${box.height}`);
    const beyond = document.documentElement.scrollHeight - innerHeight;
    return { beyond, header: share('.header'), dock: share('.dock'), log: share('.log'), rows: overlap ? 1 : 2, small };";

/// What is folded away is reached by its button, with keys alone, and Escape folds it again.
async fn unfolds(page: &Page<'_>, fold: &str, inner: &str, name: &str, audit: &mut Audit) {
    let seen = format!("document.querySelector('{inner}').checkVisibility()");
    let focused = "document.activeElement.id";
    until(page, "it is folded", &seen, json!(false)).await;
    page.script(&format!("document.querySelector('#{fold}-open').focus();"), vec![]).await;
    page.key("Enter", 13).await;
    until(page, "Enter unfolds it", &seen, json!(true)).await;
    page.shot(&format!("craft-{fold}-{name}")).await;
    audit.look(page, &format!("{fold}-{name}")).await;
    let sizes = page.script(SIZES, vec![]).await;
    assert_eq!(sizes["small"], json!([]), "targets of 24 pixels at least in {fold}");
    let box_ = "const box = document.querySelector(arguments[0]).getBoundingClientRect();
        return box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight;";
    assert_eq!(page.script(box_, vec![json!(format!("#{fold}"))]).await, json!(true), "{fold} is in the window");
    page.key("Tab", 9).await;
    let inside = format!("document.querySelector('#{fold}').contains(document.activeElement)");
    until(page, "the next stop is in it", &inside, json!(true)).await;
    page.key("Escape", 27).await;
    until(page, "Escape folds it", &seen, json!(false)).await;
    until(page, "the focus is on its button", focused, json!(format!("{fold}-open"))).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn headings_of_answers_keep_the_documents_order() {
    let text = "### Deep\n\nfirst\n\n###### Deeper\n\nsecond\n\n# Out\n\nthird\n\n> ## Quoted\n\nlast";
    let site = site(&tokens(text), 1.0);
    let server = Server::start(Some(site.path()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    open(&page, &server).await;
    page.ask("Explain it with headings").await;
    page.finished().await;
    let levels = "return [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter(e => e.checkVisibility())
        .map(e => [Number(e.tagName[1]), e.textContent.trim()]);";
    let found: Vec<(u8, String)> = serde_json::from_value(page.script(levels, vec![]).await).unwrap();
    let answer: Vec<(u8, &str)> =
        found.iter().map(|(level, words)| (*level, words.as_str())).filter(|(level, _)| *level > 2).collect();
    assert_eq!(answer, [(3, "Deep"), (4, "Deeper"), (3, "Out"), (4, "Quoted")], "{found:?}");
    let skips = found.windows(2).filter(|pair| pair[1].0 > pair[0].0 + 1).count();
    assert_eq!((found[0].0, skips), (1, 0), "{found:?}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn keys_walk_the_tokens_and_open_their_cards() {
    let site = site(&tokens("Six times seven is forty two and that is all of it"), 1.0);
    let server = Server::start(Some(site.path()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    open(&page, &server).await;
    page.mode("router").await;
    page.ask("What is 6 x 7?").await;
    page.finished().await;
    let card = "document.querySelector('#token-card').checkVisibility()";
    let at = "document.activeElement.dataset.index ?? ''";
    until(&page, "no card is shown", card, json!(false)).await;
    // The answer is one stop of Tab.
    page.script("document.querySelector('.question [data-action=edit]').focus();", vec![]).await;
    page.key("Tab", 9).await;
    until(&page, "the first token has the focus", at, json!("0")).await;
    until(&page, "its card opens", card, json!(true)).await;
    for (key, code, index) in
        [("ArrowRight", 39, "1"), ("ArrowDown", 40, "2"), ("ArrowLeft", 37, "1"), ("End", 35, "11"), ("Home", 36, "0")]
    {
        page.key(key, code).await;
        until(&page, key, at, json!(index)).await;
    }
    for _ in 0..7 {
        page.key("ArrowRight", 39).await;
    }
    until(&page, "the eighth token has the focus", at, json!("7")).await;
    let told = "return { described: document.activeElement.getAttribute('aria-describedby'),
        role: document.querySelector('#token-card').getAttribute('role'),
        card: document.querySelector('#token-card').textContent };";
    let told = page.script(told, vec![]).await;
    assert_eq!((&told["described"], &told["role"]), (&json!("token-card"), &json!("tooltip")));
    let words = told["card"].as_str().unwrap();
    assert!(words.contains("remote") && words.contains("below the threshold"), "who made it, in words: {words}");
    page.shot("craft-card").await;
    page.key("Escape", 27).await;
    until(&page, "Escape closes the card", card, json!(false)).await;
    until(&page, "the focus stays", at, json!("7")).await;
    page.key("ArrowLeft", 37).await;
    until(&page, "the next one opens again", card, json!(true)).await;
    page.key("Tab", 9).await;
    until(&page, "Tab leaves the answer", at, json!("")).await;
    until(&page, "and closes the card", card, json!(false)).await;
    browser.close().await;
}

/// Counts the nodes that come and go in the answer.
const COUNT: &str = "window.tasks.length = 0; window.shifts.length = 0; window.nodes = { added: 0, removed: 0 };
    new MutationObserver(list => list.forEach(change => {
      if (!change.target.closest?.('.text')) return;
      window.nodes.added += change.addedNodes.length; window.nodes.removed += change.removedNodes.length;
    })).observe(document.querySelector('.messages'), { childList: true, subtree: true });";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_long_answer_only_adds_to_the_page() {
    let code = |lines: usize| {
        let mut all = tokens("Here:\n\n```rust\n");
        all.extend((0..lines).flat_map(|n| tokens(&format!("let value_{n} = compute( {n} );\n"))));
        all.extend(tokens("```\n\nDone."));
        all
    };
    let list = |items: usize| (0..items).flat_map(|n| tokens(&format!("- item {n} **holds** some words\n"))).collect();
    let mut figures = Vec::new();
    for (name, said) in [("paragraph", words(2000)), ("code", code(250)), ("list", list(200))] {
        let site = site(&said, 4.0);
        let server = Server::start(Some(site.path()));
        let browser = Browser::start().await;
        let page = Page(&browser.driver);
        page.0.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", json!({"source": WATCH})).await.unwrap();
        open(&page, &server).await;
        page.write("Tell me everything").await;
        page.script(COUNT, vec![]).await;
        page.click("#send").await;
        page.until("the answer begins", |look| look.answers == 1 && !look.ids.is_empty()).await;
        page.script("window.shifts.length = 0;", vec![]).await;
        let ended = "return document.querySelector('article').dataset.state;";
        page.value(Duration::from_secs(200), "the answer ends", ended, |state| *state == json!("finished")).await;
        let found = page
            .script(
                "return { nodes: window.nodes, long_tasks_ms: window.tasks, layout_shift: window.shifts.reduce((a, b) => a + b, 0),
                  text: document.querySelector('article .text').textContent,
                  tokens: document.querySelectorAll('article [data-token]').length };",
                vec![],
            )
            .await;
        let (added, removed) = (found["nodes"]["added"].as_u64().unwrap(), found["nodes"]["removed"].as_u64().unwrap());
        let count = said.len() as u64;
        assert_eq!(found["tokens"], json!(count), "{name}: every token is there");
        if name == "paragraph" {
            assert_eq!(found["text"].as_str().unwrap().trim(), said.concat().trim());
        }
        figures.push(json!({"answer": name, "tokens": count, "nodes_added": added, "nodes_removed": removed,
            "long_tasks_ms": found["long_tasks_ms"], "layout_shift": found["layout_shift"]}));
        println!("streaming: {}", figures.last().unwrap());
        // A token's element and a place or two for elements around it.
        assert!(
            added <= 4 * count && removed <= count / 4,
            "{name}: {added} nodes came and {removed} went for {count}"
        );
        assert!(found["layout_shift"].as_f64().unwrap() < 0.001, "the page moved while the answer came: {found}");
        browser.close().await;
    }
    keep("streaming", &json!(figures));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn everything_that_opens_passes_the_audit() {
    let site = site(&words(40), 1.0);
    let server = Server::start(Some(site.path()));
    let browser = Browser::start_new().await;
    let page = Page(&browser.driver);
    let folder = TemporaryFolder::new();
    let questions = folder.path().join("questions.jsonl");
    let lines: Vec<String> =
        suite(Split::Test, 9, 1).iter().map(|question| serde_json::to_string(question).unwrap()).collect();
    fs::write(&questions, lines.join("\n")).unwrap();
    let mut audit = Audit::default();
    for scheme in ["light", "dark"] {
        page.look_as(1280, 900, scheme, "no-preference").await;
        open(&page, &server).await;
        page.script("localStorage.clear();", vec![]).await;
        open(&page, &server).await;
        let name = |what: &str| format!("{what}-{scheme}");
        page.mode("router").await;
        page.ask("What is 6 x 7?").await;
        until(&page, "consent is asked for", "document.querySelector('#consent').open", json!(true)).await;
        audit.look(&page, &name("consent")).await;
        page.click("#consent-yes").await;
        page.finished().await;
        page.click("article [data-action=what-if]").await;
        until(&page, "what if is there", "Boolean(document.querySelector('[data-what-if]'))", json!(true)).await;
        audit.look(&page, &name("what-if")).await;
        page.click("article [data-action=what-if]").await;
        page.click("article [data-action=replay]").await;
        until(&page, "the replay runs", "Boolean(document.querySelector('[data-later]'))", json!(true)).await;
        audit.look(&page, &name("replay")).await;
        page.click("article [data-action=replay]").await;
        page.write("Write to jane.doe@example.org").await;
        until(&page, "the address is found", "Boolean(document.querySelector('#spans li[data-kind]'))", json!(true))
            .await;
        audit.look(&page, &name("marks")).await;
        for dialog in ["models", "endpoints", "sent", "device", "limits", "settings"] {
            page.click(&format!("#{dialog}-open")).await;
            until(&page, "it is open", &format!("document.querySelector('#{dialog}').open"), json!(true)).await;
            audit.look(&page, &name(dialog)).await;
            page.shot(&format!("craft-{dialog}-{scheme}")).await;
            page.click(&format!("#{dialog} [data-close]")).await;
            until(&page, "it is closed", &format!("document.querySelector('#{dialog}').open"), json!(false)).await;
        }
        page.click("#measure-open").await;
        for scope in ["conversation", "all", "batch"] {
            page.click(&format!("input[name=scope][value={scope}]")).await;
            if scope == "batch" {
                let input = page.0.find(By::Id("batch-file")).await.unwrap();
                input.send_keys(questions.to_str().unwrap()).await.unwrap();
                let loaded = "document.querySelector('#batch-loaded').textContent.includes('5 questions')";
                until(&page, "the file is read", loaded, json!(true)).await;
            }
            audit.look(&page, &name(&format!("measure-{scope}"))).await;
            page.shot(&format!("craft-measure-{scope}-{scheme}")).await;
        }
        page.0.goto(&format!("{}/bench.html", server.url())).await.unwrap();
        until(&page, "the report is there", "Boolean(document.documentElement.dataset.bench)", json!(true)).await;
        audit.look(&page, &name("bench")).await;
        page.shot(&format!("craft-bench-{scheme}")).await;
    }
    audit.end();
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn long_words_and_huge_pastes_break_nothing() {
    let long = format!(
        "A {} and https://example.org/{}\n\n```\n{}\n```\n\nשלום עולם, זה משפט ארוך.\n\n| a | {} |\n|---|---|\n| 1 | 2 |\n",
        "x".repeat(600),
        "path/".repeat(80),
        "code ".repeat(200),
        "wide ".repeat(60)
    );
    let site = site(&tokens(&long), 1.0);
    let server = Server::start(Some(site.path()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.0.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", json!({"source": WATCH})).await.unwrap();
    open(&page, &server).await;
    page.ask(&"question".repeat(60)).await;
    page.finished().await;
    for (width, height) in [(360, 640), (768, 1024), (1440, 900)] {
        page.appearance(width, height, "light").await;
        page.shot(&format!("craft-long-{width}")).await;
        assert!(page.look().await.overflow <= 0, "nothing is wider than {width} pixels");
        let inside = "const log = document.querySelector('.log'); return log.scrollWidth - log.clientWidth;";
        assert_eq!(page.script(inside, vec![]).await, json!(0), "the conversation does not scroll sideways at {width}");
    }
    let mixed = "return [...document.querySelectorAll('article p')].filter(p => p.textContent.includes('שלום'))
        .map(p => getComputedStyle(p).direction);";
    assert_eq!(page.script(mixed, vec![]).await, json!(["rtl"]), "a paragraph has the direction of its own text");

    // A megabyte is said to be too long, stays, and the page still answers to keys.
    page.script("window.tasks.length = 0;", vec![]).await;
    let paste = "const field = document.querySelector('#question'); field.focus();
        document.execCommand('insertText', false, 'many words '.repeat(1e5).slice(0, 1e6)); return field.value.length;";
    let begun = Instant::now();
    assert_eq!(page.script(paste, vec![]).await, json!(1_000_000));
    until(&page, "it is too long", "Boolean(document.querySelector('#too-long'))", json!(true)).await;
    println!(
        "paste: {}",
        json!({"bytes": 1_000_000, "ms": begun.elapsed().as_millis() as u64,
        "long_tasks_ms": page.script("return window.tasks;", vec![]).await})
    );
    let sizes = page.script(SIZES, vec![]).await;
    assert!(sizes["dock"].as_f64().unwrap() < 0.5, "the paste does not take the window: {sizes}");
    assert!(page.look().await.overflow <= 0);
    page.key("a", 65).await;
    until(&page, "the text stays", "document.querySelector('#question').value.length >= 1000000", json!(true)).await;
    until(&page, "it is not sent", "document.querySelector('#send').disabled", json!(true)).await;
    page.script(
        "const field = document.querySelector('#question'); field.value = 'short';
        field.dispatchEvent(new Event('input', { bubbles: true }));",
        vec![],
    )
    .await;
    until(&page, "it can be sent again", "document.querySelector('#send').disabled", json!(false)).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn figures_of_a_first_visit() {
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.0.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", json!({"source": WATCH})).await.unwrap();
    open(&page, &server).await;
    let found = page
        .script(
            "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
            return { requests: all.length,
              files: all.map(file => ({ name: new URL(file.name).pathname, raw: file.decodedBodySize, sent: file.encodedBodySize })),
              first_contentful_paint_ms: window.marks['first-contentful-paint'], interactive_ms: window.marks.interactive,
              engine_ready_ms: window.marks.engine, long_tasks_ms: window.tasks,
              layout_shift: window.shifts.reduce((a, b) => a + b, 0) };",
            vec![],
        )
        .await;
    println!("page: {found}");
    keep("page", &found);
    let (interactive, engine) = (found["interactive_ms"].as_f64().unwrap(), found["engine_ready_ms"].as_f64().unwrap());
    assert!(interactive < engine, "a question can be typed before the engine is there");
    assert!(found["layout_shift"].as_f64().unwrap() < 0.1, "what was drawn stays where it is: {found}");
    browser.close().await;
}

/// Keeps figures beside the screenshots.
fn keep(name: &str, figures: &Value) {
    fs::create_dir_all(product::shots()).unwrap();
    let text = serde_json::to_string_pretty(figures).unwrap();
    fs::write(product::shots().join(format!("{name}.json")), text + "\n").unwrap();
}
