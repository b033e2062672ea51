//! The share controller: moves the threshold while tokens are made so that a wanted share of them is asked of the LLM.
//!
//! The threshold follows the quantile of recent scores, corrected by what is owed so far. Where scores give no hold (all
//! alike, or drifting), pacing takes over: the number of asked tokens never strays from `share x tokens` by more than
//! [`ShareController::slack`], which is a tenth of what [`HORIZON`] tokens are to have, and at least one.

use std::collections::VecDeque;

/// Tokens over which the share is met.
pub const HORIZON: usize = 200;

/// Scores that the quantile is taken from.
const WINDOW: usize = 256;
/// Scores needed before the quantile is trusted.
const ENOUGH: usize = 8;
/// How strongly what is owed moves the quantile.
const GAIN: f32 = 0.25;
/// A threshold that every score, which is at most 1, is below.
const ALWAYS: f32 = 2.0;

/// Chooses thresholds for one wanted share.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareController {
    share: f32,
    tokens: u64,
    asked: u64,
    recent: VecDeque<f32>,
}

impl ShareController {
    /// Aims at `share` (0 to 1) of the tokens.
    pub fn new(share: f32) -> Self {
        Self { share: share.clamp(0.0, 1.0), tokens: 0, asked: 0, recent: VecDeque::new() }
    }

    /// The wanted share.
    pub fn share(&self) -> f32 {
        self.share
    }

    /// How far the number of asked tokens may stray.
    pub fn slack(&self) -> f32 {
        (0.1 * self.share * HORIZON as f32).max(1.0)
    }

    /// The threshold for the next token; `usual` while too few scores are known.
    pub fn threshold(&self, usual: f32) -> f32 {
        let wanted = self.share * (self.tokens + 1) as f32;
        let asked = self.asked as f32;
        if self.share <= 0.0 || asked + 1.0 - wanted > self.slack() {
            return 0.0;
        }
        if self.share >= 1.0 || wanted - asked >= self.slack() {
            return ALWAYS;
        }
        if self.recent.len() < ENOUGH {
            return usual;
        }
        let owed = (wanted - asked) / self.slack();
        let at = (self.share * (1.0 + GAIN * 4.0 * owed)).clamp(0.0, 1.0);
        let mut scores: Vec<f32> = self.recent.iter().copied().collect();
        scores.sort_by(f32::total_cmp);
        let place = (at * scores.len() as f32) as usize;
        scores.get(place).copied().unwrap_or(ALWAYS)
    }

    /// Counts a token with its score.
    pub fn add(&mut self, score: f32, asked: bool) {
        self.tokens += 1;
        self.asked += u64::from(asked);
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(if score.is_nan() { 0.0 } else { score });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform in 0..1 (splitmix64).
    fn random(state: &mut u64) -> f32 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// A stream of scores: its name and what its token at a place has.
    type Stream = (&'static str, fn(&mut u64, usize) -> f32);

    const STREAMS: [Stream; 7] = [
        ("uniform", |state, _| random(state)),
        ("nearly all sure", |state, _| 1.0 - random(state).powi(6)),
        ("nearly all doubtful", |state, _| random(state).powi(6)),
        ("two values", |state, _| if random(state) < 0.3 { 0.1 } else { 0.99 }),
        ("constant", |_, _| 0.7),
        ("drifting", |state, at| (0.2 + 0.003 * at as f32 + 0.2 * random(state)).min(1.0)),
        ("in bursts", |state, at| if at % 50 < 10 { 0.2 * random(state) } else { 0.8 + 0.2 * random(state) }),
    ];

    #[test]
    fn the_share_is_met_within_a_tenth_over_two_hundred_tokens() {
        for (name, stream) in STREAMS {
            for share in [0.05, 0.1, 0.2, 0.35, 0.5, 0.8] {
                for seed in 0..20 {
                    let (mut state, mut controller, mut asked) = (seed, ShareController::new(share), 0);
                    for at in 0..600 {
                        let score = stream(&mut state, at);
                        let ask = score < controller.threshold(0.5);
                        controller.add(score, ask);
                        asked += u32::from(ask);
                        let tokens = at + 1;
                        if tokens >= HORIZON {
                            let made = asked as f32 / tokens as f32;
                            let off = (made - share).abs() / share;
                            assert!(off <= 0.1 + 1e-4, "{name}, seed {seed}: {made} of {share} after {tokens}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn doubtful_tokens_are_preferred() {
        let (mut state, mut controller) = (7, ShareController::new(0.2));
        let (mut asked, mut skipped) = ((0.0, 0), (0.0, 0));
        for _ in 0..1_000 {
            let score = random(&mut state);
            let ask = score < controller.threshold(0.5);
            controller.add(score, ask);
            let sum = if ask { &mut asked } else { &mut skipped };
            *sum = (sum.0 + score, sum.1 + 1);
        }
        let mean = |(sum, count): (f32, i32)| sum / count as f32;
        assert!(mean(asked) < 0.15 && mean(skipped) > 0.55, "{} and {}", mean(asked), mean(skipped));
    }

    #[test]
    fn none_and_all_are_exact() {
        for (share, every) in [(0.0, false), (1.0, true)] {
            let mut controller = ShareController::new(share);
            for at in 0..100 {
                let score = at as f32 / 100.0;
                assert_eq!(score < controller.threshold(0.5), every);
                controller.add(score, every);
            }
        }
    }
}
