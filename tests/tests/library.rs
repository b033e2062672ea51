//! The model library in a real browser: a download that is interrupted, resumed and healed, the model used and deleted; and
//! two tabs that share one GPU.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tests::{
    browser::Browser,
    folder::{TemporaryFolder, copy},
    models::Models,
    page::{Look, Page},
    product, sent,
    server::Server,
    slow_server::SlowServer,
};
use std::{fs, time::Duration};

const QUESTION: &str = "What is 3 + 4?";
const WEIGHTS: &str = "model.safetensors";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn a_model_is_downloaded_in_spite_of_interruptions_healed_used_and_deleted() {
    // The shipped SLM, as anybody's folder of files.
    let folder = TemporaryFolder::new();
    copy(&product::models().join("slm"), folder.path());
    fs::copy(product::models().join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let site = SlowServer::start(folder.path()).await;
    let server = Server::start(Some(&product::dist()));
    let page_url = format!("{}/?server=none", server.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    let models = Models(&page);
    page.open(&page_url).await;
    let shipped = local_answer(&page).await;

    // Looked up: size and verdict come before the download.
    models.open().await;
    models.add(site.url()).await;
    let found = models.until("the model is found", |shelf| shelf.rows == 1 && !shelf.verdict.is_empty()).await;
    assert_eq!(found.state, "partial", "{found:?}");
    assert!(found.stored < found.bytes / 4, "nothing large is downloaded unasked: {found:?}");
    // A small synthetic model was run here: a speed is predicted for the one that is not here yet.
    let measured = models.until("a speed is predicted", |shelf| shelf.speed.is_some()).await;
    assert!(measured.speed.is_some_and(|speed| speed > 0.0 && speed.is_finite()), "{measured:?}");
    assert!(["runs", "slowly"].contains(&measured.verdict.as_str()), "{measured:?}");
    assert_eq!(measured.stored, found.stored, "nothing was downloaded for it");
    page.shot("models-found").await;
    site.take(WEIGHTS);

    // Interrupted by a reload of the page.
    models.press("resume").await;
    let half = models.until("half is there", |shelf| shelf.stored > found.bytes / 2).await;
    assert_eq!(half.state, "downloading", "the download is slow enough to be interrupted: {half:?}");
    page.shot("models-downloading").await;
    assert_eq!(site.take(WEIGHTS), [0], "one request for the whole file");
    page.open(&page_url).await;
    models.open().await;
    let kept = models.until("what came is still there", |shelf| shelf.rows == 1).await;
    assert_eq!(kept.state, "partial");
    assert!(kept.stored > found.bytes / 4, "the interruption costs little: {kept:?} after {half:?}");

    // Resumed, paused, resumed.
    models.press("resume").await;
    models.until("it goes on", |shelf| shelf.stored > kept.stored).await;
    models.press("pause").await;
    models.until("it pauses", |shelf| shelf.state == "partial").await;
    models.press("resume").await;
    let done = models.until("it is complete", |shelf| shelf.state == "complete").await;
    assert_eq!(done.stored, done.bytes, "{done:?} {}", done.said);
    let asked = site.take(WEIGHTS);
    assert!(!asked.is_empty() && asked.iter().all(|from| *from > 0), "stored bytes are not fetched again: {asked:?}");
    let pieces: Vec<String> = models.stored().await.into_iter().map(|(name, _)| name).collect();
    let weights = prefix_of(&pieces, &done.model);
    assert!(
        models.same(&done.model, &weights, &format!("{}/models/slm/{WEIGHTS}", server.url())).await,
        "byte for byte"
    );
    site.take(WEIGHTS);

    // Damaged on the disk, found and healed with one short request.
    let middle = format!("{weights}00001");
    models.damage(&done.model, &middle).await;
    assert!(!models.same(&done.model, &weights, &format!("{}/models/slm/{WEIGHTS}", server.url())).await);
    site.take(WEIGHTS);
    models.press("check").await;
    let healed = models.until("it is checked", |shelf| shelf.state == "complete" && !shelf.said.is_empty()).await;
    assert!(healed.said.contains("damaged"), "{healed:?}");
    assert!(site.take(WEIGHTS).iter().all(|from| *from > 0), "only the damaged part is fetched");
    assert!(models.same(&done.model, &weights, &format!("{}/models/slm/{WEIGHTS}", server.url())).await, "healed");
    page.shot("models-complete").await;

    // Used: the same weights give the same answer, and the router that was trained for them the same scores.
    models.press("use").await;
    models.close().await;
    let stored = local_answer(&page).await;
    assert_eq!(stored.ids, shipped.ids, "the stored model is the shipped one");
    assert_eq!(stored.scores, shipped.scores, "its router is the shipped one");
    assert!(stored.scores.iter().any(|score| *score < 1.0), "{:?}", stored.scores);
    models.open().await;
    let used = models.until("it is listed as used", |shelf| shelf.rows == 1).await;
    assert!(!used.actions.iter().any(|action| action == "remove"), "what is in use cannot be removed: {used:?}");
    page.script("document.querySelector('#models li[data-model=\"\"] [data-action=use]').click();", vec![]).await;
    page.until("the shipped model is back", |look| look.engine == "ready").await;

    // Deleted: nothing stays.
    models.until("it can be removed", |shelf| shelf.actions.iter().any(|action| action == "remove")).await;
    models.press("remove").await;
    models.press("remove").await;
    models.until("it is gone", |shelf| shelf.rows == 0).await;
    assert_eq!(models.stored().await, []);

    // What was fetched is in the list of what was sent.
    let rows = sent::settled(&page).await;
    let downloads: Vec<_> = rows.iter().filter(|row| row.purpose == "download").collect();
    assert!(downloads.iter().all(|row| row.endpoint == site.url() && row.outcome != "started"), "{downloads:?}");
    assert!(downloads.iter().any(|row| row.status == "partial"), "the one that was paused: {downloads:?}");
    let bytes: u64 = downloads.iter().filter_map(|row| row.bytes_received).sum();
    // Of the one that was cut by the reload, what came in its last moment is not known.
    assert!(bytes >= done.bytes - (256 << 10), "every byte came by a request of the list: {downloads:?}");
    assert_eq!(downloads.iter().filter(|row| row.outcome == "interrupted").count(), 1, "{downloads:?}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn the_cards_of_the_pair_can_be_read_without_network() {
    let mut server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(&format!("{}/?server=none", server.url())).await;
    let kept = "return document.querySelector('[data-offline]').dataset.offline;";
    page.value(Duration::from_secs(60), "the page is on the device", kept, |kept| kept == "ready").await;
    server.kill();
    Models(&page).open().await;
    for part in ["slm", "llm", "router"] {
        page.click(&format!("[data-card={part}] summary")).await;
        let shown = format!(
            "const card = document.querySelector('[data-card={part}]');
            return card.querySelector('table') ? card.querySelector('.text').textContent : '';"
        );
        let shown = page.value(Duration::from_secs(20), part, &shown, |text| text != "").await;
        // What the page shows is the card that comes with the weights.
        let card = fs::read_to_string(product::models().join(part).join("README.md")).unwrap();
        let accuracy = card.lines().find(|line| line.starts_with("| all |")).expect("a card tells the accuracy");
        let interval = accuracy.split('|').nth(2).unwrap().trim();
        assert!(shown.as_str().unwrap().contains(interval), "{part}: {interval} in {shown}");
    }
    page.fits("cards", &[("light", 360, 900), ("dark", 1280, 900)]).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn what_cannot_be_a_model_is_said_to_be_none() {
    let server = Server::start(Some(&product::dist()));
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    let models = Models(&page);
    page.open(&format!("{}/?server=none", server.url())).await;
    models.open().await;
    // The page's own server answers every address with the page.
    for (source, word) in [("no model", "neither"), (&format!("{}/nothing", server.url()), "not there")] {
        models.add(source).await;
        let said = models.until("it is refused", |shelf| shelf.words.contains(word)).await;
        assert_eq!(said.rows, 0, "{said:?}");
    }
    assert_eq!(models.stored().await, []);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn two_tabs_do_not_fight_over_the_gpu() {
    let server = Server::start(Some(&product::dist()));
    let url = format!("{}/?server=none", server.url());
    let browser = Browser::start().await;
    let page = Page(&browser.driver);
    page.open(&url).await;
    ready(&page).await;
    let first = browser.driver.window().await.unwrap();
    let second = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(second.clone()).await.unwrap();
    page.open(&url).await;
    page.until("the second tab waits", |look| look.engine == "elsewhere").await;
    page.shot("second-tab").await;
    page.script("document.querySelector('#take-over').click();", vec![]).await;
    ready(&page).await;
    browser.driver.switch_to_window(first.clone()).await.unwrap();
    let ousted = page.until("the first tab says so", |look| look.engine == "failed").await;
    assert!(ousted.error.to_lowercase().contains("another tab"), "{}", ousted.error);
    // It waits in its turn, and starts by itself when the other one is closed.
    page.script("document.querySelector('#restart').click();", vec![]).await;
    page.until("the first tab waits", |look| look.engine == "elsewhere").await;
    browser.driver.switch_to_window(second).await.unwrap();
    browser.driver.close_window().await.unwrap();
    browser.driver.switch_to_window(first).await.unwrap();
    ready(&page).await;
    browser.close().await;
}

async fn ready(page: &Page<'_>) {
    let look = page.until("the engine is ready", |look| look.engine == "ready" || look.engine == "failed").await;
    assert_eq!(look.engine, "ready", "{}", look.error);
}

/// The answer of the model in use, alone.
async fn local_answer(page: &Page<'_>) -> Look {
    ready(page).await;
    page.new_chat().await;
    page.mode("local-only").await;
    page.ask(QUESTION).await;
    page.finished().await
}

/// How the pieces of the largest file begin: it has the most of them.
fn prefix_of(pieces: &[String], model: &str) -> String {
    let names = pieces.iter().filter_map(|piece| piece.strip_prefix(model)?.strip_prefix('/'));
    let prefixes: Vec<String> =
        names.filter(|name| !name.starts_with("manifest")).map(|name| name[..4].into()).collect();
    let count = |prefix: &String| prefixes.iter().filter(|other| *other == prefix).count();
    let most = prefixes.iter().max_by_key(|prefix| count(prefix)).expect("pieces are stored").clone();
    assert!(count(&most) > 3, "the weights are in several pieces: {pieces:?}");
    most
}
