//! Allowances: how many requests a minute and tokens a day a key may use, and what it has used. No clock of its own.

use citer_core::limits::{DAY, day};
use std::time::Instant;

/// What a key may use; `None` means as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute; as many may come at once.
    pub requests_per_minute: Option<u32>,
    /// Tokens computed a day (prompt tokens that were not cached, and generated ones). Days begin at midnight UTC.
    pub tokens_per_day: Option<u64>,
}

/// What a key has used.
#[derive(Clone, Debug)]
pub struct Allowance {
    limits: Limits,
    /// Requests that may come now; fills up with time.
    left: f64,
    filled: Instant,
    day: u64,
    used: u64,
}

/// Why a request has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Whether it is the day's tokens; otherwise the minute's requests.
    pub budget: bool,
    /// Seconds until it may come again.
    pub wait: u32,
}

impl Allowance {
    /// Nothing used yet.
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self { limits, left: limits.requests_per_minute.unwrap_or(0).into(), filled: now, day: 0, used: 0 }
    }

    /// Counts a request at `now`, which is `unix` seconds after 1970.
    ///
    /// # Errors
    /// Too many requests or tokens; nothing is counted then.
    pub fn take(&mut self, now: Instant, unix: u64) -> Result<(), Exhausted> {
        self.turn(unix);
        if self.limits.tokens_per_day.is_some_and(|most| self.used >= most) {
            return Err(Exhausted { budget: true, wait: (DAY - unix % DAY) as u32 });
        }
        let Some(rate) = self.limits.requests_per_minute else { return Ok(()) };
        let rate = f64::from(rate);
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.left = (self.left + elapsed * rate / 60.0).min(rate);
        self.filled = now;
        if self.left < 1.0 {
            let wait = if rate > 0.0 { ((1.0 - self.left) * 60.0 / rate - 1e-6).ceil() as u32 } else { DAY as u32 };
            return Err(Exhausted { budget: false, wait: wait.clamp(1, DAY as u32) });
        }
        self.left -= 1.0;
        Ok(())
    }

    /// Counts tokens.
    pub fn charge(&mut self, tokens: u64, unix: u64) {
        self.turn(unix);
        self.used = self.used.saturating_add(tokens);
    }

    /// Tokens used on `day`; see [`day`].
    pub fn used_on(&self, day: u64) -> u64 {
        if self.day == day { self.used } else { 0 }
    }

    /// What was used before this server started.
    pub fn restore(&mut self, day: u64, used: u64) {
        (self.day, self.used) = (day, used);
    }

    fn turn(&mut self, unix: u64) {
        if self.day != day(unix) {
            (self.day, self.used) = (day(unix), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limits(requests: Option<u32>, tokens: Option<u64>) -> Limits {
        Limits { requests_per_minute: requests, tokens_per_day: tokens }
    }

    #[test]
    fn requests_fill_up_with_time() {
        let start = Instant::now();
        let mut allowance = Allowance::new(limits(Some(2), None), start);
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(allowance.take(start, 0).is_ok() && allowance.take(start, 0).is_ok());
        assert_eq!(allowance.take(start, 0), Err(Exhausted { budget: false, wait: 30 }));
        assert_eq!(allowance.take(at(20), 0), Err(Exhausted { budget: false, wait: 10 }));
        assert!(allowance.take(at(30), 0).is_ok());
        assert!(allowance.take(at(31), 0).is_err());
        let hour = at(3_600);
        let taken = (0..10).filter(|_| allowance.take(hour, 0).is_ok()).count();
        assert_eq!(taken, 2, "what was not used does not pile up");
    }

    #[test]
    fn tokens_come_back_at_midnight() {
        let now = Instant::now();
        let mut allowance = Allowance::new(limits(None, Some(100)), now);
        let noon = 10 * DAY + DAY / 2;
        allowance.charge(99, noon);
        assert!(allowance.take(now, noon).is_ok());
        allowance.charge(5, noon);
        assert_eq!(allowance.take(now, noon), Err(Exhausted { budget: true, wait: DAY as u32 / 2 }));
        assert!(allowance.take(now, 11 * DAY).is_ok());
        assert_eq!(allowance.used_on(11), 0);
        allowance.restore(11, 100);
        assert!(allowance.take(now, 11 * DAY).is_err() && allowance.take(now, 12 * DAY).is_ok());
    }

    #[test]
    fn without_limits_nothing_ends_and_with_zero_nothing_begins() {
        let now = Instant::now();
        let mut free = Allowance::new(Limits::default(), now);
        free.charge(u64::MAX, 0);
        free.charge(1, 0);
        assert!((0..1_000).all(|_| free.take(now, 0).is_ok()));
        assert!(Allowance::new(limits(Some(0), None), now).take(now, 0).is_err());
        assert!(Allowance::new(limits(None, Some(0)), now).take(now, 0).is_err());
    }
}
