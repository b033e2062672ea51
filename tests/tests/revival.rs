//! A worker that dies in the middle of an answer: it is started again, and the answer goes on as if nothing had happened.
//!
//! `cargo xtask e2e` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::TokenId;
use citer_tests::{
    browser::Browser,
    native,
    page::{Page, mark},
    product,
    server::Server,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built product and Chrome: `cargo xtask e2e`"]
async fn an_answer_survives_the_death_of_its_worker() {
    let server = Server::start(Some(&product::dist()));
    let routed = native::routed(server.url());
    let middle = routed.trace.events.len() / 2;
    for cause in ["panic", "device-lost"] {
        let browser = Browser::start().await;
        let page = Page(&browser.driver);
        page.open(&format!("{}/?fault={cause}@{middle}", server.url())).await;
        page.until("the server is found", |look| look.server == "available").await;
        let before = server.log().len();
        page.mode("router").await;
        page.threshold(routed.threshold).await;
        page.ask(&routed.question).await;
        page.until("the worker dies", |look| look.engine == "loading").await;
        page.shot(&format!("worker-died-{cause}")).await;
        let done = page.until("the answer ends", |look| look.state != "streaming").await;

        assert_eq!((done.state.as_str(), done.engine.as_str()), ("finished", "ready"), "{cause}: {done:?}");
        assert_eq!(done.ids, routed.trace.ids(), "{cause}: ids of an undisturbed run");
        let native: Vec<&str> = routed.trace.events.iter().map(|event| mark(event.source)).collect();
        assert_eq!(done.sources, native, "{cause}: sources of an undisturbed run");
        assert!(done.notices.iter().any(|notice| notice.contains("goes on")), "{cause}: it is said: {done:?}");
        let trace = page.trace().await;
        assert_eq!(trace.ids(), routed.trace.ids(), "{cause}: one trace holds both parts");
        assert_eq!(trace.text(), routed.trace.text(), "{cause}");
        // No token was asked for twice.
        let asked: Vec<TokenId> = server.log().split_off(before).concat();
        let remote = trace.events.iter().filter(|event| event.source.is_remote());
        assert_eq!(asked, remote.map(|event| event.id).collect::<Vec<_>>(), "{cause}: the server's log");

        // The engine is as good as new.
        page.new_chat().await;
        page.mode("local-only").await;
        page.ask(&routed.question).await;
        let next = page.until("the next answer ends", |look| look.state != "streaming").await;
        assert_eq!(next.state, "finished", "{cause}: {next:?}");
        browser.close().await;
    }
}
