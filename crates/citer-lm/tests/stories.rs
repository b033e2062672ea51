//! A real 260K-parameter Llama-type model against its published greedy text. Needs the files, so it is ignored unless
//! asked for: `CITER_STORIES=FOLDER cargo test --release --test stories -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Int, Tensor, TensorData};
use citer_lm::{KvCache, Sampler, Tokenizer, device, llama2c, rope::Rope, weights};
use std::path::PathBuf;

/// The text after the command with `-t 0.0` in the model's notes.
fn golden(notes: &str) -> &str {
    let from = notes.split_once("-t 0.0\n").expect("the notes show the greedy run").1;
    from.split_once("\n```").unwrap().0
}

#[test]
#[ignore = "needs the stories260K files"]
fn the_stories_model_tells_its_golden_story() {
    let folder = PathBuf::from(std::env::var("CITER_STORIES").expect("CITER_STORIES names the folder"));
    let (config, file) = llama2c::convert(&std::fs::read(folder.join("stories260K.bin")).unwrap()).unwrap();
    let tokenizer = Tokenizer::from_json(&std::fs::read(folder.join("tok512.tokenizer.json")).unwrap()).unwrap();
    let device = device::cpu();
    let decoder = weights::load(&config, &file, &device).unwrap();
    let rope = Rope::new(&config, config.max_position_embeddings, &device);
    let mut cache = KvCache::new(&config, config.max_position_embeddings, &device);
    let begin = tokenizer.token("<s>").unwrap();
    let (mut token, mut ids) = (begin, Vec::new());
    for position in 0..256 {
        let input = Tensor::<2, Int>::from_data(TensorData::new(vec![token as i32], [1, 1]), &device);
        let hidden = decoder.hidden(&config, &rope, input, Some(&mut cache)).reshape([1, config.hidden_size]);
        let logits: Vec<f32> = decoder.logits(hidden).into_data().iter::<f32>().collect();
        token = Sampler::default().choose(&logits, position, 1).0;
        if token == begin {
            break;
        }
        ids.push(token);
    }
    let notes = std::fs::read_to_string(folder.join("stories260K.md")).unwrap();
    let text = tokenizer.decode(&ids);
    assert_eq!(text.trim(), golden(&notes).trim());
}
