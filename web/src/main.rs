//! The chat page: view code only. The models run in the engine worker, a program of its own.

mod address;
mod amount;
mod announcer;
mod app;
mod bench;
mod chat;
mod chats;
mod composer;
mod controls;
mod copy;
mod database;
mod device;
mod dialog;
mod endpoints;
mod engine;
mod engine_error;
mod files;
mod fold;
mod header;
mod js;
mod judge;
mod layout;
mod ledger;
mod limits;
mod lock;
mod measure;
mod message;
mod meter;
mod models;
mod network;
mod offline;
mod privacy;
mod processor;
mod replay;
mod samples;
mod settings;
mod storage;
mod store_error;
mod strings;
mod theme;
mod token;
mod token_card;
mod view_mode;
mod what_if;

fn main() {
    console_error_panic_hook::set_once();
    theme::apply(theme::saved());
    if let Some(splash) = leptos::prelude::document().get_element_by_id("splash") {
        splash.remove();
    }
    if address::is_bench() {
        leptos::mount::mount_to_body(bench::Bench);
    } else {
        leptos::mount::mount_to_body(app::App);
    }
}
