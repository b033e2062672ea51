//! A decoder from a GGUF file: its configuration from the metadata, its tensors by llama.cpp's names.

use crate::{
    config::Config,
    error::LoadError,
    gguf::{Gguf, Value},
    rope_scaling::RopeScaling,
    row_order::{self, side_by_side},
    source::{TensorInfo, TensorSource, values},
};
use std::ops::Range;

/// llama.cpp's name for each part of a tensor's name.
const PARTS: [(&str, &str); 11] = [
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// Frequency factors that llama.cpp computes from a Llama 3 configuration.
pub(crate) const ROPE_FACTORS: &str = "rope_freqs.weight";

/// llama.cpp's name of the tensor `name`; `None` if it has none.
pub(crate) fn llama_cpp(name: &str) -> Option<String> {
    match name {
        "model.embed_tokens.weight" => return Some("token_embd.weight".into()),
        "model.norm.weight" => return Some("output_norm.weight".into()),
        "lm_head.weight" => return Some("output.weight".into()),
        _ => {}
    }
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, kind) = rest.rsplit_once('.')?;
    let (_, short) = PARTS.iter().find(|(long, _)| *long == part)?;
    Some(format!("blk.{layer}.{short}.{kind}"))
}

/// Whether the rows of the tensor `name` (of Hugging Face) are rotated in pairs.
pub(crate) fn rotated(name: &str) -> bool {
    name.contains(".q_proj.") || name.contains(".k_proj.")
}

/// The metadata of one architecture.
struct Fields<'a> {
    file: &'a Gguf<'a>,
    architecture: &'a str,
}

impl Fields<'_> {
    fn key(&self, field: &str) -> String {
        format!("{}.{field}", self.architecture)
    }

    fn get(&self, field: &str) -> Option<&Value> {
        self.file.value(&self.key(field))
    }

    fn refused(&self, field: &str, detail: impl Into<String>) -> LoadError {
        LoadError::Metadata { field: self.key(field), detail: detail.into() }
    }

    fn size(&self, field: &str) -> Result<Option<usize>, LoadError> {
        let size = match self.get(field) {
            None => return Ok(None),
            Some(Value::Unsigned(size)) => usize::try_from(*size).ok(),
            Some(Value::Signed(size)) => usize::try_from(*size).ok(),
            Some(_) => None,
        };
        size.map(Some).ok_or_else(|| self.refused(field, "one size for all layers is supported"))
    }

    fn needed(&self, field: &str) -> Result<usize, LoadError> {
        self.size(field)?.ok_or_else(|| self.refused(field, "is missing"))
    }

    fn number(&self, field: &str) -> Result<Option<f64>, LoadError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Float(number)) => Ok(Some(*number)),
            Some(Value::Unsigned(number)) => Ok(Some(*number as f64)),
            Some(_) => Err(self.refused(field, "is no number")),
        }
    }

    fn scaling(&self, positions: usize) -> Result<Option<RopeScaling>, LoadError> {
        if let Some(shape) = self.file.shape(ROPE_FACTORS) {
            let factors = values(self.file, ROPE_FACTORS, &shape)?.into_iter().map(f64::from).collect();
            return Ok(Some(RopeScaling::Factors { factors }));
        }
        let kind = match self.get("rope.scaling.type") {
            Some(Value::Text(kind)) => Some(kind.as_str()),
            Some(_) => return Err(self.refused("rope.scaling.type", "is no text")),
            None => None,
        };
        let factor = match self.number("rope.scaling.factor")? {
            Some(factor) => Some(factor),
            None => self.number("rope.scale_linear")?,
        };
        match (kind, factor) {
            (Some("none"), _) | (None | Some("linear"), None) => Ok(None),
            (None | Some("linear"), Some(factor)) => {
                Ok((factor != 0.0 && factor != 1.0).then_some(RopeScaling::Linear { factor }))
            }
            (Some("yarn"), Some(factor)) => {
                if self.number("rope.scaling.yarn_log_multiplier")?.is_some_and(|multiplier| multiplier != 0.0) {
                    return Err(self.refused("rope.scaling.yarn_log_multiplier", "is not supported"));
                }
                let original = self.size("rope.scaling.original_context_length")?.unwrap_or(positions);
                // llama.cpp multiplies what follows from the factor by this.
                let sharper = self.number("rope.scaling.attn_factor")?;
                Ok(Some(RopeScaling::Yarn {
                    factor,
                    original_max_position_embeddings: Some(original),
                    beta_fast: self.number("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
                    beta_slow: self.number("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
                    attention_factor: sharper.map(|given| given * (0.1 * factor.ln() + 1.0)),
                }))
            }
            (Some("yarn"), None) => Err(self.refused("rope.scaling.factor", "is missing")),
            (Some(other), _) => Err(self.refused("rope.scaling.type", format!("{other} is not supported"))),
        }
    }
}

/// The configuration that the metadata and the tensors of `file` describe. A tensor that the decoder would not use is
/// an error, because leaving it out would change the numbers.
pub fn config(file: &Gguf) -> Result<Config, LoadError> {
    let architecture = match file.value("general.architecture") {
        Some(Value::Text(name)) if ["llama", "qwen2", "qwen3"].contains(&name.as_str()) => name.as_str(),
        other => {
            let detail = match other {
                Some(Value::Text(name)) => format!("{name} is not supported"),
                _ => "is missing".into(),
            };
            return Err(LoadError::Metadata { field: "general.architecture".into(), detail });
        }
    };
    if let Some(Value::Unsigned(count @ 2..)) = file.value("split.count") {
        let detail = format!("a model split over {count} files is not supported; join them with llama-gguf-split");
        return Err(LoadError::Metadata { field: "split.count".into(), detail });
    }
    let fields = Fields { file, architecture };
    let heads = fields.needed("attention.head_count")?;
    let positions = fields.needed("context_length")?;
    let hidden = fields.needed("embedding_length")?;
    let head_dim = match fields.size("attention.key_length")? {
        Some(width) => Some(width),
        None => hidden.checked_div(heads),
    };
    for field in ["attention.value_length", "rope.dimension_count"] {
        if fields.size(field)?.is_some_and(|width| Some(width) != head_dim) {
            return Err(fields.refused(field, "another width than that of the keys is not supported"));
        }
    }
    if fields.size("attention.sliding_window")?.is_some_and(|window| window > 0 && window < positions) {
        return Err(fields.refused("attention.sliding_window", "is not supported"));
    }
    if fields.size("expert_count")?.is_some_and(|experts| experts > 0) {
        return Err(fields.refused("expert_count", "a mixture of experts is not supported"));
    }
    let vocabulary = file.shape("token_embd.weight").and_then(|shape| shape.first().copied());
    let config = Config {
        model_type: architecture.into(),
        vocab_size: vocabulary.ok_or_else(|| LoadError::MissingTensor("token_embd.weight".into()))?,
        hidden_size: hidden,
        intermediate_size: fields.needed("feed_forward_length")?,
        num_hidden_layers: fields.needed("block_count")?,
        num_attention_heads: heads,
        num_key_value_heads: fields.size("attention.head_count_kv")?,
        head_dim,
        max_position_embeddings: positions,
        rms_norm_eps: fields
            .number("attention.layer_norm_rms_epsilon")?
            .ok_or_else(|| fields.refused("attention.layer_norm_rms_epsilon", "is missing"))?,
        rope_theta: fields.number("rope.freq_base")?.unwrap_or(10_000.0),
        tie_word_embeddings: file.shape("output.weight").is_none(),
        hidden_act: "silu".into(),
        attention_bias: architecture == "qwen2" || file.shape("blk.0.attn_q.bias").is_some(),
        mlp_bias: false,
        rope_scaling: fields.scaling(positions)?,
    };
    config.check()?;
    for name in file.names() {
        if !used(&config, name) {
            return Err(LoadError::UnknownTensor(name.into()));
        }
    }
    Ok(config)
}

/// Whether the decoder that `config` describes reads the tensor that llama.cpp calls `name`.
fn used(config: &Config, name: &str) -> bool {
    // Rotations stored by old converters are computed anew.
    if ["token_embd.weight", "output_norm.weight", "output.weight", ROPE_FACTORS].contains(&name)
        || name.ends_with(".attn_rot_embd")
    {
        return true;
    }
    let part = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).map(|(_, part)| part);
    match part.and_then(|part| part.rsplit_once('.')) {
        Some(("attn_q_norm" | "attn_k_norm", "weight")) => config.head_norms(),
        Some(("attn_q" | "attn_k" | "attn_v", "bias")) => config.attention_bias,
        Some(("attn_output", "bias")) => config.output_bias(),
        Some((part, "weight")) => PARTS.iter().any(|(_, short)| *short == part),
        _ => false,
    }
}

/// The tensors of a GGUF file by the names, and in the row order, of Hugging Face.
pub struct GgufTensors<'a> {
    file: Gguf<'a>,
    /// Width of a head whose query and key rows lie side by side; `None` where they do not.
    side_by_side: Option<usize>,
}

impl<'a> GgufTensors<'a> {
    /// The tensors of `file`, which `config` was read from.
    pub fn new(file: Gguf<'a>, config: &Config) -> Self {
        // Only files of this architecture keep the two numbers of a rotated pair side by side.
        Self { file, side_by_side: (config.model_type == "llama").then(|| config.head_dim()) }
    }
}

fn stored(name: &str) -> Result<String, LoadError> {
    llama_cpp(name).ok_or_else(|| LoadError::MissingTensor(name.into()))
}

impl TensorSource for GgufTensors<'_> {
    fn info(&self, name: &str) -> Result<TensorInfo, LoadError> {
        self.file.info(&stored(name)?)
    }

    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
        let stored = stored(name)?;
        match self.side_by_side.filter(|_| rotated(name)) {
            Some(head_dim) => row_order::rows(&self.file, &stored, rows, head_dim, side_by_side),
            None => self.file.rows(&stored, rows),
        }
    }
}
