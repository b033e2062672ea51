//! The sampler: from logits to a token, greedy or with a temperature and a seed.

use citer_core::{Candidate, TokenId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How a token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0 takes the most likely token; 1 samples from the model's own probabilities.
    pub temperature: f32,
    /// Seed of the random numbers; the same seed gives the same tokens.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, seed: 0 }
    }
}

/// Chooses tokens.
///
/// The random number of a position depends on the seed and the position alone, so taking tokens back and going on
/// gives the tokens of a run that was never interrupted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampler {
    /// How to choose.
    pub sampling: Sampling,
}

impl Sampler {
    /// Whether it draws; otherwise it takes the most likely token.
    pub fn samples(&self) -> bool {
        self.sampling.temperature > 0.0 && self.sampling.temperature.is_finite()
    }

    /// The token for the sequence position `position` from `logits` (one per token), and the `count` most likely
    /// candidates, best first. Ties go to the lower id.
    pub fn choose(&self, logits: &[f32], position: usize, count: usize) -> (TokenId, Vec<Candidate>) {
        let mut order: Vec<TokenId> = (0..logits.len() as TokenId).collect();
        let by_logit = |a: &TokenId, b: &TokenId| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        let count = count.clamp(1, logits.len().max(1));
        if order.len() > count {
            order.select_nth_unstable_by(count - 1, by_logit);
            order.truncate(count);
        }
        order.sort_unstable_by(by_logit);
        let best = order.first().copied().unwrap_or(0);
        let peak = logits.get(best as usize).copied().unwrap_or(0.0);
        let weight = |id: TokenId, temperature: f32| ((logits[id as usize] - peak) / temperature).exp();
        let total: f32 = (0..logits.len() as TokenId).map(|id| weight(id, 1.0)).sum();
        let top = order.iter().map(|id| Candidate { id: *id, probability: weight(*id, 1.0) / total }).collect();
        let temperature = self.sampling.temperature;
        if !self.samples() {
            return (best, top);
        }
        let total: f32 = (0..logits.len() as TokenId).map(|id| weight(id, temperature)).sum();
        let mut rng = ChaCha8Rng::seed_from_u64(self.sampling.seed);
        rng.set_stream(position as u64);
        let mut left = rng.random::<f32>() * total;
        for id in 0..logits.len() as TokenId {
            left -= weight(id, temperature);
            if left < 0.0 {
                return (id, top);
            }
        }
        (best, top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, 2.0];

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
        let sampler = |seed| Sampler { sampling: Sampling { temperature: 1.0, seed } };
        let draw = |seed| (0..2000).map(|p| sampler(seed).choose(&LOGITS, p, 1).0).collect::<Vec<_>>();
        let first = draw(7);
        assert_eq!(first, draw(7));
        assert_ne!(first, draw(8));
        let share = first.iter().filter(|t| **t == 1).count() as f64 / 2000.0;
        let expected = 2f64.exp() / (1.0 + 2.0 * 2f64.exp() + 1f64.exp());
        assert!((share - expected).abs() < 0.05, "{share} against {expected}");
    }
}
