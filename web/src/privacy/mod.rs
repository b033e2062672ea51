//! Privacy: consent before the first token is asked for, conversations that stay on the device, and sensitive text.

mod consent;
mod spans;

pub use consent::ConsentDialog;
pub use spans::{LockSwitch, Spans};

use crate::{address, storage};
use citer_core::message::Turn;
use citer_core::sensitive::{self, Kind};
use leptos::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// What the reader decided; a copyable handle.
#[derive(Clone, Copy)]
pub struct Privacy {
    /// What was decided in this visit about servers, by origin: whether text may be sent there.
    decided: RwSignal<BTreeMap<String, bool>>,
    /// Whether the reader is being asked for it.
    pub asking: RwSignal<bool>,
    /// Whether the conversation that is shown stays on the device.
    pub locked: RwSignal<bool>,
    /// Texts of this conversation that the reader marked.
    pub marks: RwSignal<Vec<String>>,
    /// Texts that the rules find and the reader lets out.
    pub released: RwSignal<Vec<String>>,
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            decided: RwSignal::default(),
            asking: RwSignal::new(false),
            locked: RwSignal::new(false),
            marks: RwSignal::default(),
            released: RwSignal::default(),
        }
    }
}

impl Privacy {
    /// Takes what was decided for a conversation.
    pub fn show(self, conversation: &str) {
        self.locked.set(read(storage::LOCKED, conversation));
        self.marks.set(read(storage::MARKS, conversation));
        self.released.set(read(storage::RELEASED, conversation));
    }

    /// Stores what was decided, under the conversation's name.
    pub fn keep(self, conversation: &str) {
        untrack(|| {
            self.locked.with(|locked| write(storage::LOCKED, conversation, locked));
            self.marks.with(|marks| write(storage::MARKS, conversation, marks));
            self.released.with(|released| write(storage::RELEASED, conversation, released));
        });
    }

    /// Forgets what was decided for a conversation.
    pub fn forget(self, conversation: &str) {
        let keys = [storage::LOCKED, storage::MARKS, storage::RELEASED];
        keys.into_iter().for_each(|key| storage::set(&of(key, conversation), ""));
    }

    /// Whether the reader agreed that text is sent to the server at `address`. Each origin is agreed to by itself.
    pub fn agreed(self, address: &str) -> bool {
        let Some(origin) = address::origin(address) else { return false };
        let decided = self.decided.with(|decided| decided.get(&origin).copied());
        decided.unwrap_or_else(|| storage::get(&of(storage::CONSENT, &origin)).as_deref() == Some(YES))
    }

    /// The reader agrees, for good, or takes that back.
    pub fn decide(self, address: &str, agrees: bool) {
        let Some(origin) = address::origin(address) else { return };
        storage::set(&of(storage::CONSENT, &origin), if agrees { YES } else { "" });
        self.decided.update(|decided| {
            decided.insert(origin, agrees);
        });
    }

    /// Another window decided something: about servers, or about the conversation that is shown here too.
    pub fn refresh(self, conversation: &str) {
        // What is stored counts, where anything is stored.
        self.decided.update(|decided| {
            decided.retain(|origin, agrees| {
                let stored = storage::get(&of(storage::CONSENT, origin)).as_deref() == Some(YES);
                stored == *agrees
            });
        });
        if !conversation.is_empty() {
            self.show(conversation);
        }
    }

    /// Sensitive parts of a text that the reader has not let out.
    pub fn find(self, text: &str) -> Vec<(String, Kind)> {
        let found = self.marks.with(|marks| sensitive::find(text, marks));
        let parts = found.into_iter().map(|span| (text[span.range].to_owned(), span.kind));
        self.released.with(|released| parts.filter(|(part, _)| !released.contains(part)).collect())
    }

    /// What keeps an answer to these turns on the device.
    pub fn keeps(self, turns: &[Turn]) -> Option<Reason> {
        untrack(|| {
            if self.locked.get() {
                return Some(Reason::Locked);
            }
            let found = turns.iter().find_map(|turn| self.find(&turn.content).into_iter().next());
            found.map(|(_, kind)| Reason::Sensitive(kind))
        })
    }
}

const YES: &str = "yes";

/// Why nothing is asked of a server for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The conversation is to stay on the device.
    Locked,
    /// Something in it should not leave the device.
    Sensitive(Kind),
}

fn of(key: &str, conversation: &str) -> String {
    format!("{key}.{conversation}")
}

fn read<T: DeserializeOwned + Default>(key: &str, conversation: &str) -> T {
    let saved = storage::get(&of(key, conversation)).filter(|_| !conversation.is_empty());
    saved.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

fn write<T: Serialize + Default + PartialEq>(key: &str, conversation: &str, value: &T) {
    if !conversation.is_empty() {
        let json = serde_json::to_string(value).ok().filter(|_| *value != T::default());
        storage::set(&of(key, conversation), &json.unwrap_or_default());
    }
}
