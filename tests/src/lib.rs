//! What the whole-product tests share: the built program, its server, a browser and the page as the reader sees it.
//!
//! `cargo xtask e2e` and `cargo xtask test` build everything, say where it is and run the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod audit;
pub mod browser;
pub mod columns;
pub mod endpoint;
pub mod fake_chat;
pub mod fake_engine;
pub mod folder;
pub mod http;
pub mod llama_cpp;
pub mod models;
pub mod native;
pub mod page;
pub mod process;
pub mod product;
pub mod sent;
pub mod server;
pub mod slow_server;
