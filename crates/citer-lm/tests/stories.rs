//! A real 260K-parameter Llama-type model (tests/parity/stories260k) against its published greedy text. Its published GGUF file
//! is not in this repository, so that part is ignored unless asked for:
//! `CITER_STORIES=FOLDER cargo test --release --test stories -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Int, Tensor, TensorData};
use citer_files::Parts;
use citer_lm::{
    Config, Decoder, Gguf, KvCache, Sampler, Tokenizer, device, gguf_tokenizer, llama2c, model, rope::Rope, weights,
};
use std::path::PathBuf;

/// What the model is known to tell.
fn golden() -> String {
    String::from_utf8(fixture("story.txt")).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/stories260k");
    std::fs::read(folder.join(name)).unwrap()
}

/// The model with the tokenizer that came with it.
fn published() -> Parts {
    llama2c::parts(&fixture("stories260K.bin"), &fixture("tok512.bin")).unwrap()
}

/// Decodes greedily from the first token and compares the text with the published one.
fn tells(config: &Config, decoder: &Decoder, tokenizer: &Tokenizer) {
    let device = device::cpu();
    let rope = Rope::new(config, config.max_position_embeddings, &device);
    let mut cache = KvCache::new(config, config.max_position_embeddings, &device);
    let begin = tokenizer.begin().unwrap();
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
    assert_eq!(tokenizer.decode(&ids).trim(), golden().trim());
}

#[test]
fn the_stories_model_tells_its_golden_story() {
    let (config, file) = llama2c::convert(&fixture("stories260K.bin")).unwrap();
    let decoder = weights::load(&config, &file, &device::cpu()).unwrap();
    tells(&config, &decoder, &Tokenizer::from_json(&published().tokenizer_json).unwrap());
}

fn folder() -> PathBuf {
    PathBuf::from(std::env::var("CITER_STORIES").expect("CITER_STORIES names the folder"))
}

#[test]
#[ignore = "needs the stories260K files"]
fn its_gguf_file_tells_the_same_story() {
    let path = folder().join("tinyllamas-stories-260k-f32.gguf");
    let (config, decoder) = model::open_gguf(&path, &device::cpu()).unwrap();
    tells(&config, &decoder, &Tokenizer::from_json(&published().tokenizer_json).unwrap());
}

#[test]
#[ignore = "needs the stories260K files"]
fn the_tokenizer_inside_the_gguf_file_is_that_of_the_model() {
    let bytes = std::fs::read(folder().join("tinyllamas-stories-260k-f32.gguf")).unwrap();
    let inside = gguf_tokenizer::tokenizer(&Gguf::parse(&bytes).unwrap()).unwrap();
    let own = Tokenizer::from_json(&std::fs::read(folder().join("tok512.tokenizer.json")).unwrap()).unwrap();
    let converted = Tokenizer::from_json(&published().tokenizer_json).unwrap();
    let story = golden();
    for text in story.lines().chain(["", " two  spaces", "\u{1f999}\u{e9}\n\tthe end"]) {
        let ids = own.encode(text).unwrap();
        assert_eq!(inside.encode(text).unwrap(), ids, "{text:?}");
        assert_eq!(converted.encode(text).unwrap(), ids, "{text:?}");
        assert_eq!(inside.decode(&ids), own.decode(&ids), "{text:?}");
    }
}
