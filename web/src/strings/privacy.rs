//! English texts of consent, locks and sensitive text.

use crate::amount;
use crate::privacy::Reason;
use citer_core::sensitive::Kind;

pub const CONSENT_TITLE: &str = "May the large model be asked?";
pub const CONSENT: [&str; 5] = [
    "For a doubtful token, the question and the answer so far are sent there, and one token comes back.",
    "After a single such request the server knows everything that stood before that token.",
    "This holds for the servers named here; another one is asked about again. You can take it back under Servers.",
    "Every request is listed under Sent, and nothing is sent for text that looks sensitive or that you mark.",
    "Local only, Airplane mode and the lock of a conversation each keep everything here, now or later.",
];
pub const AGREE: &str = "Ask it when needed";
pub const REFUSE: &str = "Keep everything on this device";

pub const LOCK: &str = "Keep this conversation on this device";
pub const UNLOCK: &str = "This conversation stays on this device. Unlock";
pub const LOCK_HELP: &str = "Nothing of this conversation is sent, whatever the mode";
pub const MARK: &str = "Mark selection as sensitive";
pub const MARK_HOW: &str = "Select some text in your question first; answers stay on this device while it is in them";
pub const UNMARK: &str = "Remove mark";
pub const RELEASE: &str = "May be sent";
pub const EFFECT: &str =
    "While this is in the conversation, the small model answers alone: more private, less accurate.";

/// Who would be asked: first, or where those before fail.
pub fn host(server: &str, own: bool, first: bool) -> String {
    let whose = if own { "the server that this page comes from" } else { "another server than the one of this page" };
    let when = if first { "The large model runs at" } else { "Where that fails, it is asked at" };
    format!("{when} {server}, {whose}.")
}

pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Marked => "text that you marked",
        Kind::Key => "a key or password",
        Kind::Card => "a card number",
        Kind::Email => "an e-mail address",
        Kind::Phone => "a telephone number",
    }
}

pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Marked => "marked",
        Kind::Key => "key",
        Kind::Card => "card",
        Kind::Email => "email",
        Kind::Phone => "phone",
    }
}

/// Told under a draft that cannot be sent.
pub fn too_long(bytes: usize, most: usize) -> String {
    let (bytes, most) = (amount::bytes(bytes as u64), amount::bytes(most as u64));
    format!("This text has {bytes}; at most {most} can be asked at once. Shorten it, nothing is lost.")
}

pub fn found(kind: Kind, text: &str) -> String {
    format!("Looks like {}: {text}", self::kind(kind))
}

pub fn marked(text: &str) -> String {
    format!("Marked: {text}")
}

/// Told beside an answer for which nothing was asked.
pub fn kept(reason: Reason) -> String {
    match reason {
        Reason::Locked => "Made on this device alone: this conversation is locked.".into(),
        Reason::Sensitive(kind) => {
            format!("Made on this device alone: the conversation holds {}.", self::kind(kind))
        }
    }
}
