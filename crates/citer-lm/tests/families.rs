//! Every supported family against Hugging Face transformers, on the CPU. `tests/parity/make_families.py` wrote the
//! models and the expected numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Device, Int, Tensor, TensorData};
use citer_lm::{Config, Decoder, KvCache, LoadError, device, model, rope::Rope, weights};
use futures::executor::block_on;
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};

const FAMILIES: [&str; 8] =
    ["llama_biases", "llama_linear", "llama3", "smollm2", "qwen2", "qwen2_yarn", "qwen3", "qwen3_sharded"];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/families").join(name)
}

/// The ids of the one pass and its logits, row after row.
fn expected(folder: &Path) -> (Vec<i32>, Vec<f32>) {
    let bytes = std::fs::read(folder.join("expected.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let ids = file.tensor("ids").unwrap().data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as i32);
    let logits = file.tensor("logits").unwrap();
    (ids.collect(), logits.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

fn logits(config: &Config, decoder: &Decoder, ids: &[i32], cache: Option<&mut KvCache>, device: &Device) -> Vec<f32> {
    let rope = Rope::new(config, config.max_position_embeddings, device);
    let input = Tensor::<2, Int>::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), device);
    let hidden = decoder.hidden(config, &rope, input, cache).reshape([ids.len(), config.hidden_size]);
    decoder.logits(hidden).into_data().iter::<f32>().collect()
}

/// Largest difference between two rows of numbers.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn every_family_agrees_with_transformers() {
    let device = device::cpu();
    for name in FAMILIES {
        let (config, decoder) = model::open_folder(&folder(name), &device).unwrap();
        let (ids, expected) = expected(&folder(name));
        let worst = distance(&logits(&config, &decoder, &ids, None, &device), &expected);
        println!("{name}: largest logit difference {worst:e}");
        assert!(worst < 1e-3, "{name}: logits off by {worst}");
        // The same tokens through the cache: a prefill, then one by one.
        let mut cache = KvCache::new(&config, ids.len(), &device);
        let (start, rest) = ids.split_at(ids.len() / 2);
        let mut rows = logits(&config, &decoder, start, Some(&mut cache), &device);
        for id in rest {
            rows.extend(logits(&config, &decoder, &[*id], Some(&mut cache), &device));
        }
        let worst = distance(&rows, &expected);
        assert!(worst < 1e-3, "{name}: cached logits off by {worst}");
    }
}

#[test]
fn saved_weights_of_every_family_load_to_the_same_model() {
    let device = device::cpu();
    for name in FAMILIES {
        let (config, decoder) = model::open_folder(&folder(name), &device).unwrap();
        let saved = block_on(weights::save(&config, &decoder)).unwrap();
        let again = weights::load(&config, &saved, &device).unwrap();
        let (ids, _) = expected(&folder(name));
        let (before, after) =
            (logits(&config, &decoder, &ids, None, &device), logits(&config, &again, &ids, None, &device));
        assert_eq!(before, after, "{name}");
        let elements = SafeTensors::deserialize(&saved)
            .unwrap()
            .tensors()
            .iter()
            .map(|(_, t)| t.data().len() as u64 / 2)
            .sum::<u64>();
        assert_eq!(elements, config.parameters(), "{name}: number of parameters");
    }
}

#[test]
fn random_models_of_every_family_have_the_shapes_of_their_files() {
    let device = device::cpu();
    for name in FAMILIES {
        let (config, _) = model::open_folder(&folder(name), &device).unwrap();
        let saved = block_on(weights::save(&config, &Decoder::random(&config, 1, &device))).unwrap();
        assert!(weights::load(&config, &saved, &device).is_ok(), "{name}");
    }
}

#[test]
fn a_missing_shard_is_named() {
    let copy = std::env::temp_dir().join(format!("citer-shards-{}", std::process::id()));
    std::fs::create_dir_all(&copy).unwrap();
    for entry in std::fs::read_dir(folder("qwen3_sharded")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    let missing = "model-00002-of-00003.safetensors";
    let removed = std::fs::remove_file(copy.join(missing));
    let error = model::open_folder(&copy, &device::cpu()).err();
    std::fs::remove_dir_all(&copy).unwrap();
    removed.unwrap();
    assert!(matches!(error, Some(LoadError::Shard { file, .. }) if file == missing));
}
