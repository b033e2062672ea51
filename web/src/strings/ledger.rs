//! English texts of the ledger.

use crate::amount;
use citer_core::ledger::{Disclosure, Outcome, Purpose, Totals};

pub const SENT: &str = "Sent:";
pub const BUTTON_HELP: &str = "Requests this page has made; the light is on while something leaves the device";
pub const TITLE: &str = "What left this device";
pub const INTRO: &str = "A row for every request, written before it leaves: tokens asked of an LLM and their sessions, looks for a \
    server, downloads of models, and what was refused. The list is kept on this device only, for all windows of this page.";
pub const PURPOSE: &str = "Show";
pub const ALL: &str = "everything";
pub const HERE: &str = "this conversation only";
pub const FAILURES: &str = "failed, refused or interrupted only";
pub const COLUMNS: [&str; 9] =
    ["Time", "To", "For", "Up", "Down", "Tokens sent / cached / computed", "Took", "Status", "Outcome"];
pub const JSON: &str = "Save as JSON";
pub const CSV: &str = "Save as CSV";
pub const CLEAR: &str = "Clear";
pub const REALLY_CLEAR: &str = "Really clear?";

pub fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Token => "a token",
        Purpose::Session => "opening a session",
        Purpose::Probe => "looking for the LLM",
        Purpose::Download => "a model",
        Purpose::Other => "something else",
    }
}

pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Started => "under way",
        Outcome::Done => "done",
        Outcome::Agreed => "agreed: nothing gained",
        Outcome::Replaced => "another token",
        Outcome::Failed => "in vain",
        Outcome::Refused => "not let out",
        Outcome::Interrupted => "interrupted",
    }
}

pub const FULL: &str = "The browser has no room left: the newest rows are kept only while the page is open. Delete \
    conversations or models, or save the list.";

pub fn denied(detail: &str) -> String {
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!(
        "This browser stores nothing for this page{detail}, as in a private window: the list lasts until the page is \
         closed. Save it if you want to keep it."
    )
}

pub fn failed(detail: &str) -> String {
    format!("The newest rows could not be stored ({detail}): they are kept while the page is open, and tried again.")
}

pub fn totals(totals: &Totals) -> String {
    let Totals { requests, refused, bytes_sent, bytes_received, tokens_sent, tokens_cached } = totals;
    let (up, down) = (amount::bytes(*bytes_sent), amount::bytes(*bytes_received));
    let refused = if *refused > 0 { format!(", {refused} of them refused") } else { String::new() };
    format!(
        "{requests} rows{refused}: {up} up, {down} down, {tokens_sent} tokens sent, {tokens_cached} of them cached there."
    )
}

pub fn more(hidden: usize, forgotten: u64) -> String {
    match (hidden, forgotten) {
        (0, 0) => String::new(),
        (0, forgotten) => format!("{forgotten} older rows had to go."),
        (hidden, 0) => format!("{hidden} more rows are in the exports."),
        (hidden, forgotten) => format!("{hidden} more rows are in the exports; {forgotten} older ones had to go."),
    }
}

/// The one honest sentence about secrecy.
pub fn disclosed(disclosure: Disclosure) -> String {
    let Disclosure { seen, all } = disclosure;
    if seen == 0 {
        return "Nothing of this conversation was sent.".into();
    }
    let share = amount::share(seen, all);
    let (seen, all) = (amount::bytes(seen), amount::bytes(all));
    format!(
        "{share} of this conversation's text was sent: {seen} of {all}. A request for a token shows the server all that stands before it."
    )
}
