//! Fetches: what the library worker is asked to fetch, so that each becomes a row of the ledger when it ends.

use citer_core::ledger::Outcome;
use citer_core::library::{ModelState, StoredModel};

/// One look-up or download under way.
struct Fetch {
    /// The model; `None` while it is looked up.
    model: Option<String>,
    origin: String,
    begun: f64,
    /// Bytes that were stored before.
    stored: u64,
    /// Whether the worker was seen at it.
    is_running: bool,
}

/// What one fetch came to.
pub struct Fetched {
    /// Where it was fetched from.
    pub origin: String,
    /// When it began, in milliseconds since 1970.
    pub begun: f64,
    /// For exports.
    pub status: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes that are stored now and were not before; `None` for a look-up.
    pub bytes: Option<u64>,
}

/// The fetches under way.
#[derive(Default)]
pub struct Fetches(Vec<Fetch>);

impl Fetches {
    /// A model is looked up.
    pub fn look(&mut self, origin: String, begun: f64) {
        self.0.push(Fetch { model: None, origin, begun, stored: 0, is_running: true });
    }

    /// A model's missing parts are downloaded.
    pub fn download(&mut self, model: &StoredModel, begun: f64) {
        let (id, origin) = (Some(model.id.clone()), model.origin.clone());
        self.0.push(Fetch { model: id, origin, begun, stored: model.stored, is_running: false });
    }

    /// What ended, now that the models are these.
    pub fn ended(&mut self, models: &[StoredModel]) -> Vec<Fetched> {
        let mut ended = Vec::new();
        self.0.retain_mut(|fetch| {
            let Some(id) = &fetch.model else {
                ended.push(done(fetch, "found", Outcome::Done, None));
                return false;
            };
            let Some(model) = models.iter().find(|model| model.id == *id) else {
                ended.push(done(fetch, "removed", Outcome::Failed, None));
                return false;
            };
            if model.state == ModelState::Downloading {
                fetch.is_running = true;
                return true;
            }
            if !fetch.is_running {
                return true;
            }
            let status = if model.state == ModelState::Complete { "complete" } else { "partial" };
            ended.push(done(fetch, status, Outcome::Done, Some(model.stored.saturating_sub(fetch.stored))));
            false
        });
        ended
    }

    /// What ended by a failure: of `model`, or of the look-up.
    pub fn failed(&mut self, model: Option<&str>, stored: u64) -> Vec<Fetched> {
        let mut ended = Vec::new();
        self.0.retain(|fetch| {
            let is_it = fetch.model.as_deref() == model;
            if is_it {
                let bytes = fetch.model.as_ref().map(|_| stored.saturating_sub(fetch.stored));
                ended.push(done(fetch, "failed", Outcome::Failed, bytes));
            }
            !is_it
        });
        ended
    }

    /// All of them, when the worker is gone.
    pub fn lost(&mut self) -> Vec<Fetched> {
        self.0.drain(..).map(|fetch| done(&fetch, "failed", Outcome::Failed, None)).collect()
    }
}

fn done(fetch: &Fetch, status: &'static str, outcome: Outcome, bytes: Option<u64>) -> Fetched {
    Fetched { origin: fetch.origin.clone(), begun: fetch.begun, status, outcome, bytes }
}
