//! Model configuration: the fields of a Hugging Face `config.json` that a Llama-type decoder needs.

use crate::error::LoadError;
use serde::{Deserialize, Serialize};

/// A Llama-type decoder. Field names equal those of `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// `llama`.
    pub model_type: String,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Width of the hidden state.
    pub hidden_size: usize,
    /// Width of the MLP.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; queries share them in equal groups.
    #[serde(default)]
    pub num_key_value_heads: Option<usize>,
    /// Width of a head; `hidden_size / num_attention_heads` when absent.
    #[serde(default)]
    pub head_dim: Option<usize>,
    /// Most positions.
    pub max_position_embeddings: usize,
    /// Epsilon of RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary embedding.
    #[serde(default = "default_theta")]
    pub rope_theta: f64,
    /// Whether the output head shares the embedding's weights.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Activation of the MLP; only `silu`.
    #[serde(default = "default_activation")]
    pub hidden_act: String,
    /// Biases in attention; not supported.
    #[serde(default)]
    pub attention_bias: bool,
    /// Biases in the MLP; not supported.
    #[serde(default)]
    pub mlp_bias: bool,
    /// Scaled rotary embeddings; not supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<serde_json::Value>,
}

fn default_theta() -> f64 {
    10_000.0
}

fn default_activation() -> String {
    "silu".into()
}

/// Largest value accepted for any size, so that a hostile file cannot ask for absurd memory.
const MAX_SIZE: usize = 1 << 20;

impl Config {
    /// Reads and checks a `config.json`.
    pub fn from_json(json: &[u8]) -> Result<Self, LoadError> {
        let config: Self = serde_json::from_slice(json)
            .map_err(|e| LoadError::Json { file: "config.json".into(), detail: e.to_string() })?;
        config.check()?;
        Ok(config)
    }

    /// Says which field cannot work, if any.
    pub fn check(&self) -> Result<(), LoadError> {
        let unsupported = |field: &str, value: String| {
            Err(LoadError::Config { field: field.into(), detail: format!("{value} is not supported") })
        };
        if self.model_type != "llama" {
            return unsupported("model_type", self.model_type.clone());
        }
        if self.hidden_act != "silu" {
            return unsupported("hidden_act", self.hidden_act.clone());
        }
        if self.attention_bias {
            return unsupported("attention_bias", "true".into());
        }
        if self.mlp_bias {
            return unsupported("mlp_bias", "true".into());
        }
        if self.rope_scaling.as_ref().is_some_and(|v| !v.is_null()) {
            return unsupported("rope_scaling", "a scaled rotary embedding".into());
        }
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.kv_heads()),
            ("head_dim", self.head_dim()),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        for (field, value) in sizes {
            if value == 0 || value > MAX_SIZE {
                return Err(LoadError::Config {
                    field: field.into(),
                    detail: format!("{value} is out of range (1 to {MAX_SIZE})"),
                });
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.kv_heads()) {
            return Err(LoadError::Config {
                field: "num_key_value_heads".into(),
                detail: format!("{} does not divide num_attention_heads {}", self.kv_heads(), self.num_attention_heads),
            });
        }
        if !self.head_dim().is_multiple_of(2) {
            return Err(LoadError::Config { field: "head_dim".into(), detail: format!("{} is odd", self.head_dim()) });
        }
        Ok(())
    }

    /// Key and value heads.
    pub fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or_else(|| self.hidden_size.checked_div(self.num_attention_heads).unwrap_or(0))
    }

    /// Width of all query heads together.
    pub fn query_width(&self) -> usize {
        self.num_attention_heads * self.head_dim()
    }

    /// Width of all key (or value) heads together.
    pub fn kv_width(&self) -> usize {
        self.kv_heads() * self.head_dim()
    }

    /// Number of weights.
    pub fn parameters(&self) -> u64 {
        let (h, f) = (self.hidden_size as u64, self.intermediate_size as u64);
        let (q, kv) = (self.query_width() as u64, self.kv_width() as u64);
        let layer = h * (q + 2 * kv) + q * h + 3 * h * f + 2 * h;
        let embedding = self.vocab_size as u64 * h;
        embedding * if self.tie_word_embeddings { 1 } else { 2 } + layer * self.num_hidden_layers as u64 + h
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"model_type":"llama","vocab_size":8,"hidden_size":8,"intermediate_size":16,
        "num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":16,"rms_norm_eps":1e-5}"#;

    #[test]
    fn absent_fields_take_the_defaults_of_the_family() {
        let config = Config::from_json(GOOD.as_bytes()).unwrap();
        assert_eq!((config.kv_heads(), config.head_dim()), (2, 4));
        assert_eq!(config.parameters(), 2 * 64 + (8 * 24 + 64 + 3 * 128 + 16) + 8);
    }

    #[test]
    fn what_cannot_work_is_named() {
        for (from, to, field) in [
            ("\"llama\"", "\"mamba\"", "model_type"),
            ("\"vocab_size\":8", "\"vocab_size\":0", "vocab_size"),
            ("\"hidden_size\":8", "\"hidden_size\":99999999999", "hidden_size"),
            ("\"num_attention_heads\":2", "\"num_attention_heads\":2,\"num_key_value_heads\":3", "num_key_value_heads"),
            ("\"num_attention_heads\":2", "\"num_attention_heads\":2,\"head_dim\":3", "head_dim"),
            (
                "\"num_attention_heads\":2",
                "\"num_attention_heads\":2,\"rope_scaling\":{\"type\":\"yarn\"}",
                "rope_scaling",
            ),
            ("\"num_attention_heads\":2", "\"num_attention_heads\":2,\"attention_bias\":true", "attention_bias"),
        ] {
            let error = Config::from_json(GOOD.replace(from, to).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn broken_json_is_an_error() {
        assert!(Config::from_json(b"{").is_err());
    }
}
