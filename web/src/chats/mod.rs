//! The conversations of this device: the list, what is stored of the one that is shown, and news from other tabs.

pub mod list;
mod store;

use crate::chat::Chat;
use crate::storage;
use crate::store_error::StoreError;
use crate::strings::chats as words;
use citer_chat::{Conversation, Entry, Record, export, shelf};
use leptos::prelude::*;
use std::collections::HashMap;
use store::{Saved, Store};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{BroadcastChannel, File, MessageEvent};

/// Where tabs tell each other what they stored.
const CHANNEL: &str = "citer.conversations";

/// The stored conversations; a copyable handle.
#[derive(Clone, Copy)]
pub struct Chats {
    /// The list.
    pub entries: RwSignal<Vec<Entry>>,
    /// What is searched for.
    pub search: RwSignal<String>,
    /// What the reader should know about storing.
    pub problem: RwSignal<Option<String>>,
    store: StoredValue<Option<Store>, LocalStorage>,
    /// Stored conversations are read; until then there is none to save over.
    ready: RwSignal<bool>,
    /// Conversations that are to be stored.
    due: StoredValue<Vec<Conversation>>,
    is_saving: StoredValue<bool>,
    /// What this tab stored last of each conversation.
    revisions: StoredValue<HashMap<String, u64>>,
    channel: StoredValue<Option<BroadcastChannel>, LocalStorage>,
}

impl Default for Chats {
    fn default() -> Self {
        Self {
            entries: RwSignal::default(),
            search: RwSignal::default(),
            problem: RwSignal::default(),
            store: StoredValue::new_local(None),
            ready: RwSignal::new(false),
            due: StoredValue::new(Vec::new()),
            is_saving: StoredValue::new(false),
            revisions: StoredValue::new(HashMap::new()),
            channel: StoredValue::new_local(BroadcastChannel::new(CHANNEL).ok()),
        }
    }
}

/// A name that no other conversation has.
pub fn new_id() -> String {
    format!("{:x}-{:08x}", js_sys::Date::now() as u64, (js_sys::Math::random() * f64::from(u32::MAX)) as u32)
}

/// Now, in milliseconds since 1970.
pub fn now() -> u64 {
    js_sys::Date::now() as u64
}

impl Chats {
    /// Reads what is stored, and shows the conversation that was open last.
    pub fn start(self, chat: Chat) {
        spawn_local(async move {
            match Store::open().await {
                Ok(store) => {
                    self.store.set_value(Some(store));
                    self.read_all(chat).await;
                }
                Err(error) => self.say(&error),
            }
            self.ready.set(true);
            self.save_due(chat);
        });
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(id) = event.data().as_string() {
                spawn_local(async move { self.refresh(chat, &id).await });
            }
        });
        self.channel.with_value(|channel| {
            if let Some(channel) = channel {
                channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
            }
        });
        on_message.forget();
    }

    async fn read_all(self, chat: Chat) {
        let Some(store) = self.store.get_value() else { return };
        let open = storage::get(storage::OPEN).unwrap_or_default();
        let mut names = match store.list().await {
            Ok(names) => names,
            Err(error) => return self.say(&error),
        };
        // The one that is shown comes first, then the newest.
        names.sort_by(|a, b| (b == &open).cmp(&(a == &open)).then_with(|| b.cmp(a)));
        let mut unreadable = 0;
        for name in names {
            match store.read(&name).await {
                Ok(Some(json)) => match Entry::read(&json) {
                    Ok(entry) => {
                        self.entries.update(|entries| shelf::put(entries, entry));
                        if name == open && chat.conversation.with_untracked(Conversation::is_empty) {
                            self.show(chat, &json);
                        }
                    }
                    Err(_) => unreadable += 1,
                },
                Ok(None) => {}
                Err(error) => self.say(&error),
            }
        }
        if unreadable > 0 {
            self.problem.set(Some(words::unreadable(unreadable)));
        }
    }

    /// Another tab stored or deleted a conversation.
    async fn refresh(self, chat: Chat, id: &str) {
        let Some(store) = self.store.get_value() else { return };
        let Ok(json) = store.read(id).await else { return };
        let Some(json) = json else {
            return self.entries.update(|entries| entries.retain(|entry| entry.id != id));
        };
        let Ok(entry) = Entry::read(&json) else { return };
        let is_shown = chat.conversation.with_untracked(|shown| shown.id == id && !shown.is_open());
        let is_newer = chat.conversation.with_untracked(|shown| shown.revision < entry.revision);
        self.entries.update(|entries| shelf::put(entries, entry));
        if is_shown && is_newer {
            self.show(chat, &json);
        }
    }

    fn show(self, chat: Chat, json: &str) {
        let opened = serde_json::from_str::<Record>(json).map_err(|error| error.to_string());
        match opened.and_then(|record| record.open(|| chat.number())) {
            Ok(conversation) => chat.show(conversation),
            Err(error) => self.problem.set(Some(words::damaged(&error))),
        }
    }

    /// Opens a stored conversation.
    pub fn open(self, chat: Chat, id: String) {
        if chat.conversation.with_untracked(|shown| shown.id == id) {
            return;
        }
        spawn_local(async move {
            let Some(store) = self.store.get_value() else { return };
            match store.read(&id).await {
                Ok(Some(json)) => self.show(chat, &json),
                Ok(None) => self.entries.update(|entries| entries.retain(|entry| entry.id != id)),
                Err(error) => self.say(&error),
            }
        });
    }

    /// Reads a stored conversation without showing it.
    pub async fn read(self, id: &str) -> Option<Conversation> {
        let json = self.store.get_value()?.read(id).await.ok()??;
        let mut number = 0;
        let record: Record = serde_json::from_str(&json).ok()?;
        let numbered = record.open(|| {
            number += 1;
            number
        });
        numbered.ok()
    }

    /// Gives a conversation another title.
    pub fn rename(self, chat: Chat, id: String, name: String) {
        if chat.conversation.with_untracked(|shown| shown.id == id) {
            chat.conversation.update(|shown| shown.name = name);
            return self.save_now(chat, chat.conversation.get_untracked());
        }
        spawn_local(async move {
            if let Some(mut conversation) = self.read(&id).await {
                conversation.name = name;
                self.save_now(chat, conversation);
            }
        });
    }

    /// Deletes a conversation for good.
    pub fn delete(self, chat: Chat, id: String) {
        self.due.update_value(|due| due.retain(|conversation| conversation.id != id));
        storage::set(&storage::draft_of(&id), "");
        chat.forget(&id);
        self.entries.update(|entries| entries.retain(|entry| entry.id != id));
        spawn_local(async move {
            let Some(store) = self.store.get_value() else { return };
            match store.delete(&id).await {
                Ok(()) => self.tell(&id),
                Err(error) => self.say(&error),
            }
        });
    }

    /// Stores a conversation.
    pub fn save_now(self, chat: Chat, conversation: Conversation) {
        self.put_due(conversation);
        self.save_due(chat);
    }

    fn put_due(self, conversation: Conversation) {
        if conversation.id.is_empty() {
            return;
        }
        if !conversation.is_empty() {
            self.entries.update(|entries| shelf::put(entries, Entry::of(&conversation)));
        }
        self.due.update_value(|due| {
            due.retain(|other| other.id != conversation.id);
            due.push(conversation);
        });
    }

    fn save_due(self, chat: Chat) {
        if !self.ready.get_untracked() || self.is_saving.get_value() {
            return;
        }
        self.is_saving.set_value(true);
        spawn_local(async move {
            while let Some(conversation) = self.due.try_update_value(Vec::pop).flatten() {
                self.save(chat, conversation).await;
            }
            self.is_saving.set_value(false);
        });
    }

    async fn save(self, chat: Chat, mut conversation: Conversation) {
        let Some(store) = self.store.get_value() else { return };
        let id = conversation.id.clone();
        // A copy that was made before the last one was stored does not know of that.
        let stored = self.revisions.with_value(|revisions| revisions.get(&id).copied());
        let shown = chat.revision(&id);
        conversation.revision = conversation.revision.max(stored.unwrap_or_default()).max(shown.unwrap_or_default());
        let saved = match conversation.is_empty() {
            // Its only question was taken back.
            true => store.delete(&id).await.map(|()| Saved::Stored(0)),
            false => store.save(&conversation).await,
        };
        match saved {
            Ok(Saved::Stored(revision)) => {
                chat.stored(&id, &id, revision);
                self.revisions.update_value(|revisions| {
                    revisions.insert(id.clone(), revision);
                });
                self.tell(&id);
                if self.problem.with_untracked(|problem| problem.as_deref() == Some(words::FULL)) {
                    self.problem.set(None);
                }
            }
            Ok(Saved::Beside(beside)) => {
                chat.stored(&id, &beside, 0);
                self.revisions.update_value(|revisions| {
                    revisions.remove(&id);
                });
                conversation.id = beside.clone();
                self.entries.update(|entries| shelf::put(entries, Entry::of(&conversation)));
                self.problem.set(Some(words::BESIDE.into()));
                self.tell(&beside);
                self.refresh(chat, &id).await;
            }
            Err(error) => self.say(&error),
        }
    }

    /// Opens files that were saved here or elsewhere. A file that cannot be read changes nothing.
    pub fn import(self, chat: Chat, files: Vec<File>) {
        spawn_local(async move {
            for file in files {
                let name = file.name();
                let read = crate::files::text(&file).await;
                let opened = read.and_then(|text| {
                    citer_chat::import(&text, &name, || chat.number()).map_err(|error| error.to_string())
                });
                match opened {
                    Ok(conversations) => {
                        let count = conversations.len();
                        for mut conversation in conversations {
                            conversation.id = new_id();
                            conversation.updated = conversation.updated.max(1);
                            self.save_now(chat, conversation.clone());
                            chat.show(conversation);
                        }
                        self.problem.set(Some(words::imported(count, &name)));
                    }
                    Err(error) => self.problem.set(Some(words::not_imported(&name, &error))),
                }
            }
        });
    }

    /// Saves all conversations as one file.
    pub fn export_all(self) {
        spawn_local(async move {
            let mut records = Vec::new();
            for entry in self.entries.get_untracked() {
                records.extend(self.read(&entry.id).await.map(|conversation| Record::from(&conversation)));
            }
            if let Ok(json) = export::archive(records) {
                crate::files::save(&json, "citer-conversations.json", "application/json");
            }
        });
    }

    fn tell(self, id: &str) {
        self.channel.with_value(|channel| {
            if let Some(channel) = channel {
                // Posting a string fails only on a closed channel, and nobody closes it.
                let _ = channel.post_message(&id.into());
            }
        });
    }

    fn say(self, error: &StoreError) {
        self.problem.set(Some(match error {
            StoreError::Denied(detail) => words::denied(detail),
            StoreError::Full => words::FULL.into(),
            StoreError::Failed(detail) => words::failed(detail),
        }));
    }
}
