//! Conversion of llama2.c checkpoints (version 0, F32) into `config.json` and safetensors.

use crate::{
    config::Config,
    error::LoadError,
    row_order::{reordered, side_by_side},
};
use safetensors::{Dtype, tensor::TensorView};

/// Reads numbers from the front of a file.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn word(&mut self) -> Result<[u8; 4], LoadError> {
        let (word, rest) = self.0.split_first_chunk().ok_or_else(|| damaged("it ends too early"))?;
        self.0 = rest;
        Ok(*word)
    }

    fn tensor(&mut self, size: usize) -> Result<Vec<u8>, LoadError> {
        let bytes = size.checked_mul(4).and_then(|bytes| self.0.split_at_checked(bytes));
        let (data, rest) = bytes.ok_or_else(|| damaged("it ends too early"))?;
        self.0 = rest;
        Ok(data.to_vec())
    }
}

fn damaged(detail: &str) -> LoadError {
    LoadError::Weights(format!("no llama2.c checkpoint: {detail}"))
}

/// The configuration and the safetensors file of a llama2.c checkpoint.
pub fn convert(bytes: &[u8]) -> Result<(Config, Vec<u8>), LoadError> {
    let mut reader = Reader(bytes);
    let mut header = [0i32; 7];
    for field in &mut header {
        *field = i32::from_le_bytes(reader.word()?);
    }
    let [hidden, mlp, layers, heads, kv_heads, vocab, positions] = header;
    let size = |value: i32| usize::try_from(value).map_err(|_| damaged("a size is negative"));
    let config = Config {
        model_type: "llama".into(),
        vocab_size: vocab.unsigned_abs() as usize,
        hidden_size: size(hidden)?,
        intermediate_size: size(mlp)?,
        num_hidden_layers: size(layers)?,
        num_attention_heads: size(heads)?,
        num_key_value_heads: Some(size(kv_heads)?),
        head_dim: None,
        max_position_embeddings: size(positions)?,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        // A negative vocabulary size marks an output head of its own.
        tie_word_embeddings: vocab > 0,
        hidden_act: "silu".into(),
        attention_bias: false,
        mlp_bias: false,
        rope_scaling: None,
    };
    config.check()?;
    let (h, f, q, kv, v) =
        (config.hidden_size, config.intermediate_size, config.query_width(), config.kv_width(), config.vocab_size);
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    tensors.push(("model.embed_tokens.weight".into(), vec![v, h], reader.tensor(v * h)?));
    // The file holds every kind of tensor for all layers before the next kind.
    let kinds: [(&str, Vec<usize>, bool); 9] = [
        ("input_layernorm", vec![h], false),
        ("self_attn.q_proj", vec![q, h], true),
        ("self_attn.k_proj", vec![kv, h], true),
        ("self_attn.v_proj", vec![kv, h], false),
        ("self_attn.o_proj", vec![h, q], false),
        ("post_attention_layernorm", vec![h], false),
        ("mlp.gate_proj", vec![f, h], false),
        ("mlp.down_proj", vec![h, f], false),
        ("mlp.up_proj", vec![f, h], false),
    ];
    for (kind, shape, rotated) in kinds {
        for layer in 0..config.num_hidden_layers {
            let data = reader.tensor(shape.iter().product())?;
            let unwound = |data: Vec<u8>| reordered(&data, 4 * h, |row| side_by_side(row, config.head_dim()));
            let data = if rotated { unwound(data) } else { data };
            tensors.push((format!("model.layers.{layer}.{kind}.weight"), shape.clone(), data));
        }
    }
    tensors.push(("model.norm.weight".into(), vec![h], reader.tensor(h)?));
    if !config.tie_word_embeddings {
        // Tables of rotations, computed anew at load, stand in between.
        reader.tensor(config.max_position_embeddings * config.head_dim())?;
        tensors.push(("lm_head.weight".into(), vec![v, h], reader.tensor(v * h)?));
    }
    let views = tensors.iter().map(|(name, shape, data)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), data).map_err(|e| LoadError::Weights(e.to_string()))?;
        Ok((name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, LoadError>>()?;
    let file = safetensors::serialize(views, None).map_err(|e| LoadError::Weights(e.to_string()))?;
    Ok((config, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_absurd_files_are_errors() {
        assert!(convert(b"").is_err());
        assert!(convert(&[0xff; 64]).is_err());
        let header = |sizes: [i32; 7]| sizes.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        // Refused by the bounds of a configuration, before anything is allocated.
        let absurd = convert(&header([1 << 20, 1 << 20, 1 << 20, 8, 8, 1 << 20, 1 << 20]));
        assert!(matches!(absurd, Err(LoadError::Config { .. })), "{:?}", absurd.err());
        // Sizes that a model may have, without the numbers.
        let short = convert(&header([64, 128, 2, 4, 4, 512, 64]));
        assert!(matches!(short, Err(LoadError::Weights(_))), "{:?}", short.err());
    }
}
