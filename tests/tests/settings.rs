//! A conversation's settings: a system prompt that is kept and told, and answers that are drawn by a seed.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::TokenId;
use citer_tests::{browser::Browser, fake_chat::FakeChat, page::Page, product, server::Server};
use serde_json::json;
use std::{collections::HashSet, time::Duration};

/// Held out, and with more than one way to say its answer.
const QUESTION: &str = "What is 12 + 7?";

/// The number that an answer was drawn with, as it says.
const SEED: &str = "return document.querySelector('article[data-answer] [data-seed]')?.dataset.seed ?? '';";

async fn text(page: &Page<'_>, selector: &str) -> String {
    let script = "return document.querySelector(arguments[0])?.textContent ?? '';";
    page.script(script, vec![json!(selector)]).await.as_str().unwrap_or_default().to_owned()
}

async fn value(page: &Page<'_>, field: &str) -> String {
    let script = "return document.querySelector(arguments[0]).value;";
    page.script(script, vec![json!(format!("#settings-{field}"))]).await.as_str().unwrap().to_owned()
}

async fn is_open(page: &Page<'_>) -> bool {
    page.script("return document.querySelector('#settings').open;", vec![]).await == json!(true)
}

/// Types into the fields of the settings.
async fn fill(page: &Page<'_>, fields: &[(&str, &str)]) {
    for (field, typed) in fields {
        let script = "const field = document.querySelector(arguments[0]); field.value = arguments[1];
            field.dispatchEvent(new Event('input', { bubbles: true }));";
        page.script(script, vec![json!(format!("#settings-{field}")), json!(typed)]).await;
    }
}

async fn set(page: &Page<'_>, fields: &[(&str, &str)]) {
    page.click("#settings-open").await;
    fill(page, fields).await;
    page.click("#settings-save").await;
    assert!(!is_open(page).await, "{}", text(page, "#settings-problem").await);
}

/// Makes another answer to the last question.
async fn again(page: &Page<'_>) -> (Vec<TokenId>, String) {
    let answer = "return document.querySelector('article[data-answer]')?.dataset.answer ?? '';";
    let before = page.script(answer, vec![]).await;
    page.click("article [data-action=again]").await;
    page.value(Duration::from_secs(60), "another answer is shown", answer, |now| *now != before).await;
    let ids = page.finished().await.ids;
    (ids, page.script(SEED, vec![]).await.as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_system_prompt_survives_a_reload_and_reaches_the_server() {
    let (server, fake) = (Server::start(Some(&product::dist())), FakeChat::start().await);
    let address = format!("{}/?server={}", server.url(), fake.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(&address).await;
    page.until("the endpoint is found", |look| look.server == "available" && look.engine == "ready").await;

    // What cannot be used is said, and nothing that was typed is lost.
    page.click("#settings-open").await;
    assert!(
        !text(&page, "#settings-no-place").await.is_empty(),
        "the shipped model has no place for one, and that is said"
    );
    fill(&page, &[("system", "Answer like a pirate."), ("temperature", "warm")]).await;
    page.click("#settings-save").await;
    assert!(is_open(&page).await && text(&page, "#settings-problem").await.contains("warm"));
    fill(&page, &[("temperature", "0.5"), ("top-p", "1.5")]).await;
    page.click("#settings-save").await;
    assert!(text(&page, "#settings-problem").await.contains("op-p is 1.5"));
    page.shot("settings-problem").await;
    page.click("#settings [data-close]").await;
    page.click("#settings-open").await;
    assert_eq!(
        (value(&page, "system").await.as_str(), value(&page, "top-p").await.as_str()),
        ("Answer like a pirate.", "1.5")
    );
    fill(&page, &[("top-p", "0,9"), ("seed", "11")]).await;
    page.click("#settings-save").await;
    assert!(!is_open(&page).await);

    // Kept before anything is asked, told to the server, and kept with the conversation afterwards.
    page.open(&address).await;
    page.until("the endpoint is found", |look| look.server == "available" && look.engine == "ready").await;
    assert!(text(&page, "#settings-open").await.contains("system prompt, temperature 0.5"));
    page.mode("remote-only").await;
    page.ask("Where is the treasure?").await;
    let asks = "return document.querySelector('#consent').open;";
    page.value(Duration::from_secs(60), "consent is asked for", asks, |open| *open == json!(true)).await;
    page.click("#consent-yes").await;
    page.finished().await;
    let told = fake.told();
    let last = told.last().unwrap();
    assert_eq!(last["messages"][0], json!({"role": "system", "content": "Answer like a pirate."}), "{last}");
    assert_eq!(last["messages"][1], json!({"role": "user", "content": "Where is the treasure?"}), "{last}");
    let near = |field: &str, wanted: f64| (last[field].as_f64().unwrap() - wanted).abs() < 1e-6;
    assert!(near("temperature", 0.5) && near("top_p", 0.9) && last["seed"].is_u64(), "{last}");
    let seeds: HashSet<_> = told.iter().filter_map(|body| body["seed"].as_u64()).collect();
    assert!(seeds.len() >= 3, "every place has a random number of its own: {seeds:?}");
    assert_eq!(page.script(SEED, vec![]).await, json!("11"), "the answer says its seed");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    page.open(&address).await;
    page.until("the conversation is back", |look| look.answers == 1 && look.state == "finished").await;
    page.click("#settings-open").await;
    assert_eq!(value(&page, "system").await, "Answer like a pirate.");
    assert_eq!((value(&page, "top-p").await, value(&page, "seed").await), ("0.9".into(), "11".into()));
    page.fits("settings", &[("light", 1280, 900), ("dark", 1280, 900), ("light", 360, 740), ("dark", 360, 740)]).await;
    page.click("#settings [data-close]").await;
    page.shot("settings-answer-360").await;
    page.new_chat().await;
    assert_eq!(text(&page, "#settings-open").await, "Conversation settings", "another conversation has its own");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_seed_draws_the_same_again_and_reset_is_greedy() {
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(server.url()).await;
    page.until("the engine is ready", |look| look.engine == "ready" && look.server == "available").await;
    page.mode("local-only").await;
    page.ask(QUESTION).await;
    let greedy = page.finished().await.ids;
    assert_eq!(page.script(SEED, vec![]).await, json!(""), "a greedy answer has no seed");

    set(&page, &[("temperature", "1"), ("seed", "7")]).await;
    let (first, seed) = again(&page).await;
    assert_eq!(seed, "7");
    assert_eq!(again(&page).await.0, first, "the same seed draws the same");
    let trace = page.trace().await;
    assert_eq!((trace.seed, trace.settings.sampling.seed, trace.ids()), (Some(7), 7, first.clone()));
    let mut others = HashSet::new();
    for seed in 8..16 {
        set(&page, &[("seed", &seed.to_string())]).await;
        others.insert(again(&page).await.0);
    }
    assert!(others.iter().any(|ids| *ids != first), "other seeds draw other tokens");

    // Without a seed every answer gets its own, and says it.
    set(&page, &[("seed", "")]).await;
    let (one, two) = (again(&page).await.1, again(&page).await.1);
    assert!(one != two && !one.is_empty(), "{one} and {two}");

    page.click("#settings-open").await;
    page.click("#settings-reset").await;
    assert_eq!((value(&page, "temperature").await, value(&page, "seed").await), ("0".into(), String::new()));
    page.click("#settings [data-close]").await;
    assert_eq!(again(&page).await, (greedy, String::new()), "greedy again");

    // What is set for new conversations holds for the next one, whatever the page is told in between.
    page.click("#settings-open").await;
    fill(&page, &[("temperature", "0.25")]).await;
    page.click("#settings-defaults").await;
    page.click("#settings-save").await;
    page.new_chat().await;
    assert!(text(&page, "#settings-open").await.contains("temperature 0.25"));
    page.open(server.url()).await;
    page.new_chat().await;
    assert!(text(&page, "#settings-open").await.contains("temperature 0.25"));
    browser.close().await;
}
