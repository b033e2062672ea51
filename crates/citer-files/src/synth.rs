//! Models of a given shape with random weights: everything a real one has except meaning, so that loading, memory and
//! speed can be measured without a download.

use crate::{
    chat_template::TokenizerConfig,
    config::Config,
    error::LoadError,
    format::Format,
    gguf_tokenizer::{LLAMA3, QWEN2},
    model_files::Parts,
    source::{TensorInfo, TensorSource, span},
    tokenizer::byte_characters,
};
use citer_core::TokenId;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};
use std::{collections::HashMap, ops::Range};

/// Control tokens, the last ids of the vocabulary.
const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// The ChatML template.
const TEMPLATE: &str = "{% for message in messages %}\
    {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}\
    {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
/// Fewest tokens: all bytes and the control tokens.
const LEAST: usize = 256 + CONTROL.len();
/// Deviation of the embedding, which is also the head when tied: logits have a deviation of a few units.
const EMBEDDING: f64 = 0.1;
/// Deviation of biases.
const BIAS: f64 = 0.1;

/// A model of the shape `config`; the same seed gives the same weights.
pub fn parts(config: Config, seed: u64) -> Result<Parts, LoadError> {
    config.check()?;
    if config.vocab_size < LEAST {
        let detail = format!("{} is out of range ({LEAST} or more)", config.vocab_size);
        return Err(LoadError::Config { field: "vocab_size".into(), detail });
    }
    let tokenizer_json = tokenizer(&config).to_string().into_bytes();
    let [end, _, stop] = CONTROL;
    let settings =
        TokenizerConfig { chat_template: Some(TEMPLATE.into()), bos_token: end.into(), eos_token: stop.into() };
    let stops = [config.vocab_size - 1, config.vocab_size - CONTROL.len()].map(|id| id as TokenId).to_vec();
    let tensors = Box::new(Random::new(&config, seed));
    Ok(Parts { config, tensors, tokenizer_json, settings, stops })
}

/// Weights drawn as they are read: uniform, with variance 1 / inputs for matrices, so that activations keep their size.
pub struct Random {
    tensors: HashMap<String, (u64, Vec<usize>)>,
    layers: usize,
    seed: u64,
}

impl Random {
    /// The tensors of `config`.
    pub fn new(config: &Config, seed: u64) -> Self {
        let numbered = config.tensors().into_iter().zip(0u64..);
        let tensors = numbered.map(|((name, shape), number)| (name, (number, shape))).collect();
        Self { tensors, layers: config.num_hidden_layers, seed }
    }

    fn tensor(&self, name: &str) -> Result<&(u64, Vec<usize>), LoadError> {
        self.tensors.get(name).ok_or_else(|| LoadError::MissingTensor(name.into()))
    }

    fn deviation(&self, name: &str, columns: usize) -> f64 {
        let fan_in = 1.0 / (columns as f64).sqrt();
        if name.ends_with(".bias") {
            BIAS
        } else if name.contains("embed_tokens") {
            EMBEDDING
        } else if name.contains("o_proj") || name.contains("down_proj") {
            // What is added to the residual stream shrinks with depth, as in GPT-2.
            fan_in / (2.0 * self.layers as f64).sqrt()
        } else {
            fan_in
        }
    }
}

impl TensorSource for Random {
    fn info(&self, name: &str) -> Result<TensorInfo, LoadError> {
        Ok(TensorInfo { shape: self.tensor(name)?.1.clone(), format: Format::F32 })
    }

    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
        let (number, _) = self.tensor(name)?;
        let info = self.info(name)?;
        let (offset, length) = span(name, &info, &rows)?;
        if name.contains("norm") {
            return Ok(1.0f32.to_le_bytes().repeat(length / 4));
        }
        // Every value has its place in the tensor's own stream, whichever rows are asked for.
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(*number);
        rng.set_word_pos(u128::from(offset / 4));
        let bound = (3.0f64.sqrt() * self.deviation(name, info.columns())) as f32;
        let mut value = || (rng.random::<u32>() >> 8) as f32 / (1 << 23) as f32 - 1.0;
        Ok((0..length / 4).flat_map(|_| (bound * value()).to_le_bytes()).collect())
    }
}

/// A tokenizer with as many tokens as the embedding has rows: all bytes, then combinations of small letters that merge
/// in pairs, then the control tokens. Text is cut as in the family's own tokenizer.
fn tokenizer(config: &Config) -> Json {
    let plain = config.vocab_size - CONTROL.len();
    let mut tokens: Vec<String> = byte_characters().into_iter().map(String::from).collect();
    let mut merges: Vec<[String; 2]> = Vec::new();
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    let begun: Vec<String> = letters.iter().map(|letter| format!("\u{120}{letter}")).collect();
    let joined = |left: &[String], right: &[String]| -> Vec<[String; 2]> {
        left.iter().flat_map(|left| right.iter().map(|right| [left.clone(), right.clone()])).collect()
    };
    let pairs = joined(&letters, &letters);
    let pair_texts: Vec<String> = pairs.iter().map(|pair| pair.concat()).collect();
    let space = joined(&["\u{120}".to_owned()], &letters);
    let groups = [space, pairs, joined(&begun, &pair_texts), joined(&pair_texts, &pair_texts)];
    for merge in groups.into_iter().flatten().take(plain - tokens.len()) {
        tokens.push(merge.concat());
        merges.push(merge);
    }
    // Larger vocabularies than that are filled up.
    tokens.extend((tokens.len()..plain).map(|id| format!("<unused{id}>")));
    let vocabulary: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, text)| (text.as_str(), id)).collect();
    let control = CONTROL.iter().zip(plain..).map(|(text, id)| {
        json!({"id": id, "content": text, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false})
    });
    let bytes =
        |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
    let split =
        |regex: &str| json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
    let (normalizer, cut) = match (config.model_type.as_str(), &config.rope_scaling) {
        ("llama", None) => (Json::Null, [json!({"type": "Digits", "individual_digits": true}), bytes(true)]),
        ("llama", Some(_)) => (Json::Null, [split(LLAMA3), bytes(false)]),
        _ => (json!({"type": "NFC"}), [split(QWEN2), bytes(false)]),
    };
    json!({
        "version": "1.0",
        "added_tokens": control.collect::<Vec<_>>(),
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": cut},
        "decoder": bytes(true),
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelFiles, shapes::shape, source::values};

    #[test]
    fn the_same_seed_gives_the_same_weights_in_any_pieces() {
        let config = shape("tiny").unwrap();
        let (one, two) = (Random::new(&config, 7), Random::new(&config, 8));
        let name = "model.layers.1.mlp.down_proj.weight";
        let whole = one.rows(name, 0..64).unwrap();
        let pieces = [one.rows(name, 0..5).unwrap(), one.rows(name, 5..64).unwrap()].concat();
        assert_eq!(whole, pieces);
        assert_ne!(whole, two.rows(name, 0..64).unwrap());
        assert_ne!(whole, one.rows("model.layers.0.mlp.down_proj.weight", 0..64).unwrap());
        assert!(one.rows(name, 0..65).is_err());
    }

    #[test]
    fn matrices_have_the_variance_of_their_inputs() {
        let config = shape("tiny").unwrap();
        let random = Random::new(&config, 7);
        let values = values(&random, "model.layers.0.mlp.gate_proj.weight", &[128, 64]).unwrap();
        let mean = |values: &mut dyn Iterator<Item = f32>| values.sum::<f32>() / (128.0 * 64.0);
        assert!(mean(&mut values.iter().copied()).abs() < 0.005);
        assert!((mean(&mut values.iter().map(|v| v * v)) * 64.0 - 1.0).abs() < 0.05);
    }

    #[test]
    fn every_vocabulary_is_full_and_its_text_comes_back() {
        for name in crate::shapes::NAMES {
            let config = shape(name).unwrap();
            let vocabulary = config.vocab_size;
            let model = ModelFiles::new(parts(config, 1).unwrap()).unwrap();
            assert_eq!(model.tokenizer.vocab_size(), vocabulary, "{name}");
            let text = "What is 17 plus 25? \u{1f999} \u{e9}t\u{e9}\n";
            let ids = model.tokenizer.encode(text).unwrap();
            assert_eq!(model.tokenizer.decode(&ids), text, "{name}");
            assert!(ids.len() < text.len(), "{name}: letters merge");
            let prompt = model.format.question(&model.tokenizer, "Hi").unwrap();
            assert_eq!(prompt[0] as usize, vocabulary - 2, "{name}: the template's control token is read as one");
            assert!(model.format.is_end(vocabulary as TokenId - 1));
        }
    }
}
