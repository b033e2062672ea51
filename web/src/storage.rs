//! What the browser remembers for the page. Where storage is refused, the page works without memory.

use leptos::prelude::window;

/// The unsent question.
pub const DRAFT: &str = "citer.draft";
/// The conversation that is shown.
pub const OPEN: &str = "citer.open";
/// Who may make tokens.
pub const MODE: &str = "citer.mode";
/// The model of the library that is used; none means the shipped one.
pub const MODEL: &str = "citer.model";
/// Servers that the reader agreed to have asked, each under its own name.
pub const CONSENT: &str = "citer.consent";
/// Conversations that stay on the device.
pub const LOCKED: &str = "citer.locked";
/// Texts that the reader marked as sensitive.
pub const MARKS: &str = "citer.marks";
/// Texts that look sensitive and may be sent all the same.
pub const RELEASED: &str = "citer.released";
/// What the large model's help may cost.
pub const LIMITS: &str = "citer.limits";
/// What was spent today.
pub const SPENT: &str = "citer.spent";
/// The servers of the LLM.
pub const ENDPOINTS: &str = "citer.endpoints";
/// Keys that the reader wants kept.
pub const KEY: &str = "citer.key";
/// Whether the network is switched off.
pub const AIRPLANE: &str = "citer.airplane";
/// Origins that may be asked besides the page's own.
pub const ALLOWED: &str = "citer.allowed";
/// What new conversations begin with.
pub const SETTINGS: &str = "citer.settings";
/// What was set for a conversation that is not begun.
pub const SETTINGS_OF_NEW: &str = "citer.settings.new";
/// Why the engine runs on the processor, once the reader has read it.
pub const PROCESSOR: &str = "citer.processor";
/// How answers are shown.
pub const VIEW: &str = "citer.view";
/// Light or dark.
pub const THEME: &str = "citer.theme";

/// What was saved under `key`.
pub fn get(key: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(key).ok()?
}

/// Saves `value` under `key`; an empty value forgets it.
pub fn set(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        // A full or forbidden storage costs only the memory.
        let _ = if value.is_empty() { storage.remove_item(key) } else { storage.set_item(key, value) };
    }
}

/// The key of a conversation's unsent question; one that is not begun has no name yet.
pub fn draft_of(conversation: &str) -> String {
    if conversation.is_empty() { DRAFT.to_owned() } else { format!("{DRAFT}.{conversation}") }
}
