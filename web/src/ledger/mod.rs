//! The ledger in the page: everything that is asked of a network, on the device before it leaves, and a light while
//! something is under way. All windows of this page share it.

mod dialog;

pub use dialog::{LedgerButton, LedgerDialog};

use crate::database::{self, Database};
use crate::lock::{self, Lock};
use crate::store_error::StoreError;
use crate::strings::ledger as words;
use crate::{address, chats};
use citer_core::TokenEvent;
use citer_core::ledger::{self, Ledger, Outcome, Purpose, RequestNews, Row};
use leptos::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{BroadcastChannel, MessageEvent};

/// How long the light stays on at least.
const LIGHT: Duration = Duration::from_millis(700);
/// How often windows that left requests behind are looked for.
const LOOK: Duration = Duration::from_secs(2);
/// Where windows tell each other of their rows.
const CHANNEL: &str = "citer.ledger";
/// What they say when the list was cleared.
const CLEARED: &str = "cleared";
/// Begins the name of the lock that a window holds while it lives.
const WINDOW: &str = "citer.window.";
/// Rows written between two looks at how many there are.
const TRIM: u64 = 100;

/// What was sent; a copyable handle.
#[derive(Clone, Copy)]
pub struct Sent {
    /// The rows.
    pub ledger: RwSignal<Ledger>,
    /// Whether something is under way.
    pub live: RwSignal<bool>,
    /// Whether the dialog is open.
    pub open: RwSignal<bool>,
    /// What the reader should know about storing.
    pub problem: RwSignal<Option<String>>,
    database: StoredValue<Database, LocalStorage>,
    channel: StoredValue<Option<BroadcastChannel>, LocalStorage>,
    /// This window's name.
    window: StoredValue<String>,
    /// Rows of this window.
    count: StoredValue<u64>,
    /// The rows of workers' requests under way, and of those whose token is still to come.
    requests: StoredValue<HashMap<(u64, u64), String>>,
    /// The answer that is made, and the conversation it belongs to.
    answer: StoredValue<(u64, String)>,
    /// Rows that could not be stored.
    unsaved: StoredValue<BTreeSet<String>>,
    /// Counts what left, so that a light that was lit again is not put out too early.
    left: StoredValue<u64>,
    /// Whether the light stays on whatever is under way.
    glows: StoredValue<bool>,
    /// Whether windows that are gone are looked for soon.
    looks: StoredValue<bool>,
}

impl Default for Sent {
    fn default() -> Self {
        let sent = Self {
            ledger: RwSignal::default(),
            live: RwSignal::new(false),
            open: RwSignal::new(false),
            problem: RwSignal::new(None),
            database: StoredValue::new_local(Database::default()),
            channel: StoredValue::new_local(BroadcastChannel::new(CHANNEL).ok()),
            window: StoredValue::new(chats::new_id().replace('-', "")),
            count: StoredValue::new(0),
            requests: StoredValue::new(HashMap::new()),
            answer: StoredValue::new((0, String::new())),
            unsaved: StoredValue::new(BTreeSet::new()),
            left: StoredValue::new(0),
            glows: StoredValue::new(false),
            looks: StoredValue::new(false),
        };
        spawn_local(async move {
            // Held until the window is gone.
            std::mem::forget(Lock::take(&format!("{WINDOW}{}", sent.window.get_value())).await);
        });
        spawn_local(sent.read());
        sent.listen();
        sent
    }
}

impl Sent {
    /// Takes what is stored.
    async fn read(self) {
        let database = self.database.get_value();
        let read = async {
            let gone = database.trim(database::LEDGER, ledger::MOST).await?;
            Ok::<_, StoreError>((gone, database.all(database::LEDGER).await?))
        };
        match read.await {
            Ok((gone, rows)) => {
                let mut ledger = Ledger::after(gone);
                rows.iter().filter_map(|json| serde_json::from_str(json).ok()).for_each(|row| ledger.put(row));
                let changed = self.end_of_gone(&mut ledger).await;
                // What came meanwhile is newer.
                self.ledger.with_untracked(|now| now.all().for_each(|row| ledger.put(row.clone())));
                self.ledger.set(ledger);
                self.light();
                for id in changed {
                    self.save(&id).await;
                }
                self.look_soon();
            }
            Err(error) => self.say(&error),
        }
    }

    /// Hears of other windows' rows.
    fn listen(self) {
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let text = event.data().as_string().unwrap_or_default();
            if text == CLEARED {
                self.ledger.update(Ledger::clear);
            } else if let Ok(row) = serde_json::from_str::<Row>(&text) {
                self.ledger.update(|ledger| ledger.put(row));
                self.look_soon();
            }
            self.light();
        });
        self.channel.with_value(|channel| {
            if let Some(channel) = channel {
                channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
            }
        });
        on_message.forget();
    }

    /// Ends the rows of windows that are gone, in `ledger`.
    async fn end_of_gone(self, ledger: &mut Ledger) -> Vec<String> {
        // A browser that does not tell has windows that may be there.
        let Some(held) = lock::held().await else { return Vec::new() };
        let own = self.window.get_value();
        ledger.interrupt(|window| window != own && !held.contains(&format!("{WINDOW}{window}")))
    }

    /// Looks for windows that are gone while rows of other windows are under way.
    fn look_soon(self) {
        let own = self.window.get_value();
        let any = self.ledger.with_untracked(|ledger| ledger.is_under_way_elsewhere(&own));
        if !any || self.looks.get_value() {
            return;
        }
        self.looks.set_value(true);
        let look = move || {
            spawn_local(async move {
                self.looks.set_value(false);
                let mut ledger = self.ledger.get_untracked();
                for id in self.end_of_gone(&mut ledger).await {
                    if let Some(row) = ledger.get(&id).cloned() {
                        self.ledger.update(|ledger| ledger.put(row));
                        self.save(&id).await;
                    }
                }
                self.light();
                self.look_soon();
            });
        };
        set_timeout(look, LOOK);
    }

    /// The light shows what is under way.
    fn light(self) {
        let on = self.glows.get_value() || self.ledger.with_untracked(|ledger| ledger.under_way() > 0);
        if self.live.get_untracked() != on {
            self.live.set(on);
        }
    }

    /// Something leaves: the light is on long enough to be seen.
    fn leaves(self) {
        let now = self.left.try_update_value(|left| {
            *left += 1;
            *left
        });
        self.glows.set_value(true);
        self.light();
        let put_out = move || {
            if Some(self.left.get_value()) == now {
                self.glows.set_value(false);
                self.light();
            }
        };
        set_timeout(put_out, LIGHT);
    }

    /// Answer `answer` is made for a conversation.
    pub fn is_for(self, answer: u64, conversation: String) {
        self.answer.set_value((answer, conversation));
    }

    /// A new row.
    fn begin(self, address: &str, purpose: Purpose) -> Row {
        self.count.update_value(|count| *count += 1);
        let count = self.count.get_value();
        if count.is_multiple_of(TRIM) {
            spawn_local(async move {
                // It is tried again at the next start.
                let _ = self.database.get_value().trim(database::LEDGER, ledger::MOST).await;
            });
        }
        self.window.with_value(|window| Row::begun(js_sys::Date::now(), window, count, &endpoint(address), purpose))
    }

    /// What a worker tells of a request. One that begins is listed, and then `noted`.
    pub fn hear(self, worker: u64, news: RequestNews, noted: impl FnOnce(u64) + 'static) {
        let id_of = |request| self.requests.with_value(|requests| requests.get(&(worker, request)).cloned());
        let (request, id) = match news {
            RequestNews::Began { request, address, purpose, answer, bytes_sent } => {
                let mut row = self.begin(&address, purpose);
                row.bytes_sent = bytes_sent;
                row.conversation = self.answer.with_value(|(at, conversation)| {
                    (answer == Some(*at) && !conversation.is_empty()).then(|| conversation.clone())
                });
                let id = row.id.clone();
                self.requests.update_value(|requests| drop(requests.insert((worker, request), id.clone())));
                self.ledger.update(|ledger| ledger.put(row));
                self.leaves();
                let save = async move { self.save(&id).await };
                // Somebody waits for a token: its row is listed now and stored meanwhile. Others leave once theirs is stored.
                if purpose == Purpose::Token {
                    noted(request);
                    spawn_local(save);
                } else {
                    spawn_local(async move {
                        save.await;
                        noted(request);
                    });
                }
                return;
            }
            RequestNews::Reads { request, bytes_received } => {
                let Some(id) = id_of(request) else { return };
                self.ledger.update(|ledger| ledger.change(&id, |row| row.bytes_received = Some(bytes_received)));
                (request, id)
            }
            RequestNews::Ended { request, status, outcome, bytes_received } => {
                let Some(id) = id_of(request) else { return };
                let now = js_sys::Date::now();
                self.ledger.update(|ledger| ledger.change(&id, |row| row.end(now, &status, outcome, bytes_received)));
                (request, id)
            }
        };
        let is_over = self.ledger.with_untracked(|ledger| {
            ledger.get(&id).is_none_or(|row| row.outcome != Outcome::Started && row.purpose != Purpose::Token)
        });
        if is_over {
            self.requests.update_value(|requests| drop(requests.remove(&(worker, request))));
        }
        self.light();
        spawn_local(async move { self.save(&id).await });
    }

    /// A token came, for which a worker made these requests.
    pub fn settle(self, worker: u64, requests: &[u64], event: &TokenEvent) {
        let mut ids = Vec::new();
        for request in requests {
            let key = (worker, *request);
            let id = self.requests.with_value(|known| known.get(&key).cloned());
            let is_over = id.as_ref().is_some_and(|id| {
                self.ledger.with_untracked(|rows| rows.get(id).is_none_or(|row| row.outcome != Outcome::Started))
            });
            if is_over {
                self.requests.update_value(|known| drop(known.remove(&key)));
            }
            ids.extend(id);
        }
        let Some(last) = ids.last().cloned() else { return };
        self.ledger.update(|ledger| ledger.settle(&ids, event));
        spawn_local(async move { self.save(&last).await });
    }

    /// A worker is gone: what it had under way ends here.
    pub fn lost(self, worker: u64) {
        let mut ids = Vec::new();
        self.requests.update_value(|requests| {
            requests.retain(|(of, _), id| {
                let is_lost = *of == worker;
                if is_lost {
                    ids.push(id.clone());
                }
                !is_lost
            });
        });
        let now = js_sys::Date::now();
        for id in ids {
            let is_open =
                self.ledger.with_untracked(|ledger| ledger.get(&id).is_some_and(|row| row.outcome == Outcome::Started));
            if is_open {
                let end = |row: &mut Row| row.end(now, "given up", Outcome::Interrupted, None);
                self.ledger.update(|ledger| ledger.change(&id, end));
                spawn_local(async move { self.save(&id).await });
            }
        }
        self.light();
    }

    /// A request was not let out. Where its row has begun that becomes the row of the refusal.
    pub fn refused(self, address: &str, reason: &str) {
        let (own, to) = (self.window.get_value(), endpoint(address));
        let begun = self.ledger.with_untracked(|ledger| {
            let is_it = |row: &&Row| row.outcome == Outcome::Started && row.endpoint == to && row.window() == own;
            ledger.all().rev().find(is_it).cloned()
        });
        let mut row = begun.unwrap_or_else(|| self.begin(address, Purpose::Other));
        row.end(js_sys::Date::now(), reason, Outcome::Refused, None);
        let id = row.id.clone();
        self.ledger.update(|ledger| ledger.put(row));
        self.light();
        spawn_local(async move { self.save(&id).await });
    }

    /// Forgets everything that is over.
    fn clear(self) {
        self.ledger.update(Ledger::clear);
        self.unsaved.update_value(BTreeSet::clear);
        spawn_local(async move {
            match self.database.get_value().clear(database::LEDGER).await {
                Ok(()) => self.problem.set(None),
                Err(error) => self.say(&error),
            }
            self.tell(CLEARED);
            let open = self.ledger.with_untracked(|ledger| ledger.all().map(|row| row.id.clone()).collect::<Vec<_>>());
            for id in open {
                self.save(&id).await;
            }
        });
    }

    /// Stores a row as it is now, and those that could not be stored before.
    async fn save(self, id: &str) {
        self.owe(id);
        let database = self.database.get_value();
        for id in self.unsaved.get_value() {
            let Some(row) = self.ledger.with_untracked(|ledger| ledger.get(&id).cloned()) else {
                self.paid(&id);
                continue;
            };
            let Ok(json) = serde_json::to_string(&row) else { continue };
            self.paid(&id);
            self.tell(&json);
            if let Err(error) = database.put(database::LEDGER, &id, &json).await {
                self.owe(&id);
                return self.say(&error);
            }
        }
        if self.problem.with_untracked(Option::is_some) && self.unsaved.with_value(BTreeSet::is_empty) {
            self.problem.set(None);
        }
    }

    /// A row is to be stored.
    fn owe(self, id: &str) {
        self.unsaved.update_value(|unsaved| {
            unsaved.insert(id.to_owned());
        });
    }

    /// A row is being stored, or is gone.
    fn paid(self, id: &str) {
        self.unsaved.update_value(|unsaved| {
            unsaved.remove(id);
        });
    }

    fn tell(self, text: &str) {
        self.channel.with_value(|channel| {
            if let Some(channel) = channel {
                // Posting a string fails only on a closed channel, and nobody closes it.
                let _ = channel.post_message(&text.into());
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

/// Who is behind an address, without what an address may tell besides.
fn endpoint(address: &str) -> String {
    address::origin(address).unwrap_or_else(|| address.split(['?', '#']).next().unwrap_or_default().to_owned())
}
