//! Shares with their 95 % intervals.

use serde::{Deserialize, Serialize};

/// `hits` out of `total`, with the Wilson score interval at 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Successes.
    pub hits: u64,
    /// Trials.
    pub total: u64,
    /// `hits / total`; 0 without trials.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

impl Share {
    /// Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    pub fn new(hits: u64, total: u64) -> Self {
        if total == 0 {
            return Self { hits, total, value: 0.0, low: 0.0, high: 1.0 };
        }
        let (n, p) = (total as f64, hits as f64 / total as f64);
        let scale = 1.0 + Z * Z / n;
        let centre = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        Self { hits, total, value: p, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} % ({:.1}-{:.1})", 100.0 * self.value, 100.0 * self.low, 100.0 * self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_matches_published_values() {
        // 81 of 263: Newcombe (1998), table I, method 3: 0.2553 to 0.3662.
        let share = Share::new(81, 263);
        assert!((share.low - 0.2553).abs() < 5e-5 && (share.high - 0.3662).abs() < 5e-5, "{share:?}");
        let none = Share::new(0, 20);
        assert!((none.low).abs() < 1e-12 && (none.high - 0.1611).abs() < 5e-5, "{none:?}");
        assert_eq!(Share::new(0, 0).high, 1.0);
    }
}
