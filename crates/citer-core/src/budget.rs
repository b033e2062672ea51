//! Budgets: what escalation may cost in an answer, a conversation or a day, and what it has cost so far.

use crate::{event::TokenEvent, prices::Prices};
use serde::{Deserialize, Serialize};

/// Limits on asking the LLM; `None` means no limit. A spent budget stops escalation, never the answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Largest share of the answer's tokens that the LLM may answer for, 0 to 1. It holds at every moment: the
    /// token at position i may be asked only if (tokens answered by the LLM + 1) / (i + 1) is at most this. So a
    /// share of 0.2 permits no request before the fifth token, and the finished answer never exceeds it.
    pub share: Option<f32>,
    /// Most requests, failed ones included. No token is asked for at or above it; repetitions of the last one may go over.
    pub calls: Option<u64>,
    /// Most token ids sent. No request starts at or above it; the last request may go over it.
    pub tokens: Option<u64>,
    /// Most request and response bytes together. No request starts at or above it; the last one may go over it.
    pub bytes: Option<u64>,
    /// Most US dollars by the price table. No request starts at or above it; the last one may go over it.
    pub usd: Option<f64>,
}

impl Budget {
    /// Whether the next token may be asked of the LLM, given what was spent before it and what that costs.
    pub fn allows(&self, spent: &Spent, prices: &Prices) -> bool {
        self.share.is_none_or(|share| (spent.remote_tokens + 1) as f32 / (spent.tokens + 1) as f32 <= share)
            && self.calls.is_none_or(|limit| spent.calls < limit)
            && self.tokens.is_none_or(|limit| spent.tokens_sent < limit)
            && self.bytes.is_none_or(|limit| spent.bytes() < limit)
            && self.usd.is_none_or(|limit| prices.usd(spent) < limit)
    }

    /// Whether every limit is a number.
    pub(crate) fn is_finite(&self) -> bool {
        self.share.is_none_or(f32::is_finite) && self.usd.is_none_or(f64::is_finite)
    }
}

/// A budget that outlasts an answer (a conversation's, a day's), and what was spent of it before this answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowance {
    /// The limits.
    pub budget: Budget,
    /// What was spent before.
    pub spent: Spent,
}

impl Allowance {
    /// Whether the next token may be asked, given what this answer has spent before it.
    pub fn allows(&self, answer: &Spent, prices: &Prices) -> bool {
        self.budget == Budget::default() || self.budget.allows(&self.spent.plus(answer), prices)
    }
}

/// What an answer has cost so far. It follows from the events alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spent {
    /// Tokens in the answer.
    pub tokens: u64,
    /// Of those, tokens that the LLM answered for, whether or not it agreed with the SLM.
    pub remote_tokens: u64,
    /// Requests, failed ones and repetitions included.
    pub calls: u64,
    /// Tokens that were asked for in vain.
    pub failures: u64,
    /// Token ids sent to the LLM.
    pub tokens_sent: u64,
    /// Of those, tokens the server had in its KV cache.
    pub tokens_cached: u64,
    /// Tokens that the LLM made.
    pub tokens_received: u64,
    /// Request bytes.
    pub bytes_sent: u64,
    /// Response bytes.
    pub bytes_received: u64,
}

impl Spent {
    /// Counts the answer's next token.
    pub fn add(&mut self, event: &TokenEvent) {
        self.tokens += 1;
        if event.source.was_asked() {
            self.calls += u64::from(!event.reserved) + u64::from(event.retries);
            if event.source.is_remote() {
                self.remote_tokens += 1;
            } else {
                self.failures += 1;
            }
        }
        // A server's own counts may be nonsense, so they must not overflow.
        self.tokens_sent = self.tokens_sent.saturating_add(event.tokens_sent);
        self.tokens_cached = self.tokens_cached.saturating_add(event.tokens_cached);
        self.tokens_received = self.tokens_received.saturating_add(event.tokens_received);
        self.bytes_sent = self.bytes_sent.saturating_add(event.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(event.bytes_received);
    }

    /// This and what `other` has spent.
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |value: fn(&Self) -> u64| value(self).saturating_add(value(other));
        Self {
            tokens: sum(|s| s.tokens),
            remote_tokens: sum(|s| s.remote_tokens),
            calls: sum(|s| s.calls),
            failures: sum(|s| s.failures),
            tokens_sent: sum(|s| s.tokens_sent),
            tokens_cached: sum(|s| s.tokens_cached),
            tokens_received: sum(|s| s.tokens_received),
            bytes_sent: sum(|s| s.bytes_sent),
            bytes_received: sum(|s| s.bytes_received),
        }
    }

    /// Bytes both ways.
    pub fn bytes(&self) -> u64 {
        self.bytes_sent.saturating_add(self.bytes_received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(tokens: u64, remote_tokens: u64) -> Spent {
        Spent { tokens, remote_tokens, calls: remote_tokens, ..Spent::default() }
    }

    #[test]
    fn no_limit_allows_everything() {
        let used = Spent { calls: 9, tokens_sent: u64::MAX, bytes_sent: u64::MAX, bytes_received: 1, ..spent(9, 9) };
        assert!(Budget::default().allows(&used, &Prices::default()));
    }

    #[test]
    fn share_counts_the_token_that_would_be_asked() {
        let fifth = Budget { share: Some(0.2), ..Budget::default() };
        assert!(!fifth.allows(&spent(3, 0), &Prices::default()));
        assert!(fifth.allows(&spent(4, 0), &Prices::default()));
        assert!(!fifth.allows(&spent(5, 1), &Prices::default()));
        // 0.7 is not exact in binary; the seventh of ten must still be allowed.
        assert!(Budget { share: Some(0.7), ..Budget::default() }.allows(&spent(9, 6), &Prices::default()));
        assert!(Budget { share: Some(1.0), ..Budget::default() }.allows(&spent(0, 0), &Prices::default()));
        for nonsense in [0.0, -1.0, f32::NAN] {
            assert!(
                !Budget { share: Some(nonsense), ..Budget::default() }.allows(&spent(1_000, 0), &Prices::default())
            );
        }
    }

    #[test]
    fn each_limit_stops_on_its_own() {
        let used = Spent { calls: 3, tokens_sent: 40, bytes_sent: 60, bytes_received: 40, ..spent(10, 3) };
        for (limit, allowed) in [(3, false), (4, true)] {
            assert_eq!(Budget { calls: Some(limit), ..Budget::default() }.allows(&used, &Prices::default()), allowed);
        }
        for (limit, allowed) in [(40, false), (41, true)] {
            assert_eq!(Budget { tokens: Some(limit), ..Budget::default() }.allows(&used, &Prices::default()), allowed);
        }
        for (limit, allowed) in [(100, false), (101, true)] {
            assert_eq!(Budget { bytes: Some(limit), ..Budget::default() }.allows(&used, &Prices::default()), allowed);
        }
    }

    #[test]
    fn money_follows_the_price_table() {
        let prices = Prices { prompt: 1.0, cached: 0.1, output: 10.0 };
        let used = Spent { tokens_sent: 1_000, tokens_cached: 900, tokens_received: 1, ..spent(10, 1) };
        for (limit, allowed) in [(0.000_2, false), (0.000_21, true)] {
            assert_eq!(Budget { usd: Some(limit), ..Budget::default() }.allows(&used, &prices), allowed);
        }
    }

    #[test]
    fn an_allowance_counts_what_came_before() {
        let budget = Budget { calls: Some(5), ..Budget::default() };
        let allowance = Allowance { budget, spent: spent(10, 3) };
        assert!(allowance.allows(&spent(4, 1), &Prices::default()));
        assert!(!allowance.allows(&spent(4, 2), &Prices::default()));
        let huge = Spent { bytes_sent: u64::MAX, ..spent(1, 1) };
        assert_eq!(huge.plus(&huge).bytes_sent, u64::MAX);
    }

    #[test]
    fn absent_limits_read_as_none() {
        let budget: Budget = serde_json::from_str(r#"{"calls":5}"#).unwrap();
        assert_eq!(budget, Budget { calls: Some(5), ..Budget::default() });
    }
}
