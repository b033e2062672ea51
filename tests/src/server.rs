//! `citer serve` in a test, with its request log.

use crate::{folder::TemporaryFolder, process::Process, product};
use citer_core::TokenId;
use serde_json::Value;
use std::{fs, path::Path, process::Command};

/// A running server.
pub struct Server {
    process: Process,
    url: String,
    folder: TemporaryFolder,
}

impl Server {
    /// Serves the shipped pair and the page in `web` (if any) at a free port.
    pub fn start(web: Option<&Path>) -> Self {
        let mut command = Command::new(product::citer());
        command.arg("serve").arg("--models").arg(product::models());
        if let Some(web) = web {
            command.arg("--web").arg(web);
        }
        Self::run(command)
    }

    /// Serves the model in the GGUF file at `path`.
    pub fn serving(path: &Path) -> Self {
        let mut command = Command::new(product::citer());
        command.arg("serve").arg("--model").arg(path);
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        let folder = TemporaryFolder::new();
        command.args(["--listen", "127.0.0.1:0", "--request-log"]).arg(folder.path().join("requests.jsonl"));
        let (process, url) = Process::start(&mut command, "listening on ");
        Self { process, url, folder }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// The ids of every generation so far, in order: one row each.
    pub fn log(&self) -> Vec<Vec<TokenId>> {
        let text = fs::read_to_string(self.folder.path().join("requests.jsonl")).unwrap_or_default();
        text.lines().map(ids).collect()
    }
}

fn ids(line: &str) -> Vec<TokenId> {
    let row: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("log row {line}: {error}"));
    serde_json::from_value(row["token_ids"].clone()).unwrap_or_else(|error| panic!("log row {line}: {error}"))
}
