//! The sampler: from logits to a token, greedy or drawn with temperature, nucleus and seed.

use citer_core::{Candidate, Sampling, TokenId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How many of the most likely tokens are looked at first for the nucleus; most nuclei are smaller.
const FIRST: usize = 64;

/// Chooses tokens.
///
/// The random number of a position depends on the seed and the position alone, so taking tokens back and going on
/// gives the tokens of a run that was never interrupted. Tokens are drawn in the order of their ids: two models that nearly
/// agree mostly draw the same token from the same number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampler {
    /// How to choose.
    pub sampling: Sampling,
}

impl Sampler {
    /// Whether it draws; otherwise it takes the most likely token.
    pub fn draws(&self) -> bool {
        self.sampling.draws()
    }

    /// The token for the sequence position `position` from `logits` (one per token), and the `count` most likely
    /// candidates with their probabilities at temperature 1, best first. Ties go to the lower id.
    pub fn choose(&self, logits: &[f32], position: usize, count: usize) -> (TokenId, Vec<Candidate>) {
        let order = most_likely(logits, count.max(1));
        let best = order.first().copied().unwrap_or(0);
        let peak = logits.get(best as usize).copied().unwrap_or(0.0);
        let weight = |id: TokenId| (logits[id as usize] - peak).exp();
        let total: f32 = (0..logits.len() as TokenId).map(weight).sum();
        let top = order.iter().map(|id| Candidate { id: *id, probability: weight(*id) / total }).collect();
        let token = if self.draws() { self.draw(logits, peak, position) } else { None };
        (token.unwrap_or(best), top)
    }

    /// A token drawn from the nucleus; none where the logits are not numbers.
    fn draw(&self, logits: &[f32], peak: f32, position: usize) -> Option<TokenId> {
        let Sampling { temperature, top_p, seed } = self.sampling;
        let weight = |id: TokenId| f64::from(((logits[id as usize] - peak) / temperature).exp());
        let all = 0..logits.len() as TokenId;
        let kept = if top_p < 1.0 { nucleus(logits, top_p, weight) } else { all.collect() };
        let total: f64 = kept.iter().map(|id| weight(*id)).sum();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(position as u64);
        let mut left = rng.random::<f64>() * total;
        kept.into_iter().find(|id| {
            left -= weight(*id);
            left < 0.0
        })
    }
}

/// The `count` most likely tokens, best first.
fn most_likely(logits: &[f32], count: usize) -> Vec<TokenId> {
    let by_logit = |a: &TokenId, b: &TokenId| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    let mut order: Vec<TokenId> = (0..logits.len() as TokenId).collect();
    if order.len() > count {
        order.select_nth_unstable_by(count - 1, by_logit);
        order.truncate(count);
    }
    order.sort_unstable_by(by_logit);
    order
}

/// The fewest most likely tokens whose weights reach `share` of all, by id.
fn nucleus(logits: &[f32], share: f32, weight: impl Fn(TokenId) -> f64) -> Vec<TokenId> {
    let wanted = (0..logits.len() as TokenId).map(&weight).sum::<f64>() * f64::from(share);
    let mut count = FIRST;
    loop {
        let mut order = most_likely(logits, count);
        let mut sum = 0.0;
        let reached = order.iter().position(|id| {
            sum += weight(*id);
            sum >= wanted
        });
        if reached.is_some() || order.len() >= logits.len() {
            order.truncate(reached.map_or(order.len(), |last| last + 1));
            order.sort_unstable();
            return order;
        }
        count *= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, 2.0];

    fn draws(sampling: Sampling, logits: &[f32]) -> Vec<TokenId> {
        (0..2000).map(|position| Sampler { sampling }.choose(logits, position, 1).0).collect()
    }

    fn shares(drawn: &[TokenId]) -> BTreeMap<TokenId, f64> {
        let mut shares = BTreeMap::new();
        drawn.iter().for_each(|id| *shares.entry(*id).or_default() += 1.0 / drawn.len() as f64);
        shares
    }

    #[test]
    fn greedy_takes_the_best_and_the_lower_id_of_equals() {
        let (token, top) = Sampler::default().choose(&LOGITS, 0, 2);
        assert_eq!(token, 1);
        assert_eq!(top.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 3]);
        let sum: f32 = Sampler::default().choose(&LOGITS, 0, 4).1.iter().map(|c| c.probability).sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn samples_follow_the_probabilities_and_the_seed() {
        let sampling = |seed| Sampling { temperature: 1.0, top_p: 1.0, seed };
        let first = draws(sampling(7), &LOGITS);
        assert_eq!(first, draws(sampling(7), &LOGITS));
        assert_ne!(first, draws(sampling(8), &LOGITS));
        let expected = 2f64.exp() / (1.0 + 2.0 * 2f64.exp() + 1f64.exp());
        let share = shares(&first)[&1];
        assert!((share - expected).abs() < 0.05, "{share} against {expected}");
        // The candidates shown are the model's own, whatever is drawn.
        let top = |sampling| Sampler { sampling }.choose(&LOGITS, 0, 4).1;
        assert_eq!(top(Sampling { temperature: 0.3, top_p: 0.5, seed: 1 }), top(Sampling::GREEDY));
    }

    #[test]
    fn a_temperature_moves_the_shares() {
        let at = |temperature| shares(&draws(Sampling { temperature, top_p: 1.0, seed: 3 }, &LOGITS));
        let expected = |temperature: f64| {
            let weight = |logit: f32| (f64::from(logit) / temperature).exp();
            weight(1.0) / LOGITS.iter().map(|logit| weight(*logit)).sum::<f64>()
        };
        for temperature in [0.5, 2.0] {
            let share = at(temperature as f32)[&2];
            assert!((share - expected(temperature)).abs() < 0.04, "{share} at {temperature}");
        }
        assert!(draws(Sampling { temperature: 1e-3, top_p: 1.0, seed: 3 }, &[0.0, 1.0, 0.5]).iter().all(|id| *id == 1));
    }

    #[test]
    fn a_nucleus_is_the_fewest_tokens_that_reach_the_share() {
        // Probabilities 0.5, 0.3, 0.15 and 0.05, not in order.
        let logits: Vec<f32> = [0.15f32, 0.5, 0.05, 0.3].iter().map(|p| p.ln()).collect();
        let kept = |top_p| -> Vec<TokenId> {
            shares(&draws(Sampling { temperature: 1.0, top_p, seed: 5 }, &logits)).into_keys().collect()
        };
        assert_eq!(kept(1e-6), [1]);
        assert_eq!(kept(0.49), [1]);
        assert_eq!(kept(0.51), [1, 3]);
        assert_eq!(kept(0.79), [1, 3]);
        assert_eq!(kept(0.81), [0, 1, 3]);
        assert_eq!(kept(0.96), [0, 1, 2, 3]);
        let share = shares(&draws(Sampling { temperature: 1.0, top_p: 0.7, seed: 5 }, &logits))[&1];
        assert!((share - 0.5 / 0.8).abs() < 0.04, "{share}: what is left is scaled up");
        // The temperature comes first: a flatter distribution needs more tokens.
        assert_eq!(shares(&draws(Sampling { temperature: 2.0, top_p: 0.51, seed: 5 }, &logits)).len(), 2);
        assert_eq!(shares(&draws(Sampling { temperature: 2.0, top_p: 0.75, seed: 5 }, &logits)).len(), 3);
    }

    #[test]
    fn a_wide_nucleus_is_found_beyond_the_first_tokens() {
        // 1,000 tokens as likely as each other: nine tenths of them, the lower ids first.
        let drawn = draws(Sampling { temperature: 1.0, top_p: 0.9, seed: 1 }, &[0.5; 1000]);
        let highest = drawn.iter().max().copied().unwrap_or_default();
        assert!((880..901).contains(&highest), "{highest}");
    }

    #[test]
    fn logits_that_are_not_numbers_give_a_token_all_the_same() {
        let sampling = Sampling { temperature: 1.0, top_p: 0.9, seed: 1 };
        for logits in [[f32::NAN; 3], [f32::NEG_INFINITY; 3]] {
            assert!(Sampler { sampling }.choose(&logits, 4, 1).0 < 3);
        }
    }
}
