//! Limits: budgets end escalation and never the answer, outlast a reload, and count over conversations.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::{Mode, Preset};
use citer_tests::{browser::Browser, page::Page, product, server::Server};
use serde_json::json;
use std::time::Duration;

const QUESTION: &str = "What is 12 + 7?";

/// Types into a field of the dialog.
async fn fill(page: &Page<'_>, id: &str, text: &str) {
    let script = "const field = document.getElementById(arguments[0]); field.value = arguments[1];
        field.dispatchEvent(new Event('change', { bubbles: true }));";
    page.script(script, vec![json!(id), json!(text)]).await;
}

/// How many of the last answer's tokens the server was asked for.
async fn asked(page: &Page<'_>) -> usize {
    let sources = page.look().await.sources;
    assert!(sources.len() > 3, "the answer is whole: {sources:?}");
    sources.iter().filter(|source| matches!(source.as_str(), "remote" | "agreed")).count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn budgets_end_escalation_and_never_the_answer() {
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open_served(server.url()).await;
    page.mode("remote-only").await;

    // Two requests an answer, three a day.
    page.click("#limits-open").await;
    fill(&page, "limit-calls-answer", "2").await;
    fill(&page, "limit-calls-day", "3").await;
    // Nonsense is said, and changes nothing.
    fill(&page, "limit-calls-answer", "many").await;
    let wrong = "return document.getElementById('limit-calls-answer-error').textContent;";
    assert_ne!(page.script(wrong, vec![]).await, json!(""));
    for (name, width, scheme) in [("limits", 1280, "light"), ("limits-dark-narrow", 360, "dark")] {
        page.appearance(width, 800, scheme).await;
        page.shot(name).await;
    }
    page.appearance(1280, 800, "light").await;
    page.click("#limits [data-close]").await;
    page.ask(QUESTION).await;
    page.finished().await;
    // Opening a session with the server may be one of the requests.
    let first = asked(&page).await;
    assert!((1..=2).contains(&first), "the answer's budget: {first}");
    let trace = page.trace().await;
    assert_eq!(trace.split().spent.calls, 2);
    assert_eq!((trace.settings.budget.calls, trace.settings.day.budget.calls), (Some(2), Some(3)));

    // The day's budget counts over conversations and reloads.
    page.open_served(server.url()).await;
    page.new_chat().await;
    page.ask(QUESTION).await;
    page.finished().await;
    assert!(asked(&page).await <= 1, "what the day's budget left");
    assert_eq!(page.trace().await.settings.day.spent.calls, 2);
    page.ask(QUESTION).await;
    let dry = page.finished().await;
    assert_eq!(asked(&page).await, 0, "{dry:?}");
    assert!(!dry.notices.is_empty(), "the page says so: {dry:?}");
    page.click("#limits-open").await;
    // The last request may bring the opening of a session along.
    let spent = page.trace().await.settings.day.spent.calls;
    assert!((3..=4).contains(&spent), "{spent}");
    let words = "return document.getElementById('limits-spent').textContent;";
    let words = page.script(words, vec![]).await;
    assert!(words.as_str().unwrap().contains(&format!("{spent} requests")), "{words}");

    // Without limits everything is as before.
    page.click("#limits-reset").await;
    page.click("#limits [data-close]").await;
    page.ask(QUESTION).await;
    let free = page.finished().await;
    assert_eq!(asked(&page).await, free.ids.len(), "{free:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_preset_or_a_wanted_share_sets_the_threshold() {
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open_served(server.url()).await;
    page.mode("router").await;
    page.ask(QUESTION).await;
    page.finished().await;
    let recommended = page.trace().await.settings.threshold;

    page.click("#limits-open").await;
    let choose = "const choice = document.getElementById('limits-preset'); choice.selectedIndex = arguments[0];
        choice.dispatchEvent(new Event('change', { bubbles: true }));";
    page.script(choose, vec![json!(2)]).await;
    page.click("#limits [data-close]").await;
    page.ask(QUESTION).await;
    page.finished().await;
    let settings = page.trace().await.settings;
    assert_eq!((settings.mode, settings.threshold), Preset::PreferRemote.apply(recommended));
    assert_eq!(settings.mode, Mode::Router);

    page.click("#limits-open").await;
    fill(&page, "limit-target", "100").await;
    page.click("#limits [data-close]").await;
    let still = "return document.getElementById('threshold').disabled;";
    let patience = Duration::from_secs(10);
    page.value(patience, "the slider gives way", still, |disabled| disabled == true).await;
    page.ask(QUESTION).await;
    let all = page.finished().await;
    assert_eq!(asked(&page).await, all.ids.len(), "all of the tokens are the wanted share");
    page.click("#limits-open").await;
    fill(&page, "limit-target", "0").await;
    page.click("#limits [data-close]").await;
    page.ask(QUESTION).await;
    page.finished().await;
    assert_eq!(asked(&page).await, 0, "none of them are");
    assert_eq!(page.trace().await.settings.target_share, Some(0.0));
}
