//! Conversion of llama2.c checkpoints (version 0, F32) and their tokenizers.

use crate::{
    chat_template::TokenizerConfig,
    config::Config,
    error::LoadError,
    model_files::Parts,
    pieces::{Kind, Piece, Pieces},
    row_order::{reordered, side_by_side},
    safetensors_file::Safetensors,
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

/// Ids of a llama2.c tokenizer that have no piece of their own.
const UNKNOWN: usize = 0;
const BEGIN: usize = 1;
const END: usize = 2;
/// A conversation of a model that only goes on with text: what was said, one after the other.
const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}{{ message.content }}{% endfor %}";

/// A whole model: a checkpoint and its tokenizer.
pub fn parts(checkpoint: &[u8], tokenizer: &[u8]) -> Result<Parts, LoadError> {
    let (config, weights) = convert(checkpoint)?;
    let pieces = pieces(tokenizer, config.vocab_size)?;
    let text = |id: usize| pieces.pieces[id].text.clone();
    let settings =
        TokenizerConfig { chat_template: Some(TEMPLATE.into()), bos_token: text(BEGIN), eos_token: text(END) };
    let json = pieces.json().ok_or_else(|| LoadError::Tokenizer("a piece occurs twice".into()))?;
    // A text ends where the next one begins.
    let stops = vec![END as u32, BEGIN as u32];
    let tensors = Box::new(Safetensors::parse(weights)?);
    Ok(Parts { config, tensors, tokenizer_json: json.to_string().into_bytes(), settings, stops })
}

/// The pieces of a tokenizer file for `size` tokens.
fn pieces(bytes: &[u8], size: usize) -> Result<Pieces, LoadError> {
    let wrong = |detail: &str| LoadError::Tokenizer(format!("no llama2.c tokenizer: {detail}"));
    let short = || wrong("it ends too early");
    let mut reader = Reader(bytes);
    // The length of the longest piece.
    reader.word().map_err(|_| short())?;
    let mut pieces = Vec::new();
    for id in 0..size {
        let score = f32::from_le_bytes(reader.word().map_err(|_| short())?);
        let length = u32::from_le_bytes(reader.word().map_err(|_| short())?) as usize;
        let (text, rest) = reader.0.split_at_checked(length).ok_or_else(short)?;
        reader.0 = rest;
        let text = std::str::from_utf8(text).map_err(|_| wrong("a piece is no text"))?;
        pieces.push(match id {
            // Written with line feeds around them.
            UNKNOWN => Piece { text: text.trim().into(), score: 0.0, kind: Kind::Unknown },
            BEGIN | END => Piece { text: text.trim().into(), score: 0.0, kind: Kind::Control },
            _ => Piece::new(&text.replace(' ', "\u{2581}"), score.into()),
        });
    }
    if size <= END || !reader.0.is_empty() {
        return Err(wrong("it has another number of pieces than the model"));
    }
    Ok(Pieces { pieces, space_first: true, begin: Some(BEGIN) })
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
    fn a_tokenizer_that_does_not_fit_is_an_error() {
        let piece =
            |text: &str| [1f32.to_le_bytes().as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let texts = ["<unk>", "\n<s>\n", "\n</s>\n", " a"];
        let file = [4u32.to_le_bytes().to_vec(), texts.iter().flat_map(|text| piece(text)).collect()].concat();
        let read = pieces(&file, 4).unwrap();
        let texts: Vec<&str> = read.pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(texts, ["<unk>", "<s>", "</s>", "\u{2581}a"]);
        for (size, length) in [(3, file.len()), (5, file.len()), (4, file.len() - 1), (4, 2), (2, file.len())] {
            assert!(pieces(&file[..length], size).is_err(), "{size} {length}");
        }
        let absurd = [&file[..8], &u32::MAX.to_le_bytes(), &file[12..]].concat();
        assert!(pieces(&absurd, 4).is_err());
    }

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
