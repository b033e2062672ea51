//! The official `openai` Python client against `citer serve`; `cargo xtask test` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tests::{product, server::Server};
use std::{path::Path, process::Command};

#[test]
#[ignore = "needs the built program and Python: `cargo xtask test`"]
fn the_official_client_works() {
    let server = Server::start(None);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("openai_client.py");
    let mut client = Command::new(product::told("CITER_PYTHON"));
    let status = client.arg(script).arg(server.url()).status().unwrap();
    assert!(status.success(), "the client ended with {status}");
}
