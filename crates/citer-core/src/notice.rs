//! Notices: what the reader is told when critical tokens stay local, in one place for the page and the CLI.

use crate::event::{ForcedReason, Source, TokenEvent};

/// Says when a notice is due. Make a new one for each answer and show it every event in order.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    told: Vec<ForcedReason>,
}

impl Notices {
    /// The notice to show with this event: one the first time each reason occurs in the answer, else `None`.
    pub fn due(&mut self, event: &TokenEvent) -> Option<&'static str> {
        let Source::Forced(reason) = event.source else { return None };
        if self.told.contains(&reason) {
            return None;
        }
        self.told.push(reason);
        Some(words(reason))
    }
}

fn words(reason: ForcedReason) -> &'static str {
    match reason {
        ForcedReason::NoRemote => "No server is connected: the answer is made locally.",
        ForcedReason::Unreachable => "The server cannot be reached: the answer goes on locally.",
        ForcedReason::Timeout => "The server did not answer in time: the answer goes on locally.",
        ForcedReason::Busy => "The server is busy: the answer goes on locally.",
        ForcedReason::BadAnswer => "The server's answer could not be used: the answer goes on locally.",
        ForcedReason::Budget => "The budget is spent: the answer goes on locally.",
        ForcedReason::Cooldown => "The server failed and is left alone for a while: the answer goes on locally.",
    }
}
