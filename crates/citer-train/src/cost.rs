//! What answers cost: network, money, memory traffic and time, from counts and stated rates.
//!
//! All figures are means over questions. Processing the prompt is left out of memory traffic and time: the paper counts
//! decoding, and every way of answering processes the prompt at least once.

use crate::work::Work;
pub use citer_core::Prices;
use citer_core::waits::break_even_share;
use serde::{Deserialize, Serialize};

/// Bytes on the network, both directions together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wire {
    /// A call without its tokens: headers and JSON of request and answer.
    pub call: f64,
    /// A token sent or received.
    pub token: f64,
}

/// Bytes that a model reads to decode one token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reads {
    /// All weights.
    pub weights: f64,
    /// Keys and values of one position: 2 x layers x key heads x head width x bytes of a number.
    pub position: f64,
}

/// Times, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// A network round trip.
    pub round_trip: f64,
    /// A token of the SLM, router included.
    pub slm: f64,
    /// A token of the LLM on its server.
    pub llm: f64,
}

/// Everything that turns counts into costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Network.
    pub wire: Wire,
    /// Money.
    pub prices: Prices,
    /// The SLM's memory traffic.
    pub slm: Reads,
    /// The LLM's memory traffic.
    pub llm: Reads,
    /// Time.
    pub times: Times,
}

/// Costs of a question: means over a list of questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Share of tokens made by the LLM, 0 to 1, over all tokens.
    pub share: f64,
    /// Tokens of the answer.
    pub tokens: f64,
    /// Requests.
    pub calls: f64,
    /// Tokens sent to an API without memory; also what a server without prefix cache computes.
    pub sent: f64,
    /// Tokens sent within a session; also what a server with a perfect prefix cache computes.
    pub suffix: f64,
    /// Tokens sent to an API without memory that a perfect prefix cache saves computing.
    pub cached: f64,
    /// Bytes on the network without session.
    pub bytes_stateless: f64,
    /// Bytes on the network with a session.
    pub bytes_session: f64,
    /// US dollars without session and prefix cache: (sent x prompt + remote x output) / 10^6.
    pub usd_stateless: f64,
    /// US dollars where the provider caches prefixes: (suffix x prompt + cached x cached + remote x output) / 10^6.
    pub usd_cached: f64,
    /// US dollars with a session, what the server holds being free: (suffix x prompt + remote x output) / 10^6.
    pub usd_session: f64,
    /// Gigabytes (10^9) read from memory while decoding, both models: weights once a token plus the KV cache so far.
    pub gigabytes: f64,
    /// Seconds of decoding: SLM steps, round trips and LLM tokens, one after the other.
    pub seconds: f64,
}

impl Cost {
    /// Between this one and `other`: `part` of the way, cost by cost.
    pub fn mixed(&self, other: &Self, part: f64) -> Self {
        let mix = |value: fn(&Self) -> f64| value(self) + part * (value(other) - value(self));
        Self {
            share: mix(|c| c.share),
            tokens: mix(|c| c.tokens),
            calls: mix(|c| c.calls),
            sent: mix(|c| c.sent),
            suffix: mix(|c| c.suffix),
            cached: mix(|c| c.cached),
            bytes_stateless: mix(|c| c.bytes_stateless),
            bytes_session: mix(|c| c.bytes_session),
            usd_stateless: mix(|c| c.usd_stateless),
            usd_cached: mix(|c| c.usd_cached),
            usd_session: mix(|c| c.usd_session),
            gigabytes: mix(|c| c.gigabytes),
            seconds: mix(|c| c.seconds),
        }
    }
}

impl Rates {
    /// The costs of some work, a question.
    pub fn cost(&self, work: &Work) -> Cost {
        let mean = |sum: f64| sum / work.questions.max(1) as f64;
        let [sent, suffix, cached] = [work.sent, work.suffix, work.cached()].map(|n| n as f64);
        let [remote, calls, slm_steps] = [work.remote, work.calls, work.slm_steps].map(|n| n as f64);
        let Self { wire, prices, slm, llm, times } = self;
        let bytes = |sent: f64| mean(calls * wire.call + (sent + remote) * wire.token);
        let usd = |fresh: f64, cached: f64| {
            mean((fresh * prices.prompt + cached * prices.cached + remote * prices.output) / 1e6)
        };
        let read =
            |model: &Reads, steps: f64, positions: u64| steps * model.weights + positions as f64 * model.position;
        Cost {
            share: work.share(),
            tokens: mean(work.tokens as f64),
            calls: mean(calls),
            sent: mean(sent),
            suffix: mean(suffix),
            cached: mean(cached),
            bytes_stateless: bytes(sent),
            bytes_session: bytes(suffix),
            usd_stateless: usd(sent, 0.0),
            usd_cached: usd(suffix, cached),
            usd_session: usd(suffix, 0.0),
            gigabytes: mean(read(slm, slm_steps, work.slm_positions) + read(llm, remote, work.llm_positions)) / 1e9,
            seconds: mean(slm_steps * times.slm + calls * times.round_trip + remote * times.llm) / 1e3,
        }
    }
}

impl Times {
    /// The remote share at which routed decoding is as fast as an LLM that streams: where slm + share x (round trip +
    /// llm) = llm. Below it routing is faster; 0 where the SLM is no faster than the LLM.
    pub fn break_even_share(&self) -> f64 {
        break_even_share(self.slm, self.llm, self.round_trip + self.llm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Outcome;

    const RATES: Rates = Rates {
        wire: Wire { call: 500.0, token: 6.0 },
        prices: Prices { prompt: 2.0, cached: 0.5, output: 10.0 },
        slm: Reads { weights: 1e6, position: 1e3 },
        llm: Reads { weights: 1e8, position: 1e5 },
        times: Times { round_trip: 65.0, slm: 15.0, llm: 20.0 },
    };

    /// Prompt of 10, answer of 4, remote tokens at places 1 and 3.
    const ROUTED: Outcome = Outcome { right: true, tokens: 4, remote: 2, prompt: 10, sent: 24, suffix: 13 };

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() <= 1e-9 * expected.abs(), "{value} instead of {expected}");
    }

    #[test]
    fn every_cost_of_a_routed_answer_equals_its_sum_by_hand() {
        // Twice the same question: a mean is that of one.
        let cost = RATES.cost(&Work::of(&[ROUTED, ROUTED]));
        assert_eq!((cost.calls, cost.sent, cost.suffix, cost.cached), (2.0, 24.0, 13.0, 11.0));
        close(cost.bytes_stateless, 2.0 * 500.0 + 26.0 * 6.0);
        close(cost.bytes_session, 2.0 * 500.0 + 15.0 * 6.0);
        close(cost.usd_stateless, (24.0 * 2.0 + 2.0 * 10.0) / 1e6);
        close(cost.usd_cached, (13.0 * 2.0 + 11.0 * 0.5 + 2.0 * 10.0) / 1e6);
        close(cost.usd_session, (13.0 * 2.0 + 2.0 * 10.0) / 1e6);
        // SLM: 4 MB and 46 positions; LLM: 200 MB and 24 positions.
        close(cost.gigabytes, 0.004 + 0.000046 + 0.2 + 0.0024);
        close(cost.seconds, 0.06 + 0.13 + 0.04);
    }

    #[test]
    fn the_models_alone_are_the_references() {
        let llm = RATES.cost(&Work::of_llm(&[ROUTED]));
        close(llm.usd_stateless, (10.0 * 2.0 + 4.0 * 10.0) / 1e6);
        close(llm.gigabytes, 0.4 + 46.0 * 1e5 / 1e9);
        close(llm.seconds, 0.065 + 0.08);
        let slm = RATES.cost(&Work::of_slm(&[ROUTED]));
        assert_eq!((slm.usd_stateless, slm.bytes_session, slm.calls), (0.0, 0.0, 0.0));
        close(slm.seconds, 0.06);
        assert_eq!(RATES.cost(&Work::default()), Cost::default(), "no questions, no division by zero");
    }

    #[test]
    fn break_even_shares_solve_their_equations() {
        // 15 + share * 85 = 20.
        close(RATES.times.break_even_share(), 5.0 / 85.0);
        assert_eq!(Times { slm: 30.0, ..RATES.times }.break_even_share(), 0.0);
        // 200 * share * (400 * 0.9 + 2.86) = 300 * 0.9 + 200 * 2.86.
        let prices = Prices { prompt: 0.9, cached: 0.09, output: 2.86 };
        close(prices.break_even_share(300.0, 200.0), 842.0 / 72_572.0);
    }
}
