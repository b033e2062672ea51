//! The ledger in the page: everything that was asked of a network, kept on the device, and a light while something leaves it.

mod dialog;

pub use dialog::{LedgerButton, LedgerDialog};

use crate::{address, storage};
use citer_core::TokenEvent;
use citer_core::ledger::{Ledger, Outcome, Purpose, Row};
use leptos::prelude::*;
use std::time::Duration;

/// How long the light stays on after something left.
const LIGHT: Duration = Duration::from_millis(700);
/// How long a row may wait before it is stored.
const WAIT: Duration = Duration::from_secs(1);

/// What was sent; a copyable handle.
#[derive(Clone, Copy)]
pub struct Sent {
    /// The rows.
    pub ledger: RwSignal<Ledger>,
    /// Whether something leaves the device now.
    pub live: RwSignal<bool>,
    /// Whether the dialog is open.
    pub open: RwSignal<bool>,
    /// Counts what left, so that a light that was lit again is not put out too early.
    left: StoredValue<u64>,
    /// Whether a row waits to be stored.
    waits: StoredValue<bool>,
}

impl Default for Sent {
    fn default() -> Self {
        let saved = storage::get(storage::LEDGER).and_then(|json| Ledger::parse(&json).ok());
        Self {
            ledger: RwSignal::new(saved.unwrap_or_default()),
            live: RwSignal::new(false),
            open: RwSignal::new(false),
            left: StoredValue::new(0),
            waits: StoredValue::new(false),
        }
    }
}

impl Sent {
    /// Something leaves the device.
    pub fn leaves(self) {
        let now = self.left.try_update_value(|left| {
            *left += 1;
            *left
        });
        self.live.set(true);
        let put_out = move || {
            if Some(self.left.get_value()) == now {
                self.live.set(false);
            }
        };
        set_timeout(put_out, LIGHT);
    }

    /// Adds a row.
    pub fn add(self, row: Row) {
        if row.outcome != Outcome::Refused {
            self.leaves();
        }
        self.ledger.update(|ledger| ledger.add(row));
        if !self.waits.get_value() {
            self.waits.set_value(true);
            set_timeout(move || self.keep(), WAIT);
        }
    }

    /// Adds the row of a token, if a server was asked for it.
    pub fn add_token(self, event: &TokenEvent, server: &str, conversation: &str) {
        if let Some(row) = Row::of_token(event, &endpoint(server), conversation, js_sys::Date::now()) {
            self.add(row);
        }
    }

    /// Adds the row of a request that began at `begun`, in milliseconds since 1970.
    pub fn add_request(self, purpose: Purpose, address: &str, begun: f64, status: &str, outcome: Outcome) {
        self.add_bytes(purpose, address, begun, status, outcome, None);
    }

    /// Adds the row of a request that brought so many bytes.
    pub fn add_bytes(
        self,
        purpose: Purpose,
        address: &str,
        begun: f64,
        status: &str,
        outcome: Outcome,
        bytes_received: Option<u64>,
    ) {
        let time = js_sys::Date::now();
        self.add(Row {
            time,
            endpoint: endpoint(address),
            purpose,
            conversation: None,
            bytes_sent: None,
            bytes_received,
            tokens_sent: 0,
            tokens_cached: 0,
            ms: (time - begun).max(0.0),
            status: status.to_owned(),
            outcome,
        });
    }

    /// Forgets everything.
    fn clear(self) {
        self.ledger.update(Ledger::clear);
        self.keep();
    }

    fn keep(self) {
        self.waits.set_value(false);
        let json = self.ledger.with_untracked(Ledger::to_json);
        storage::set(storage::LEDGER, &json.unwrap_or_default());
    }
}

/// Who is behind an address, without what an address may tell besides.
fn endpoint(address: &str) -> String {
    address::origin(address).unwrap_or_else(|| address.split(['?', '#']).next().unwrap_or_default().to_owned())
}
