//! Pace: how many steps are queued before the host looks, from what a look costs and how often one is needed.

/// Most steps queued at once.
pub const MOST: usize = 16;
/// Weight of the newest observation.
const NEWEST: f64 = 0.1;

/// Costs and habits of one decoder.
///
/// With a chance `p` that a token is replaced, `k` queued steps give `(1 - (1 - p)^k) / p` useful tokens in
/// `look + k step` milliseconds; the best `k` is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// Milliseconds a look takes beyond the steps.
    pub look_ms: f64,
    /// Milliseconds a step takes.
    pub step_ms: f64,
    replaced: f64,
    fixed: Option<usize>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { look_ms: 1.0, step_ms: 1.0, replaced: 0.1, fixed: None }
    }
}

impl Pace {
    /// Always queues `steps`.
    pub fn fix(&mut self, steps: usize) {
        self.fixed = Some(steps.clamp(1, MOST));
    }

    /// Chooses by itself again.
    pub fn adapt(&mut self) {
        self.fixed = None;
    }

    /// Learns whether a token was replaced after it was looked at.
    pub fn observe(&mut self, replaced: bool) {
        self.replaced += NEWEST * (f64::from(u8::from(replaced)) - self.replaced);
    }

    /// Steps to queue now.
    pub fn steps(&self) -> usize {
        if let Some(steps) = self.fixed {
            return steps;
        }
        let p = self.replaced.clamp(1e-6, 1.0);
        let rate = |k: usize| {
            let useful = (1.0 - (1.0 - p).powi(k as i32)) / p;
            useful / (self.look_ms + k as f64 * self.step_ms).max(1e-9)
        };
        (1..=MOST).max_by(|a, b| rate(*a).total_cmp(&rate(*b))).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dear_looks_and_rare_replacements_queue_more() {
        let pace = |look_ms, step_ms, replaced| Pace { look_ms, step_ms, replaced, fixed: None };
        assert_eq!(pace(0.0, 10.0, 0.2).steps(), 1);
        assert_eq!(pace(5.0, 1.0, 1.0).steps(), 1);
        assert_eq!(pace(10.0, 1.0, 1e-6).steps(), MOST);
        let some = pace(2.0, 2.0, 0.1).steps();
        assert!((2..MOST).contains(&some), "{some}");
    }

    #[test]
    fn it_follows_what_happens() {
        let mut pace = Pace { look_ms: 2.0, step_ms: 1.0, ..Pace::default() };
        (0..100).for_each(|_| pace.observe(false));
        let calm = pace.steps();
        (0..100).for_each(|_| pace.observe(true));
        assert!(calm > pace.steps() && pace.steps() == 1, "{calm} {}", pace.steps());
        pace.fix(4);
        assert_eq!(pace.steps(), 4);
    }
}
