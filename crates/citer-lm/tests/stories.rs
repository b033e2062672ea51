//! A real 260K-parameter Llama-type model against its published greedy text. Needs the files, so it is ignored unless
//! asked for: `CITER_STORIES=FOLDER cargo test --release --test stories -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Int, Tensor, TensorData};
use citer_lm::{Config, Decoder, KvCache, Sampler, Tokenizer, device, llama2c, model, rope::Rope, weights};
use std::path::PathBuf;

/// The text after the command with `-t 0.0` in the model's notes.
fn golden(notes: &str) -> &str {
    let from = notes.split_once("-t 0.0\n").expect("the notes show the greedy run").1;
    from.split_once("\n```").unwrap().0
}

/// Decodes greedily from the first token and compares the text with the published one.
fn tells(config: &Config, decoder: &Decoder) {
    let tokenizer = Tokenizer::from_json(&std::fs::read(folder().join("tok512.tokenizer.json")).unwrap()).unwrap();
    let device = device::cpu();
    let rope = Rope::new(config, config.max_position_embeddings, &device);
    let mut cache = KvCache::new(config, config.max_position_embeddings, &device);
    let begin = tokenizer.token("<s>").unwrap();
    let (mut token, mut ids) = (begin, Vec::new());
    for position in 0..256 {
        let input = Tensor::<2, Int>::from_data(TensorData::new(vec![token as i32], [1, 1]), &device);
        let hidden = decoder.hidden(config, &rope, input, Some(&mut cache)).reshape([1, config.hidden_size]);
        let logits: Vec<f32> = decoder.logits(hidden).into_data().iter::<f32>().collect();
        token = Sampler::default().choose(&logits, position, 1).0;
        if token == begin {
            break;
        }
        ids.push(token);
    }
    let notes = std::fs::read_to_string(folder().join("stories260K.md")).unwrap();
    assert_eq!(tokenizer.decode(&ids).trim(), golden(&notes).trim());
}

fn folder() -> PathBuf {
    PathBuf::from(std::env::var("CITER_STORIES").expect("CITER_STORIES names the folder"))
}

#[test]
#[ignore = "needs the stories260K files"]
fn the_stories_model_tells_its_golden_story() {
    let (config, file) = llama2c::convert(&std::fs::read(folder().join("stories260K.bin")).unwrap()).unwrap();
    let decoder = weights::load(&config, &file, &device::cpu()).unwrap();
    tells(&config, &decoder);
}

#[test]
#[ignore = "needs the stories260K files"]
fn its_gguf_file_tells_the_same_story() {
    let path = folder().join("tinyllamas-stories-260k-f32.gguf");
    let (config, decoder) = model::open_gguf(&path, &device::cpu()).unwrap();
    tells(&config, &decoder);
}
