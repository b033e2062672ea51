//! The list of what was sent as a test sees it, by the page's own export.

use crate::page::Page;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// One row of the list; the names are those of the export.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the export's names say it")]
pub struct Row {
    pub id: String,
    pub endpoint: String,
    pub purpose: String,
    pub conversation: Option<String>,
    pub bytes_sent: Option<u64>,
    pub bytes_received: Option<u64>,
    pub tokens_sent: u64,
    pub status: String,
    pub outcome: String,
}

impl Row {
    /// Whether it was for a token, its session included.
    pub fn is_for_tokens(&self) -> bool {
        self.purpose == "token" || self.purpose == "session"
    }
}

const SAVED: &str = "const make = URL.createObjectURL;
    URL.createObjectURL = blob => { window.saved = blob.text(); return make.call(URL, blob); };
    document.querySelector(arguments[0]).click(); URL.createObjectURL = make; return window.saved;";

/// Opens the dialog.
pub async fn open(page: &Page<'_>) {
    page.click("#sent-open").await;
    let script = "return !!document.querySelector('#sent-json');";
    page.value(Duration::from_secs(20), "the list is open", script, |open| *open == json!(true)).await;
}

/// Closes it.
pub async fn close(page: &Page<'_>) {
    page.click("#sent [data-close]").await;
    let script = "return document.querySelector('#sent').open;";
    page.value(Duration::from_secs(20), "the list is closed", script, |open| *open == json!(false)).await;
}

/// What a button of the dialog saves.
pub async fn export(page: &Page<'_>, button: &str) -> String {
    page.script(SAVED, vec![json!(button)]).await.as_str().expect("the button saves a file").to_owned()
}

/// All rows, oldest first.
pub async fn rows(page: &Page<'_>) -> Vec<Row> {
    #[derive(Deserialize)]
    struct File {
        rows: Vec<Row>,
    }
    open(page).await;
    let json = export(page, "#sent-json").await;
    close(page).await;
    serde_json::from_str::<File>(&json).expect("the export is JSON").rows
}

/// All rows, once none is under way.
pub async fn settled(page: &Page<'_>) -> Vec<Row> {
    let quiet = "return document.querySelector('#sent-open').dataset.live;";
    page.value(Duration::from_secs(60), "nothing is under way", quiet, |live| *live == json!("false")).await;
    rows(page).await
}
