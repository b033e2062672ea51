//! Sampling: how a token is chosen from a model's probabilities, as users set it.

use serde::{Deserialize, Serialize};

/// How tokens are chosen.
///
/// The random number of a place in the sequence depends on the seed and the place alone. So tokens that are taken back and
/// made again are the same, and an answer does not depend on how long anybody waited.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 takes the most likely token (greedy); 1 draws from the model's own probabilities; more makes them more even.
    pub temperature: f32,
    /// Nucleus: only the most likely tokens that together reach this probability can be drawn. 1 leaves none out.
    pub top_p: f32,
    /// Seed of the random numbers; the same seed gives the same tokens.
    pub seed: u64,
}

/// Settings that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// A temperature out of range.
    #[error("the temperature is {0}: choose a number from 0 (always the most likely token) to {hottest}", hottest = Sampling::HOTTEST)]
    Temperature(f32),
    /// A nucleus out of range.
    #[error("top-p is {0}: choose a number above 0 and up to 1 (1 leaves no token out)")]
    TopP(f32),
}

impl Default for Sampling {
    fn default() -> Self {
        Self::GREEDY
    }
}

impl Sampling {
    /// The most likely token, always.
    pub const GREEDY: Self = Self { temperature: 0.0, top_p: 1.0, seed: 0 };
    /// Highest temperature; servers take no higher one.
    pub const HOTTEST: f32 = 2.0;

    /// Whether tokens are drawn; otherwise the most likely one is taken.
    pub fn draws(&self) -> bool {
        self.temperature > 0.0
    }

    /// Whether every number is in its range.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check(&self) -> Result<(), SamplingError> {
        if !(0.0..=Self::HOTTEST).contains(&self.temperature) {
            return Err(SamplingError::Temperature(self.temperature));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(SamplingError::TopP(self.top_p));
        }
        Ok(())
    }

    /// A seed for a request that asks for the token at `position`, of 31 bits as every server takes it. Servers begin their
    /// random numbers anew with every request, so that one seed for all would draw the same number at every place.
    pub fn seed_at(&self, position: usize) -> u32 {
        let mut z = self.seed.wrapping_add((position as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 33) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn only_sensible_numbers_pass() {
        let check = |temperature, top_p| Sampling { temperature, top_p, seed: 0 }.check();
        for (temperature, top_p) in [(0.0, 1.0), (2.0, 0.01), (0.7, 0.9)] {
            assert_eq!(check(temperature, top_p), Ok(()));
        }
        for bad in [-0.1, 2.1, f32::INFINITY] {
            assert_eq!(check(bad, 1.0), Err(SamplingError::Temperature(bad)));
        }
        for bad in [0.0, -1.0, 1.5] {
            assert_eq!(check(1.0, bad), Err(SamplingError::TopP(bad)));
        }
        assert!(check(f32::NAN, 1.0).is_err() && check(1.0, f32::NAN).is_err());
    }

    #[test]
    fn every_place_and_seed_has_a_number_of_its_own() {
        let seeds: HashSet<u32> =
            (0..64).flat_map(|seed| (0..64).map(move |at| Sampling { seed, ..Sampling::GREEDY }.seed_at(at))).collect();
        assert!(seeds.len() > 4090, "{}", seeds.len());
        assert!(seeds.iter().all(|seed| *seed <= i32::MAX as u32));
    }

    #[test]
    fn settings_of_before_are_greedy() {
        assert_eq!(serde_json::from_str::<Sampling>("{}").unwrap(), Sampling::GREEDY);
    }
}
