//! The texts of the list of conversations.

pub const LIST: &str = "Conversations";
pub const SEARCH: &str = "Search conversations";
pub const NONE: &str = "Conversations are kept here, on this device; those of a private window until it is closed.";
pub const NOT_FOUND: &str = "No conversation holds these words.";
pub const RENAME: &str = "Rename";
pub const NAME: &str = "Title of the conversation";
pub const KEEP_NAME: &str = "Save";
pub const DELETE: &str = "Delete";
pub const KEEP: &str = "Keep";
pub const SURE: &str = "Delete for good?";
pub const FULL: &str = "The browser has no room left: this conversation is kept only while the page is open. Delete \
    conversations or models, or export it.";
pub const BESIDE: &str = "Another tab changed this conversation too. Both are kept: yours is now one of its own.";

pub fn rename(title: &str) -> String {
    format!("Rename {title}")
}

pub fn delete(title: &str) -> String {
    format!("Delete {title}")
}

pub fn denied(detail: &str) -> String {
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!(
        "This browser stores nothing for this page{detail}, as in a private window: conversations last until the page \
         is closed. Export what you want to keep."
    )
}

pub fn failed(detail: &str) -> String {
    format!("Storing failed ({detail}). The conversation is kept while the page is open: export it, or reload later.")
}

pub fn unreadable(count: usize) -> String {
    let what = if count == 1 { "One stored conversation".into() } else { format!("{count} stored conversations") };
    format!("{what} cannot be read by this version of the page and stays as it is.")
}

pub fn damaged(detail: &str) -> String {
    format!("This conversation cannot be opened ({detail}). It stays stored as it is.")
}

pub const IMPORT: &str = "Open a file";
pub const IMPORT_HELP: &str = "A conversation or a trace that was saved here or by someone else";
pub const EXPORT: &str = "Export";
pub const EXPORT_MARKDOWN: &str = "This one as Markdown";
pub const EXPORT_JSON: &str = "This one with everything (JSON)";
pub const EXPORT_ALL: &str = "All of them (JSON)";
pub const TOO_LARGE: &str = "This file is larger than 256 MB: choose another one.";

pub fn imported(count: usize, name: &str) -> String {
    let what = if count == 1 { "1 conversation".into() } else { format!("{count} conversations") };
    format!("{what} opened from {name}.")
}

pub fn not_imported(name: &str, error: &str) -> String {
    format!("{name} was not opened: {error}.")
}
