//! The entropy score: what stands in for a router where a model has none. The surer the model is of its next token, the
//! higher the score: `sigmoid(shift - slope * H)`, H the entropy in nats of its distribution over all tokens.

use crate::{error::LoadError, pair::ThresholdAt};
use serde::{Deserialize, Serialize};

/// The card of the shipped pair's entropy score, beside the router's.
pub const ENTROPY_CARD: &str = "router/entropy.json";

/// A calibrated entropy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntropyScore {
    /// How fast the score's log odds fall with a nat; above 0.
    pub slope: f64,
    /// Log odds of a token that the model is certain of.
    pub shift: f64,
}

impl EntropyScore {
    /// P(the model's token is good enough) at `entropy` nats; not a number where the entropy is none.
    pub fn score(self, entropy: f32) -> f32 {
        (1.0 / (1.0 + (self.slope * f64::from(entropy) - self.shift).exp())) as f32
    }
}

/// What an entropy score was calibrated on and how to use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntropyCard {
    /// The score.
    #[serde(flatten)]
    pub score: EntropyScore,
    /// Recommended threshold.
    pub threshold: f32,
    /// The share of remote tokens that this threshold gave on validation questions.
    pub validation_share: f32,
    /// Expected calibration error on questions that it was not fitted to.
    pub calibration_error: f64,
    /// States that it was fitted to.
    pub states: usize,
    /// SHA-256 of the SLM's weights whose states these are.
    pub slm_sha256: String,
    /// The LLM that it was preferred to, by SHA-256 of its weights or by its server's name.
    pub llm: String,
    /// The questions, in words.
    pub data: String,
    /// SHA-256 over the questions.
    pub data_sha256: String,
    /// Other thresholds, by the share of remote tokens they gave on validation questions.
    #[serde(default)]
    pub thresholds: Vec<ThresholdAt>,
}

impl EntropyCard {
    /// Reads a card.
    pub fn parse(json: &[u8]) -> Result<Self, LoadError> {
        let damaged = |detail: String| LoadError::Json { file: ENTROPY_CARD.into(), detail };
        let card: Self = serde_json::from_slice(json).map_err(|e| damaged(e.to_string()))?;
        let EntropyScore { slope, shift } = card.score;
        let usable = slope > 0.0 && slope.is_finite() && shift.is_finite() && card.threshold.is_finite();
        if usable { Ok(card) } else { Err(damaged("its score does not fall as the entropy rises".into())) }
    }
}

/// Entropy in nats of the distribution that `logits` give: with `d` a logit's distance from the largest, the logarithm of
/// the sum of `exp(d)` less their mean of `d`.
pub fn entropy(logits: &[f32]) -> f32 {
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut spread) = (0.0f64, 0.0f64);
    for below in logits.iter().map(|logit| f64::from(logit - peak)) {
        let weight = below.exp();
        sum += weight;
        // A token without any weight adds nothing, however far below it is.
        spread += if weight == 0.0 { 0.0 } else { weight * below };
    }
    (sum.ln() - spread / sum) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORE: EntropyScore = EntropyScore { slope: 2.0, shift: 3.0 };

    #[test]
    fn the_entropy_is_that_of_the_definition() {
        for logits in [vec![0.0, 3f32.ln(), 0.0, f32::NEG_INFINITY], vec![-7.5, 2.0, 1.0, 2.0, -1.0], vec![4.0; 50]] {
            let weights: Vec<f64> = logits.iter().map(|logit| f64::from(*logit).exp()).collect();
            let sum: f64 = weights.iter().sum();
            let parts = weights.iter().map(|w| w / sum).filter(|p| *p > 0.0);
            let expected = -parts.map(|p| p * p.ln()).sum::<f64>() as f32;
            assert!((entropy(&logits) - expected).abs() < 1e-6, "{logits:?}: {} and {expected}", entropy(&logits));
        }
        assert_eq!(entropy(&[100.0, -1e4]), 0.0, "a certain token leaves no entropy");
        assert!(entropy(&[f32::NAN, 1.0]).is_nan());
    }

    #[test]
    fn the_score_falls_as_the_entropy_rises() {
        let scores: Vec<f32> = (0..50).map(|step| SCORE.score(0.2 * step as f32)).collect();
        assert!(scores.windows(2).all(|pair| pair[1] < pair[0]), "{scores:?}");
        assert!((SCORE.score(1.5) - 0.5).abs() < 1e-7 && SCORE.score(1e30) == 0.0);
        assert!(SCORE.score(f32::NAN).is_nan(), "the router asks where a score is none");
    }

    #[test]
    fn a_card_that_turns_the_order_around_is_refused() {
        let card = |slope: f64| {
            let json = format!(
                r#"{{"slope":{slope},"shift":3.0,"threshold":0.9,"validation_share":0.05,"calibration_error":0.01,
                "states":9,"slm_sha256":"","llm":"","data":"","data_sha256":""}}"#
            );
            EntropyCard::parse(json.as_bytes())
        };
        assert_eq!(card(2.0).unwrap().score, SCORE);
        assert!(card(0.0).is_err() && card(-1.0).is_err());
        assert!(EntropyCard::parse(b"{}").unwrap_err().to_string().contains("entropy.json"));
    }
}
