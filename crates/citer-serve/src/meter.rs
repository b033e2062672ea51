//! The meter: what one request used, told to the metrics, to its key's allowance and to the log.

use crate::{allowance::Allowance, answer::now, metrics::Metrics};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A key in use.
pub(crate) struct KeyState {
    pub name: String,
    pub allowance: Mutex<Allowance>,
}

/// One request.
pub(crate) struct Meter {
    metrics: Arc<Metrics>,
    key: Option<Arc<KeyState>>,
    begun: Instant,
    /// When the newest token came.
    last: Mutex<Option<Instant>>,
    pub prompt: AtomicU64,
    pub cached: AtomicU64,
    pub generated: AtomicU64,
}

impl Meter {
    /// A request that came now with `key`.
    pub fn new(metrics: Arc<Metrics>, key: Option<Arc<KeyState>>) -> Self {
        let zero = || AtomicU64::new(0);
        let (prompt, cached, generated) = (zero(), zero(), zero());
        Self { metrics, key, begun: Instant::now(), last: Mutex::new(None), prompt, cached, generated }
    }

    /// Whose request it is.
    pub fn owner(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.name.as_str())
    }

    /// How long ago it came.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// It has its turn after waiting; `one` when it asks for a single token.
    pub fn started(&self, prompt: usize, cached: usize, queued: Duration, one: bool) {
        self.prompt.store(prompt as u64, Ordering::Relaxed);
        self.cached.store(cached as u64, Ordering::Relaxed);
        self.metrics.started(prompt, cached, queued, one);
        self.charge(prompt.saturating_sub(cached) as u64);
    }

    /// A token came.
    pub fn token(&self) {
        let now = Instant::now();
        let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        self.metrics.token(before.is_none(), now.saturating_duration_since(before.unwrap_or(self.begun)));
        self.generated.fetch_add(1, Ordering::Relaxed);
        self.charge(1);
    }

    fn charge(&self, tokens: u64) {
        if let Some(key) = &self.key {
            key.allowance.lock().unwrap_or_else(PoisonError::into_inner).charge(tokens, now());
        }
    }
}
