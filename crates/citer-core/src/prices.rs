//! Prices of an API, and what an answer costs by them.

use crate::budget::Spent;
use serde::{Deserialize, Serialize};

/// Prices of an API, in US dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    /// A prompt token.
    pub prompt: f64,
    /// A prompt token found in the provider's prefix cache.
    pub cached: f64,
    /// A token made.
    pub output: f64,
}

impl Prices {
    /// What `spent` costs, in US dollars.
    pub fn usd(&self, spent: &Spent) -> f64 {
        let cached = spent.tokens_cached.min(spent.tokens_sent);
        let fresh = spent.tokens_sent - cached;
        let parts = [(fresh, self.prompt), (cached, self.cached), (spent.tokens_received, self.output)];
        parts.into_iter().map(|(tokens, price)| tokens as f64 * price).sum::<f64>() / 1e6
    }

    /// The remote share at which a stateless bill without prefix cache equals that of the LLM alone, for a prompt and
    /// an answer of so many tokens with remote tokens spread evenly: a call sends prompt + answer / 2 on the mean.
    pub fn break_even_share(&self, prompt: f64, answer: f64) -> f64 {
        let call = (prompt + 0.5 * answer) * self.prompt + self.output;
        let alone = prompt * self.prompt + answer * self.output;
        if answer * call > 0.0 { (alone / (answer * call)).clamp(0.0, 1.0) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_cost_their_own_price() {
        let prices = Prices { prompt: 2.0, cached: 0.5, output: 10.0 };
        let spent = Spent { tokens_sent: 1_000, tokens_cached: 900, tokens_received: 3, ..Spent::default() };
        assert!((prices.usd(&spent) - (100.0 * 2.0 + 900.0 * 0.5 + 30.0) / 1e6).abs() < 1e-15);
        // A server that claims more cached tokens than it was sent saves no more than all of them.
        let liar = Spent { tokens_cached: 5_000, ..spent };
        assert!((prices.usd(&liar) - (1_000.0 * 0.5 + 30.0) / 1e6).abs() < 1e-15);
    }
}
