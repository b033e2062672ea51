//! The batch as it is kept on the device: its questions and every finished answer, so that it goes on after a reload.

use crate::database::{self, Database};
use crate::lock::{self, Lock};
use crate::store_error::StoreError;
use crate::strings::measure as words;
use citer_chat::batch::{Batch, Kept};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// Held by the window whose batch is kept.
const LOCK: &str = "citer.batch";

/// The kept batch; a copyable handle.
#[derive(Clone, Copy)]
pub struct KeptBatch {
    /// Whether a batch of an earlier visit waits for the reader's word.
    pub waits: RwSignal<bool>,
    database: StoredValue<Database, LocalStorage>,
    /// The lock, while this window's batch is the one that is kept.
    lock: StoredValue<Option<Lock>, LocalStorage>,
    /// What the reader should know.
    pub words: RwSignal<Option<String>>,
}

impl Default for KeptBatch {
    fn default() -> Self {
        Self {
            waits: RwSignal::new(false),
            database: StoredValue::new_local(Database::default()),
            lock: StoredValue::new_local(None),
            words: RwSignal::new(None),
        }
    }
}

impl KeptBatch {
    /// Looks for a batch of an earlier visit that no other window is at.
    pub async fn find(self) -> Option<Batch> {
        if lock::held().await.is_some_and(|held| held.contains(LOCK)) {
            return None;
        }
        let records = self.database.get_value().all(database::BATCH).await.ok()?;
        let batch = Batch::of_kept(records.iter().filter_map(|json| serde_json::from_str(json).ok()));
        batch.filter(Batch::is_unfinished)
    }

    /// Keeps a batch that begins, in the place of the one before.
    pub fn begin(self, batch: &Batch) {
        let (head, outcomes) = (batch.head(), outcomes(batch));
        self.waits.set(false);
        spawn_local(async move {
            if !self.take().await {
                return self.words.set(Some(words::KEPT_ELSEWHERE.into()));
            }
            let database = self.database.get_value();
            let written = async {
                database.clear(database::BATCH).await?;
                for record in std::iter::once(head).chain(outcomes) {
                    write(&database, &record).await?;
                }
                Ok(())
            };
            self.hear(written.await);
        });
    }

    /// Goes on with the one that is kept.
    pub fn go_on(self) {
        self.waits.set(false);
        spawn_local(async move {
            if !self.take().await {
                self.words.set(Some(words::KEPT_ELSEWHERE.into()));
            }
        });
    }

    /// Keeps the newest outcome.
    pub fn add(self, batch: &Batch) {
        let Some(record) = batch.newest().filter(|_| self.lock.with_value(Option::is_some)) else { return };
        let is_done = !batch.is_unfinished();
        spawn_local(async move {
            let database = self.database.get_value();
            self.hear(write(&database, &record).await);
            if is_done {
                self.discard();
            }
        });
    }

    /// Forgets the batch.
    pub fn discard(self) {
        self.waits.set(false);
        spawn_local(async move {
            let cleared = self.database.get_value().clear(database::BATCH).await;
            self.lock.set_value(None);
            self.hear(cleared);
        });
    }

    /// Takes the lock, unless another window has it.
    async fn take(self) -> bool {
        if self.lock.with_value(Option::is_some) {
            return true;
        }
        if lock::held().await.is_some_and(|held| held.contains(LOCK)) {
            return false;
        }
        self.lock.set_value(Some(Lock::take(LOCK).await));
        true
    }

    fn hear(self, written: Result<(), StoreError>) {
        self.words.set(written.err().map(|error| match error {
            StoreError::Full => words::KEPT_FULL.into(),
            StoreError::Denied(detail) | StoreError::Failed(detail) => words::not_kept(&detail),
        }));
    }
}

fn outcomes(batch: &Batch) -> Vec<Kept> {
    let one = |(place, outcome): (usize, &citer_chat::batch::Outcome)| Kept::Outcome { place, outcome: *outcome };
    batch.outcomes.iter().enumerate().map(one).collect()
}

async fn write(database: &Database, record: &Kept) -> Result<(), StoreError> {
    let json = serde_json::to_string(record).map_err(|error| StoreError::Failed(error.to_string()))?;
    database.put(database::BATCH, &record.name(), &json).await
}
