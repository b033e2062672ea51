//! Whole GGUF models against Hugging Face transformers, on the CPU. `tests/parity/make_gguf.py` wrote the files and the
//! expected numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Int, Tensor, TensorData};
use citer_lm::{Config, Decoder, device, model, rope::Rope};
use safetensors::SafeTensors;
use std::path::PathBuf;

const MODELS: [&str; 3] = ["llama", "qwen2", "qwen3"];

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/gguf").join(name)
}

fn logits(config: &Config, decoder: &Decoder, ids: &[i32]) -> Vec<f32> {
    let device = device::cpu();
    let rope = Rope::new(config, config.max_position_embeddings, &device);
    let input = Tensor::<2, Int>::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), &device);
    let hidden = decoder.hidden(config, &rope, input, None).reshape([ids.len(), config.hidden_size]);
    decoder.logits(hidden).into_data().iter::<f32>().collect()
}

#[test]
fn models_agree_with_transformers_on_what_their_formats_leave() {
    for name in MODELS {
        let (config, decoder) = model::open_gguf(&file(&format!("{name}.gguf")), &device::cpu()).unwrap();
        let expected = std::fs::read(file(&format!("{name}.safetensors"))).unwrap();
        let expected = SafeTensors::deserialize(&expected).unwrap();
        let ids = expected.tensor("ids").unwrap().data().as_chunks::<8>().0.iter();
        let ids: Vec<i32> = ids.map(|b| i64::from_le_bytes(*b) as i32).collect();
        let expected = expected.tensor("logits").unwrap();
        let expected = expected.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
        let found = logits(&config, &decoder, &ids);
        assert_eq!(found.len(), expected.len());
        let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name}.gguf: largest logit difference {worst:e}");
        assert!(worst < 1e-3, "{name}: logits off by {worst}");
    }
}
