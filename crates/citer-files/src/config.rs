//! Model configuration: the fields of a Hugging Face `config.json` that a Llama-type decoder needs.

use crate::{error::LoadError, rope_scaling::RopeScaling};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A Llama-type decoder. Field names equal those of `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// `llama` (Llama 2 and 3, SmolLM2), `qwen2` (Qwen2 and Qwen2.5) or `qwen3`.
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
    /// Biases of queries, keys and values and, except in Qwen2, of the attention output. Qwen2 always has them,
    /// whatever its file says.
    #[serde(default)]
    pub attention_bias: bool,
    /// Biases in the MLP; not supported.
    #[serde(default)]
    pub mlp_bias: bool,
    /// Scaled rotary embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<RopeScaling>,
}

fn default_theta() -> f64 {
    10_000.0
}

fn default_activation() -> String {
    "silu".into()
}

/// Largest value accepted for any size, so that a hostile file cannot ask for absurd memory.
const MAX_SIZE: usize = 1 << 20;
/// Most layers accepted.
const MAX_LAYERS: usize = 1 << 10;

/// Widest head: attention's kernels are written out over it.
const MAX_HEAD: usize = 512;

fn refused(field: &str, detail: impl Into<String>) -> LoadError {
    LoadError::Config { field: field.into(), detail: detail.into() }
}

impl Config {
    /// Reads and checks a `config.json`. Fields of other versions of the format take their present names and places;
    /// a field that asks for something this decoder does not do is an error.
    pub fn from_json(json: &[u8]) -> Result<Self, LoadError> {
        let invalid = |e: serde_json::Error| LoadError::Json { file: "config.json".into(), detail: e.to_string() };
        let mut fields: Map<String, Value> = serde_json::from_slice(json).map_err(invalid)?;
        refuse_unsupported(&fields)?;
        place_rope(&mut fields)?;
        match fields.get("model_type").and_then(Value::as_str) {
            Some("qwen2") => {
                fields.insert("attention_bias".into(), true.into());
            }
            Some("qwen3") => {
                // The width of a head does not follow from the hidden size in this family.
                fields.entry("head_dim").or_insert_with(|| 128.into());
            }
            _ => {}
        }
        let config: Self = serde_json::from_value(Value::Object(fields)).map_err(invalid)?;
        config.check()?;
        Ok(config)
    }

    /// Says which field cannot work, if any.
    pub fn check(&self) -> Result<(), LoadError> {
        if !["llama", "qwen2", "qwen3"].contains(&self.model_type.as_str()) {
            return Err(refused("model_type", format!("{} is not supported", self.model_type)));
        }
        if self.hidden_act != "silu" {
            return Err(refused("hidden_act", format!("{} is not supported", self.hidden_act)));
        }
        if self.mlp_bias {
            return Err(refused("mlp_bias", "true is not supported"));
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
                return Err(refused(field, format!("{value} is out of range (1 to {MAX_SIZE})")));
            }
        }
        if self.num_hidden_layers > MAX_LAYERS {
            let detail = format!("{} is out of range (1 to {MAX_LAYERS})", self.num_hidden_layers);
            return Err(refused("num_hidden_layers", detail));
        }
        if self.num_attention_heads.checked_mul(self.head_dim()).is_none_or(|width| width > MAX_SIZE) {
            let detail = format!("{} heads of this width are too wide", self.num_attention_heads);
            return Err(refused("head_dim", detail));
        }
        if !self.num_attention_heads.is_multiple_of(self.kv_heads()) {
            let detail =
                format!("{} does not divide num_attention_heads {}", self.kv_heads(), self.num_attention_heads);
            return Err(refused("num_key_value_heads", detail));
        }
        if self.head_dim() > MAX_HEAD {
            return Err(refused("head_dim", format!("{} is above {MAX_HEAD}", self.head_dim())));
        }
        if !self.head_dim().is_multiple_of(2) {
            return Err(refused("head_dim", format!("{} is odd", self.head_dim())));
        }
        if !(self.rope_theta.is_finite() && self.rope_theta > 1.0) {
            return Err(refused("rope_theta", format!("{} is out of range (above 1)", self.rope_theta)));
        }
        if !(self.rms_norm_eps.is_finite() && self.rms_norm_eps >= 0.0) {
            return Err(refused("rms_norm_eps", format!("{} is out of range (0 or more)", self.rms_norm_eps)));
        }
        self.rope_scaling
            .as_ref()
            .map_or(Ok(()), |scaling| scaling.check(self.head_dim()).map_err(|e| refused("rope_scaling", e)))
    }

    /// Whether queries and keys are normalised head by head before they are rotated.
    pub fn head_norms(&self) -> bool {
        self.model_type == "qwen3"
    }

    /// Whether the attention output has a bias.
    pub fn output_bias(&self) -> bool {
        self.attention_bias && self.model_type != "qwen2"
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
        let biases = if self.attention_bias { q + 2 * kv } else { 0 } + if self.output_bias() { h } else { 0 };
        let norms = 2 * h + if self.head_norms() { 2 * self.head_dim() as u64 } else { 0 };
        let layer = h * (q + 2 * kv) + q * h + 3 * h * f + norms + biases;
        let embedding = self.vocab_size as u64 * h;
        embedding * if self.tie_word_embeddings { 1 } else { 2 } + layer * self.num_hidden_layers as u64 + h
    }
}

/// Refuses settings that change the numbers and that no field of [`Config`] holds.
fn refuse_unsupported(fields: &Map<String, Value>) -> Result<(), LoadError> {
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    let absent = |name: &str| fields.get(name).is_none_or(Value::is_null);
    if !absent("quantization_config") {
        return Err(refused(
            "quantization_config",
            "packed weights are not supported; take the original or a GGUF file",
        ));
    }
    let layers = fields.get("layer_types").and_then(Value::as_array);
    if let Some(other) = layers.and_then(|all| all.iter().find(|kind| *kind != "full_attention")) {
        return Err(refused("layer_types", format!("{other} is not supported")));
    }
    if fields.get("partial_rotary_factor").and_then(Value::as_f64).is_some_and(|factor| factor != 1.0) {
        return Err(refused("partial_rotary_factor", "a partly rotated head is not supported"));
    }
    // Qwen files name a window that only counts when it is switched on, from layer max_window_layers on.
    let qwen = fields.get("model_type").and_then(Value::as_str).is_some_and(|name| name.starts_with("qwen"));
    let on = fields.get("use_sliding_window").and_then(Value::as_bool).unwrap_or(!qwen);
    let reached = layers.is_none() && number("max_window_layers") < number("num_hidden_layers");
    let window =
        number("sliding_window").filter(|window| number("max_position_embeddings").is_none_or(|p| *window < p));
    match window {
        Some(window) if on && reached => {
            Err(refused("sliding_window", format!("attention over a window of {window} tokens is not supported")))
        }
        _ => Ok(()),
    }
}

/// Moves what newer files say in `rope_parameters`, and what older ones call `type`, to `rope_theta` and
/// `rope_scaling`.
fn place_rope(fields: &mut Map<String, Value>) -> Result<(), LoadError> {
    for source in ["rope_parameters", "rope_scaling"] {
        let mut rope = match fields.remove(source) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(rope)) => rope,
            Some(other) => return Err(refused(source, format!("{other} is no object"))),
        };
        if let Some(theta) = rope.remove("rope_theta") {
            fields.insert("rope_theta".into(), theta);
        }
        let old = rope.remove("type");
        let kind = rope.entry("rope_type").or_insert(old.unwrap_or(Value::Null));
        if *kind == "default" {
            continue;
        }
        if !kind.is_string() {
            return Err(refused(source, "rope_type is missing"));
        }
        let scaling: RopeScaling =
            serde_json::from_value(Value::Object(rope)).map_err(|e| refused(source, e.to_string()))?;
        let value = serde_json::to_value(scaling).map_err(|e| refused(source, e.to_string()))?;
        fields.insert("rope_scaling".into(), value);
        break;
    }
    Ok(())
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
            ("\"num_hidden_layers\":1", "\"num_hidden_layers\":2000", "num_hidden_layers"),
            ("\"num_attention_heads\":2", "\"num_attention_heads\":2048,\"head_dim\":2048", "head_dim"),
            ("\"num_attention_heads\":2", "\"num_attention_heads\":2,\"head_dim\":3", "head_dim"),
            (
                "\"num_attention_heads\":2",
                "\"num_attention_heads\":2,\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}",
                "rope_scaling",
            ),
            ("\"num_attention_heads\":2", "\"num_attention_heads\":2,\"mlp_bias\":true", "mlp_bias"),
            ("\"num_attention_heads\":2", "\"num_attention_heads\":2,\"sliding_window\":8", "sliding_window"),
            (
                "\"num_attention_heads\":2",
                "\"num_attention_heads\":2,\"quantization_config\":{}",
                "quantization_config",
            ),
            (
                "\"num_attention_heads\":2",
                "\"num_attention_heads\":2,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2,\"mscale\":1}",
                "mscale",
            ),
            (
                "\"num_attention_heads\":2",
                "\"num_attention_heads\":2,\"rope_parameters\":{\"factor\":2}",
                "rope_parameters",
            ),
        ] {
            let error = Config::from_json(GOOD.replace(from, to).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn a_window_counts_only_where_it_is_used() {
        let qwen = |more: &str| {
            let json = GOOD.replace("\"llama\"", "\"qwen2\"").replace('}', &format!(",\"sliding_window\":8{more}}}"));
            Config::from_json(json.as_bytes())
        };
        assert!(qwen("").is_ok_and(|config| config.attention_bias && !config.output_bias()));
        assert!(qwen(",\"use_sliding_window\":true,\"max_window_layers\":1").is_ok());
        assert!(qwen(",\"use_sliding_window\":true,\"max_window_layers\":0").is_err());
        assert!(qwen(",\"layer_types\":[\"sliding_attention\"]").is_err());
    }

    #[test]
    fn rotary_settings_are_found_where_old_and_new_files_have_them() {
        let read = |more: &str| Config::from_json(GOOD.replace('}', &format!(",{more}}}")).as_bytes()).unwrap();
        let new = read("\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2,\"rope_theta\":5000}");
        let old = read("\"rope_theta\":5000,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}");
        assert_eq!(new, old);
        assert_eq!(new.rope_scaling, Some(RopeScaling::Linear { factor: 2.0 }));
        let plain = read("\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":5000}");
        assert_eq!((plain.rope_theta, plain.rope_scaling), (5000.0, None));
        // What is written is read again.
        let again = Config::from_json(&serde_json::to_vec(&new).unwrap()).unwrap();
        assert_eq!(again, new);
    }

    #[test]
    fn broken_json_is_an_error() {
        assert!(Config::from_json(b"{").is_err());
    }
}
