//! Waits: what asking the LLM cost in time, how much of it was hidden behind local work, and whether it pays.

use crate::event::{Source, TokenEvent};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Sums over the tokens of answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waits {
    /// Tokens.
    pub tokens: u64,
    /// Milliseconds of local compute.
    pub compute_ms: f64,
    /// Requests that brought a token; what came from the reserve is none.
    pub answered: u64,
    /// Of those, tokens that the SLM had chosen too: nothing was gained by asking.
    pub agreed: u64,
    /// Tokens served from the reserve.
    pub reserved: u64,
    /// Milliseconds during which the SLM went on and its work stood.
    pub hidden_ms: f64,
    /// Milliseconds that the reader waited.
    pub paid_ms: f64,
    /// Milliseconds that servers computed, where they say so.
    pub server_ms: f64,
    /// Answers that say so.
    pub timed: u64,
}

impl Waits {
    /// Counts one more token.
    pub fn add(&mut self, event: &TokenEvent) {
        self.tokens += 1;
        self.compute_ms += event.compute_ms;
        self.hidden_ms += event.hidden_ms;
        self.paid_ms += (event.wait_ms - event.hidden_ms).max(0.0);
        if event.reserved {
            self.reserved += 1;
        } else if event.source.is_remote() {
            self.answered += 1;
            self.agreed += u64::from(event.source == Source::Agreed);
            if event.server_ms > 0.0 {
                self.server_ms += event.server_ms;
                self.timed += 1;
            }
        }
    }

    /// Share of the answered requests that brought the SLM's own token ("wasted calls"), 0 to 1.
    pub fn agreement(&self) -> Option<f64> {
        (self.answered > 0).then(|| self.agreed as f64 / self.answered as f64)
    }

    /// The remote share below which routing is faster on this connection than an LLM that streams all tokens, as measured
    /// so far; `None` until a server has said how long it computes a token.
    pub fn break_even_share(&self) -> Option<f64> {
        if self.timed == 0 || self.answered == 0 || self.tokens == 0 {
            return None;
        }
        let slm = self.compute_ms / self.tokens as f64;
        let llm = self.server_ms / self.timed as f64;
        let paid = self.paid_ms / self.answered as f64;
        Some(break_even_share(slm, llm, paid))
    }
}

/// The remote share at which routed decoding is as fast as an LLM that streams: where slm + share x wait = llm, all in
/// milliseconds a token. 0 where the SLM is no faster than the LLM.
pub fn break_even_share(slm: f64, llm: f64, wait: f64) -> f64 {
    if llm <= slm {
        return 0.0;
    }
    if wait > 0.0 { ((llm - slm) / wait).min(1.0) } else { 1.0 }
}

impl<'a> FromIterator<&'a TokenEvent> for Waits {
    fn from_iter<I: IntoIterator<Item = &'a TokenEvent>>(events: I) -> Self {
        let mut waits = Self::default();
        events.into_iter().for_each(|event| waits.add(event));
        waits
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waits: {:.0} ms paid, {:.0} ms hidden", self.paid_ms, self.hidden_ms)?;
        if let Some(agreement) = self.agreement() {
            write!(f, "; {:.0} % of the calls brought the token the SLM had", 100.0 * agreement)?;
        }
        if self.reserved > 0 {
            write!(f, "; {} tokens from the reserve", self.reserved)?;
        }
        if let Some(share) = self.break_even_share() {
            write!(f, "; faster than streaming the LLM below {:.1} % remote", 100.0 * share)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_break_even_share_solves_its_equation() {
        assert!((break_even_share(15.0, 20.0, 85.0) - 5.0 / 85.0).abs() < 1e-12);
        assert_eq!(break_even_share(30.0, 20.0, 85.0), 0.0);
        assert_eq!(break_even_share(15.0, 20.0, 0.0), 1.0);
    }
}
