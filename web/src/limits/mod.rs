//! Limits: what the reader lets the large model's help cost, and what was spent today.

mod dialog;

pub use dialog::{LimitsButton, LimitsDialog};

use crate::storage;
use citer_core::{Allowance, Day, Limits, Settings, Spent, TokenEvent};
use leptos::prelude::*;

/// The limits; a copyable handle.
#[derive(Clone, Copy)]
pub struct Spending {
    /// What may be spent.
    pub limits: RwSignal<Limits>,
    /// Counts what was spent, so that who shows it looks again.
    spends: RwSignal<u64>,
    /// Whether the dialog is open.
    pub open: RwSignal<bool>,
}

impl Default for Spending {
    fn default() -> Self {
        let saved = storage::get(storage::LIMITS).and_then(|json| serde_json::from_str(&json).ok());
        Self { limits: RwSignal::new(saved.unwrap_or_default()), spends: RwSignal::new(0), open: RwSignal::new(false) }
    }
}

impl Spending {
    /// Changes the limits.
    pub fn change(self, change: impl FnOnce(&mut Limits)) {
        self.limits.update(change);
        let limits = self.limits.get_untracked();
        let json = if limits == Limits::default() { None } else { serde_json::to_string(&limits).ok() };
        storage::set(storage::LIMITS, &json.unwrap_or_default());
    }

    /// The settings of a new answer that keeps to the limits, in a conversation that has spent so much.
    pub fn apply(self, settings: Settings, conversation: Spent) -> Settings {
        self.limits.with_untracked(|limits| limits.apply(settings, conversation, today().spent(now())))
    }

    /// What is left of the day.
    pub fn day(self) -> Allowance {
        Allowance { budget: self.limits.with_untracked(|limits| limits.day.clone()), spent: today().spent(now()) }
    }

    /// Counts tokens that came. All tabs count into one sum.
    pub fn count<'a>(self, events: impl Iterator<Item = &'a TokenEvent>) {
        let mut spent = Spent::default();
        events.for_each(|event| spent.add(event));
        if spent.tokens == 0 {
            return;
        }
        let mut day = today();
        day.add(&spent, now());
        storage::set(storage::SPENT, &serde_json::to_string(&day).unwrap_or_default());
        self.spends.update(|spends| *spends += 1);
    }

    /// What all conversations have spent today.
    pub fn today(self) -> Spent {
        self.spends.track();
        today().spent(now())
    }
}

fn today() -> Day {
    storage::get(storage::SPENT).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

/// Seconds since 1970.
fn now() -> u64 {
    (js_sys::Date::now() / 1_000.0) as u64
}
