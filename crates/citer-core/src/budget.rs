//! The budget of one answer: what escalation may cost, and what it has cost so far.

use crate::event::TokenEvent;
use serde::{Deserialize, Serialize};

/// Limits on asking the LLM within one answer; `None` means no limit. A spent budget stops escalation, never the
/// answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Largest share of the answer's tokens that the LLM may answer for, 0 to 1. It holds at every moment: the
    /// token at position i may be asked only if (tokens answered by the LLM + 1) / (i + 1) is at most this. So a
    /// share of 0.2 permits no request before the fifth token, and the finished answer never exceeds it.
    pub share: Option<f32>,
    /// Most requests, failed ones included.
    pub calls: Option<u64>,
    /// Most token ids sent. No request starts at or above it; the last request may go over it.
    pub tokens: Option<u64>,
    /// Most request and response bytes together. No request starts at or above it; the last one may go over it.
    pub bytes: Option<u64>,
}

impl Budget {
    /// Whether the next token may be asked of the LLM, given what the answer has spent before it.
    pub fn allows(&self, spent: &Spent) -> bool {
        self.share.is_none_or(|share| (spent.remote_tokens + 1) as f32 / (spent.tokens + 1) as f32 <= share)
            && self.calls.is_none_or(|limit| spent.calls < limit)
            && self.tokens.is_none_or(|limit| spent.tokens_sent < limit)
            && self.bytes.is_none_or(|limit| spent.bytes() < limit)
    }
}

/// What an answer has cost so far. It follows from the events alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Tokens in the answer.
    pub tokens: u64,
    /// Of those, tokens that the LLM answered for, whether or not it agreed with the SLM.
    pub remote_tokens: u64,
    /// Requests, failed ones included.
    pub calls: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Token ids sent to the LLM.
    pub tokens_sent: u64,
    /// Of those, tokens the server had in its KV cache.
    pub tokens_cached: u64,
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
            self.calls += 1;
            if event.source.is_remote() {
                self.remote_tokens += 1;
            } else {
                self.failures += 1;
            }
        }
        // A server's own counts may be nonsense, so they must not overflow.
        self.tokens_sent = self.tokens_sent.saturating_add(event.tokens_sent);
        self.tokens_cached = self.tokens_cached.saturating_add(event.tokens_cached);
        self.bytes_sent = self.bytes_sent.saturating_add(event.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(event.bytes_received);
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
        assert!(Budget::default().allows(&used));
    }

    #[test]
    fn share_counts_the_token_that_would_be_asked() {
        let fifth = Budget { share: Some(0.2), ..Budget::default() };
        assert!(!fifth.allows(&spent(3, 0)));
        assert!(fifth.allows(&spent(4, 0)));
        assert!(!fifth.allows(&spent(5, 1)));
        // 0.7 is not exact in binary; the seventh of ten must still be allowed.
        assert!(Budget { share: Some(0.7), ..Budget::default() }.allows(&spent(9, 6)));
        assert!(Budget { share: Some(1.0), ..Budget::default() }.allows(&spent(0, 0)));
        for nonsense in [0.0, -1.0, f32::NAN] {
            assert!(!Budget { share: Some(nonsense), ..Budget::default() }.allows(&spent(1_000, 0)));
        }
    }

    #[test]
    fn each_limit_stops_on_its_own() {
        let used = Spent { calls: 3, tokens_sent: 40, bytes_sent: 60, bytes_received: 40, ..spent(10, 3) };
        for (limit, allowed) in [(3, false), (4, true)] {
            assert_eq!(Budget { calls: Some(limit), ..Budget::default() }.allows(&used), allowed);
        }
        for (limit, allowed) in [(40, false), (41, true)] {
            assert_eq!(Budget { tokens: Some(limit), ..Budget::default() }.allows(&used), allowed);
        }
        for (limit, allowed) in [(100, false), (101, true)] {
            assert_eq!(Budget { bytes: Some(limit), ..Budget::default() }.allows(&used), allowed);
        }
    }

    #[test]
    fn absent_limits_read_as_none() {
        let budget: Budget = serde_json::from_str(r#"{"calls":5}"#).unwrap();
        assert_eq!(budget, Budget { calls: Some(5), ..Budget::default() });
    }
}
