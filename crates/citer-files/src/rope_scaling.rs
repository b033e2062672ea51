//! Scaled rotary embeddings: how a model stretches its rotation frequencies beyond the context it was trained on.

use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

/// `rope_scaling` (or `rope_parameters`) of a `config.json`, named as there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase", deny_unknown_fields)]
pub enum RopeScaling {
    /// Every frequency divided by `factor`: position interpolation (arXiv 2306.15595).
    Linear {
        /// How many times longer the context becomes.
        factor: f64,
    },
    /// Low frequencies divided by `factor`, high ones kept, those between blended: Llama 3.1.
    Llama3 {
        /// How many times longer the context becomes.
        factor: f64,
        /// Trained context divided by the wavelength from which on a frequency is divided.
        low_freq_factor: f64,
        /// Trained context divided by the wavelength up to which a frequency is kept.
        high_freq_factor: f64,
        /// Context the model was trained on.
        original_max_position_embeddings: usize,
    },
    /// Every frequency divided by a factor of its own: how GGUF files store Llama 3.1's scaling. No `config.json` of
    /// Hugging Face has it.
    Factors {
        /// One factor a frequency, `[head_dim / 2]`.
        factors: Vec<f64>,
    },
    /// YaRN (arXiv 2309.00071): a ramp over the dimensions, and attention made sharper.
    Yarn {
        /// How many times longer the context becomes.
        factor: f64,
        /// Context the model was trained on; `max_position_embeddings` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        original_max_position_embeddings: Option<usize>,
        /// Rotations within the trained context above which a frequency is kept.
        #[serde(default = "beta_fast")]
        beta_fast: f64,
        /// Rotations within the trained context below which a frequency is divided by `factor`.
        #[serde(default = "beta_slow")]
        beta_slow: f64,
        /// Factor of cosines and sines; follows from `factor` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attention_factor: Option<f64>,
    },
}

fn beta_fast() -> f64 {
    32.0
}

fn beta_slow() -> f64 {
    1.0
}

impl RopeScaling {
    /// Says what makes these numbers unusable for heads of width `head_dim`, if anything.
    pub fn check(&self, head_dim: usize) -> Result<(), String> {
        let factor = match self {
            Self::Linear { factor } | Self::Llama3 { factor, .. } | Self::Yarn { factor, .. } => *factor,
            Self::Factors { factors } => {
                let sound = factors.len() == head_dim / 2 && factors.iter().all(|f| f.is_finite() && *f > 0.0);
                return sound.then_some(()).ok_or_else(|| "one positive factor a frequency is needed".into());
            }
        };
        if !(factor.is_finite() && factor >= 1.0) {
            return Err(format!("factor {factor} is out of range (1 or more)"));
        }
        match self {
            Self::Linear { .. } | Self::Factors { .. } => Ok(()),
            Self::Llama3 { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings, .. } => {
                let ordered = *low > 0.0 && low < high && high.is_finite();
                let sound = ordered && *original_max_position_embeddings > 0;
                sound.then_some(()).ok_or_else(|| "low_freq_factor must lie between 0 and high_freq_factor".into())
            }
            Self::Yarn { original_max_position_embeddings, beta_fast, beta_slow, attention_factor, .. } => {
                let sound = *beta_slow > 0.0
                    && beta_slow <= beta_fast
                    && beta_fast.is_finite()
                    && *original_max_position_embeddings != Some(0)
                    && attention_factor.is_none_or(|factor| factor.is_finite() && factor > 0.0);
                sound.then_some(()).ok_or_else(|| "beta_slow must lie between 0 and beta_fast".into())
            }
        }
    }

    /// The factor of cosines and sines.
    pub fn attention_factor(&self) -> f64 {
        match self {
            Self::Yarn { attention_factor: Some(given), .. } => *given,
            Self::Yarn { factor, .. } => 0.1 * factor.ln() + 1.0,
            Self::Linear { .. } | Self::Llama3 { .. } | Self::Factors { .. } => 1.0,
        }
    }

    /// The scaled frequencies, in radians a position, of the unscaled `frequencies` with base `theta`. `positions` is
    /// the model's `max_position_embeddings`.
    pub fn scale(&self, frequencies: &[f64], theta: f64, positions: usize) -> Vec<f64> {
        match self {
            Self::Linear { factor } => frequencies.iter().map(|f| f / factor).collect(),
            Self::Factors { factors } => frequencies.iter().zip(factors).map(|(f, factor)| f / factor).collect(),
            Self::Llama3 { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings } => {
                let context = *original_max_position_embeddings as f64;
                let scaled = |frequency: &f64| {
                    // Rotations within the trained context place a frequency between "divide" (0) and "keep" (1).
                    let kept = ((context * frequency / TAU - low) / (high - low)).clamp(0.0, 1.0);
                    frequency * (kept + (1.0 - kept) / factor)
                };
                frequencies.iter().map(scaled).collect()
            }
            Self::Yarn { factor, original_max_position_embeddings, beta_fast, beta_slow, .. } => {
                let context = original_max_position_embeddings.unwrap_or(positions) as f64;
                let width = 2.0 * frequencies.len() as f64;
                // The dimension whose frequency turns `rotations` times within the trained context.
                let dimension = |rotations: f64| width * (context / (rotations * 2.0 * PI)).ln() / (2.0 * theta.ln());
                let from = dimension(*beta_fast).floor().max(0.0);
                let to = dimension(*beta_slow).ceil().min(width - 1.0);
                let span = if to == from { 0.001 } else { to - from };
                let scaled = |(index, frequency): (usize, &f64)| {
                    let divided = ((index as f64 - from) / span).clamp(0.0, 1.0);
                    frequency * (1.0 - divided + divided / factor)
                };
                frequencies.iter().enumerate().map(scaled).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_keeps_fast_frequencies_and_divides_slow_ones() {
        let llama3 = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192,
        };
        let scaled = llama3.scale(&[1.0, TAU * 2.5 / 8192.0, 1e-6], 500_000.0, 131_072);
        assert_eq!((scaled[0], scaled[2]), (1.0, 1e-6 / 8.0));
        assert!((scaled[1] / (TAU * 2.5 / 8192.0) - (0.5 + 0.5 / 8.0)).abs() < 1e-12);
    }

    #[test]
    fn numbers_that_cannot_scale_are_refused() {
        for json in [
            r#"{"rope_type":"linear","factor":0}"#,
            r#"{"rope_type":"yarn","factor":4,"beta_fast":1,"beta_slow":32}"#,
            r#"{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4,
                "original_max_position_embeddings":8192}"#,
        ] {
            assert!(serde_json::from_str::<RopeScaling>(json).unwrap().check(8).is_err(), "{json}");
        }
    }
}
