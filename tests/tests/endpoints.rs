//! The servers of the large model as the reader manages them: order, tests, keys, consent for each, and the one that stands in
//! for another; and text that stays on the device because the reader says so.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tests::{
    browser::Browser,
    endpoint::{Endpoint, Way},
    page::Page,
    product,
    sent::{self, Row},
    server::Server,
};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "sk-quite-secret-0123456789";
const QUESTION: &str = "What is 3 + 4?";
const ORDER: &str =
    "return [...document.querySelectorAll('#endpoints li[data-endpoint]')].map(row => row.dataset.address);";
const NAMED: &str = "return document.querySelector('#consent').open
    ? [...document.querySelectorAll('#consent-servers li')].map(server => server.dataset.server) : [];";

async fn open(page: &Page<'_>) {
    page.click("#endpoints-open").await;
    page.value(PATIENCE, "the list is open", ORDER, |rows| rows.as_array().is_some_and(|rows| !rows.is_empty())).await;
}

/// Closes the list; the servers are looked for anew.
async fn close(page: &Page<'_>) {
    page.click("#endpoints [data-close]").await;
    page.until("the servers are known", |look| look.server == "available").await;
}

async fn add(page: &Page<'_>, url: &str) {
    let script = "const field = document.querySelector('#endpoint-url'); field.value = arguments[0];
        field.dispatchEvent(new Event('input', { bubbles: true })); field.form.requestSubmit();";
    page.script(script, vec![json!(url)]).await;
    page.value(PATIENCE, "it is added", ORDER, |rows| rows.as_array().unwrap().contains(&json!(url))).await;
}

fn row(url: &str, part: &str) -> String {
    format!("#endpoints li[data-address='{url}'] {part}")
}

async fn type_key(page: &Page<'_>, url: &str, key: &str) {
    let script = "const field = document.querySelector(arguments[0]); field.value = arguments[1];
        field.dispatchEvent(new Event('change', { bubbles: true }));";
    page.script(script, vec![json!(row(url, "input[type=password]")), json!(key)]).await;
}

/// Presses the server's test button and returns what it says.
async fn test(page: &Page<'_>, url: &str) -> String {
    page.click(&row(url, "[data-action=test]")).await;
    let said = format!("return document.querySelector(`{}`).textContent;", row(url, ".endpoint-result"));
    let said = page.value(PATIENCE, "it is tested", &said, |said| {
        let said = said.as_str().unwrap();
        said.starts_with('✓') || said.starts_with('✕')
    });
    said.await.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn servers_are_tested_ordered_and_their_keys_stay_secret() {
    let server = Server::start(Some(&product::dist()));
    let endpoint = Endpoint::start(server.url()).await;
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open_served(server.url()).await;
    open(&page).await;
    add(&page, endpoint.url()).await;
    type_key(&page, endpoint.url(), KEY).await;
    let said = test(&page, endpoint.url()).await;
    assert!(said.starts_with('✓') && said.contains("session"), "{said}");
    let keyed = |from: usize| {
        let asked = endpoint.asked();
        asked.len() > from && asked[from..].iter().all(|asked| asked.head.contains(KEY) && !asked.path.contains(KEY))
    };
    assert!(keyed(0), "{:?}", endpoint.asked());
    page.shot("endpoints-tested").await;

    // The one that was added comes first, and what belongs to it moves along.
    page.click(&row(endpoint.url(), "[data-action=up]")).await;
    let first = json!([endpoint.url(), server.url()]);
    page.value(PATIENCE, "it is first", ORDER, |rows| *rows == first).await;
    let placeholder =
        format!("return document.querySelector(`{}`).placeholder;", row(endpoint.url(), "input[type=password]"));
    assert!(page.script(&placeholder, vec![]).await.as_str().unwrap().starts_with("set"), "it still has its key");
    page.fits("endpoints-agreed", &[("light", 360, 900), ("dark", 1280, 900)]).await;
    page.appearance(1280, 900, "light").await;
    close(&page).await;

    // An answer through it: the key is in the requests and nowhere else.
    let before = endpoint.asked().len();
    page.mode("remote-only").await;
    page.ask(QUESTION).await;
    page.value(PATIENCE, "consent is asked for", NAMED, |named| *named == json!([endpoint.url()])).await;
    page.click("#consent-yes").await;
    page.finished().await;
    assert!(keyed(before), "{:?}", endpoint.asked());
    let everywhere = "return navigator.storage.getDirectory().then(async root => {
        const texts = [location.href, JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.body.textContent];
        const walk = async folder => { for await (const entry of folder.values())
            if (entry.kind === 'directory') await walk(entry);
            else if (entry.name.endsWith('.json')) texts.push(await (await entry.getFile()).text()); };
        await walk(root);
        return texts.join(' '); });";
    let found = page.script(everywhere, vec![]).await;
    assert!(!found.as_str().unwrap().contains(KEY), "the key is in memory only");
    sent::open(&page).await;
    for button in ["#sent-json", "#sent-csv"] {
        assert!(!sent::export(&page, button).await.contains(KEY), "{button}");
    }
    sent::close(&page).await;
    assert!(!page.trace().await.to_json().unwrap().contains(KEY), "the trace");

    // After a reload it is gone, unless the reader has it kept.
    page.0.refresh().await.unwrap();
    page.until("the page is back", |look| look.server == "available").await;
    open(&page).await;
    page.value(PATIENCE, "the order stayed", ORDER, |rows| *rows == first).await;
    assert_eq!(page.script(&placeholder, vec![]).await, json!("none"));
    type_key(&page, endpoint.url(), KEY).await;
    page.click(&row(endpoint.url(), "input[type=checkbox]")).await;
    let stored = "return JSON.stringify(localStorage);";
    page.value(PATIENCE, "it is kept", stored, |text| text.as_str().unwrap().contains(KEY)).await;
    close(&page).await;
    let before = endpoint.asked().len();
    page.0.refresh().await.unwrap();
    page.until("the page is back", |look| look.server == "available").await;
    assert!(keyed(before), "the kept key is used: {:?}", &endpoint.asked()[before..]);
    open(&page).await;
    page.click(&row(endpoint.url(), "input[type=checkbox]")).await;
    page.value(PATIENCE, "it is no longer kept", stored, |text| !text.as_str().unwrap().contains(KEY)).await;

    // A server that is not there is said to be none.
    add(&page, "http://127.0.0.1:9").await;
    let said = test(&page, "http://127.0.0.1:9").await;
    assert!(said.starts_with('✕') && said.contains("reached"), "{said}");
    page.click(&row("http://127.0.0.1:9", "[data-action=remove]")).await;
    page.value(PATIENCE, "it is gone", ORDER, |rows| *rows == first).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn each_server_is_agreed_to_and_the_one_that_answered_is_named() {
    let server = Server::start(Some(&product::dist()));
    let [first, second, third] =
        [Endpoint::start(server.url()).await, Endpoint::start(server.url()).await, Endpoint::start(server.url()).await];
    let browser = Browser::start_new().await;
    let page = Page(&browser.driver);
    page.open_served(server.url()).await;
    open(&page).await;
    add(&page, first.url()).await;
    add(&page, second.url()).await;
    page.click(&row(server.url(), "[data-action=remove]")).await;
    close(&page).await;

    // Both are named, and exactly those are remembered.
    page.mode("remote-only").await;
    page.ask(QUESTION).await;
    let both = json!([first.url(), second.url()]);
    page.value(PATIENCE, "both are named", NAMED, |named| *named == both).await;
    for (scheme, width) in [("light", 360), ("dark", 1280), ("light", 1280)] {
        page.appearance(width, 900, scheme).await;
        page.shot(&format!("consent-{scheme}-{width}")).await;
    }
    page.click("#consent-yes").await;
    page.finished().await;

    // The second stands in for the first, and says so.
    first.set(Way::Fail);
    let before = sent::settled(&page).await.len();
    page.new_chat().await;
    page.ask(QUESTION).await;
    let done = page.finished().await;
    let place =
        done.sources.iter().position(|source| source == "remote" || source == "agreed").expect("a token was asked for");
    let focus = "document.querySelector(`.token[data-index='${arguments[0]}']`).focus();";
    page.script(focus, vec![json!(place)]).await;
    let card = "return document.querySelector('#token-card').textContent;";
    page.value(PATIENCE, "the card names who answered", card, |card| card.as_str().unwrap().contains(second.url()))
        .await;
    page.shot("card-of-the-second").await;
    let rows = sent::settled(&page).await;
    let rows = &rows[before..];
    let of = |url: &str| rows.iter().filter(|row| row.endpoint == url && row.is_for_tokens()).collect::<Vec<&Row>>();
    assert!(of(first.url()).iter().all(|row| row.outcome == "failed"), "{rows:?}");
    assert!(!of(first.url()).is_empty() && of(second.url()).iter().any(|row| row.outcome != "failed"), "{rows:?}");
    let spent = page.trace().await.split().spent;
    let tokens = rows.iter().filter(|row| row.is_for_tokens()).count() as u64;
    assert_eq!(tokens, spent.calls, "{rows:?}");
    first.set(Way::Pass);

    // One that is added later is asked about.
    open(&page).await;
    add(&page, third.url()).await;
    close(&page).await;
    let quiet = third.asked().iter().filter(|asked| asked.bytes > 0).count();
    page.new_chat().await;
    page.ask(QUESTION).await;
    page.value(PATIENCE, "the third is named alone", NAMED, |named| *named == json!([third.url()])).await;
    assert_eq!(third.asked().iter().filter(|asked| asked.bytes > 0).count(), quiet, "no text before consent");
    page.click("#consent-yes").await;
    page.finished().await;

    // Taken back: it is asked about again, and a no keeps everything here.
    open(&page).await;
    page.click(&row(second.url(), "[data-action=withdraw]")).await;
    close_as_is(&page).await;
    page.0.refresh().await.unwrap();
    page.until("the page is back", |look| look.server == "available").await;
    page.new_chat().await;
    page.ask(QUESTION).await;
    page.value(PATIENCE, "the second is named alone", NAMED, |named| *named == json!([second.url()])).await;
    page.click("#consent-no").await;
    let done = page.finished().await;
    assert!(done.sources.iter().all(|source| source == "local"), "{done:?}");
    browser.close().await;
}

async fn close_as_is(page: &Page<'_>) {
    page.click("#endpoints [data-close]").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn the_reader_marks_text_and_lets_it_out() {
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open_served(server.url()).await;
    page.mode("remote-only").await;
    let found = "return [...document.querySelectorAll('#spans li')].map(row => row.textContent);";
    let count = |wanted: usize| move |rows: &Value| rows.as_array().is_some_and(|rows| rows.len() == wanted);

    // Nothing selected: it says how.
    page.write("Ask for project Bluebird: what is 3 + 4?").await;
    page.script("document.querySelector('#question').setSelectionRange(0, 0);", vec![]).await;
    page.click("#mark").await;
    let how = "return document.querySelector('.privacy [role=status]').textContent;";
    page.value(PATIENCE, "it says how", how, |how| how.as_str().unwrap().contains("Select")).await;
    let select = "const field = document.querySelector('#question'); const from = field.value.indexOf('Bluebird');
        field.focus(); field.setSelectionRange(from, from + 8);";
    page.script(select, vec![]).await;
    page.click("#mark").await;
    let rows = page.value(PATIENCE, "it is marked", found, count(1)).await;
    assert!(rows[0].as_str().unwrap().contains("Bluebird"), "{rows}");
    page.shot("marked").await;
    let before = server.log().len();
    page.click("#send").await;
    let done = page.until("the answer ends", |look| look.answers == 1 && look.state == "finished").await;
    assert!(done.sources.iter().all(|source| source == "local"), "{done:?}");
    assert!(done.notices.iter().any(|notice| notice.contains("marked")), "{:?}", done.notices);
    assert_eq!(server.log().len(), before, "nothing was asked");

    // The mark is taken away: the same words are asked for.
    page.click("#spans li button").await;
    page.value(PATIENCE, "no mark is left", found, count(0)).await;
    page.ask("And project Bluebird once more: what is 4 + 4?").await;
    let done = page.until("the answer ends", |look| look.answers == 2 && look.state == "finished").await;
    assert!(done.sources.iter().any(|source| source == "remote" || source == "agreed"), "{done:?}");

    // What the rules find may be sent when the reader says so.
    page.new_chat().await;
    page.write("Write to jane.doe@example.org: what is 3 + 4?").await;
    page.value(PATIENCE, "the address is found", found, count(1)).await;
    page.click("#spans [data-action=release]").await;
    page.value(PATIENCE, "it may be sent", found, count(0)).await;
    let before = server.log().len();
    page.click("#send").await;
    let done = page.until("the answer ends", |look| look.answers == 1 && look.state == "finished").await;
    assert!(done.sources.iter().any(|source| source == "remote" || source == "agreed"), "{done:?}");
    assert!(server.log().len() > before);
    browser.close().await;
}
