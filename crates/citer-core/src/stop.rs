//! The stop flag: how the page or a signal ends an answer that is being made.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Ends one answer. All clones share the flag; make a new one for each answer.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks the answer to end. No request starts after this; a request under way is awaited and its token kept.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the answer was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
