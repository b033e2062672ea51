//! Latency: how long a server takes for a token, and how long it is worth waiting for the next one.

use std::{collections::VecDeque, time::Duration};

/// Answers remembered.
const WINDOW: usize = 64;
/// Answers needed before they say how long to wait.
const ENOUGH: usize = 8;
/// The shortest patience: a stall that a reader hardly notices, and that a busy machine may cause by itself.
const LEAST: Duration = Duration::from_millis(500);

/// The times of the last answers.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    recent: VecDeque<Duration>,
}

impl Latency {
    /// Counts an answer, or the time after which none was awaited any more.
    pub fn add(&mut self, took: Duration) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(took);
    }

    /// The time within which the given share of the answers came; `None` without any.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.recent.iter().copied().collect();
        sorted.sort();
        let place = (share.clamp(0.0, 1.0) * sorted.len() as f64) as usize;
        sorted.get(place.min(sorted.len().saturating_sub(1))).copied()
    }

    /// How long to wait for the next answer, at most `limit`: twice as long as nearly all answers took.
    pub fn patience(&self, limit: Duration) -> Duration {
        match self.quantile(0.95) {
            Some(usual) if self.recent.len() >= ENOUGH => (2 * usual).max(LEAST).min(limit),
            _ => limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn after(times: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        times.into_iter().for_each(|ms| latency.add(Duration::from_millis(ms)));
        latency
    }

    #[test]
    fn patience_follows_the_slow_answers_within_its_bounds() {
        assert_eq!(after([]).patience(LIMIT), LIMIT);
        assert_eq!(after([400; 7]).patience(LIMIT), LIMIT);
        assert_eq!(after([400; 8]).patience(LIMIT), Duration::from_millis(800));
        assert_eq!(after([1; 30]).patience(LIMIT), LEAST);
        assert_eq!(after([4_000; 30]).patience(LIMIT), LIMIT);
        // One slow answer in twenty is waited for.
        let one_in = |share: u64| after((0..60).map(|at| if at % share == 3 { 900 } else { 300 })).patience(LIMIT);
        assert_eq!(one_in(15), Duration::from_millis(1_800));
        assert_eq!(one_in(30), Duration::from_millis(600), "a rare one is not");
    }

    #[test]
    fn patience_recovers_when_the_connection_becomes_slow_for_good() {
        let mut latency = after([20; 64]);
        let slow = Duration::from_millis(1_900);
        let mut given_up = 0;
        while latency.patience(LIMIT) < slow {
            latency.add(latency.patience(LIMIT));
            given_up += 1;
            assert!(given_up < 60, "it never waits long enough: {:?}", latency.patience(LIMIT));
        }
    }
}
