//! Damaged, foreign and oversized input: every case has an error that says what is wrong, and none panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::LocalModel;
use citer_lm::{EngineError, LoadError, SlmFiles, device};
use futures::executor::block_on;
use safetensors::{Dtype, tensor::TensorView};
use std::path::PathBuf;

fn files() -> SlmFiles {
    SlmFiles::read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/untied")).unwrap()
}

/// Loads after bringing the card's hashes in line, so that the damage itself is met.
fn error(mut files: SlmFiles) -> LoadError {
    let mut card: serde_json::Value = serde_json::from_slice(&files.router_card).unwrap();
    card["slm_sha256"] = citer_lm::hash::sha256(&files.weights).into();
    card["tokenizer_sha256"] = citer_lm::hash::sha256(&files.tokenizer).into();
    files.router_card = serde_json::to_vec(&card).unwrap();
    match files.engine(usize::MAX, &device::cpu()) {
        Ok(_) => panic!("accepted"),
        Err(error) => error,
    }
}

/// The fixture's weights with one tensor replaced or left out.
fn with(name: &str, replacement: Option<(Dtype, Vec<usize>, Vec<u8>)>) -> Vec<u8> {
    let files = files();
    let original = safetensors::SafeTensors::deserialize(&files.weights).unwrap();
    let mut views: Vec<(String, TensorView)> = original.tensors().into_iter().filter(|(n, _)| n != name).collect();
    if let Some((dtype, shape, data)) = &replacement {
        views.push((name.into(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
    }
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn every_cut_of_the_weights_is_an_error() {
    let whole = files().weights;
    for length in (0..64).chain((64..whole.len()).step_by(4099)).chain([whole.len() - 1]) {
        let mut files = files();
        files.weights = whole[..length].to_vec();
        assert!(matches!(error(files), LoadError::Weights(_)), "length {length}");
    }
}

#[test]
fn flipped_header_bytes_never_panic() {
    let whole = files().weights;
    for position in 0..600 {
        for bit in [0, 3, 6] {
            let mut files = files();
            files.weights = whole.clone();
            files.weights[position] ^= 1 << bit;
            let config = citer_lm::Config::from_json(&files.config).unwrap();
            let _ = citer_lm::weights::load(&config, &files.weights, &device::cpu());
        }
    }
}

#[test]
fn wrong_tensors_are_named() {
    let norm = "model.norm.weight";
    let mut bad = files();
    bad.weights = with(norm, None);
    assert_eq!(error(bad), LoadError::MissingTensor(norm.into()));
    let mut bad = files();
    bad.weights = with(norm, Some((Dtype::F32, vec![39], vec![0; 39 * 4])));
    assert_eq!(error(bad), LoadError::Shape { name: norm.into(), found: vec![39], expected: vec![40] });
    let mut bad = files();
    bad.weights = with(norm, Some((Dtype::I32, vec![40], vec![0; 160])));
    assert!(matches!(error(bad), LoadError::DType { name, .. } if name == norm));
    let mut bad = files();
    bad.weights = with(norm, Some((Dtype::F32, vec![40], f32::NAN.to_le_bytes().repeat(40))));
    assert_eq!(error(bad), LoadError::NotFinite(norm.into()));
}

#[test]
fn files_of_another_pair_are_refused() {
    let mut other = files();
    if let Some(byte) = other.weights.last_mut() {
        *byte ^= 1;
    }
    assert!(matches!(other.engine(96, &device::cpu()), Err(LoadError::Router(_))));
    let mut config: serde_json::Value = serde_json::from_slice(&files().config).unwrap();
    config["vocab_size"] = 100.into();
    let mut bad = files();
    bad.config = serde_json::to_vec(&config).unwrap();
    assert!(matches!(error(bad), LoadError::Shape { .. } | LoadError::Tokenizer(_)));
    let mut bad = files();
    bad.tokenizer = b"{\"model\":{}}".to_vec();
    assert!(matches!(error(bad), LoadError::Tokenizer(_)));
}

#[test]
fn input_that_does_not_fit_is_refused_and_the_engine_goes_on() {
    let (mut engine, _) = files().engine(usize::MAX, &device::cpu()).unwrap();
    assert_eq!(engine.capacity(), 96, "capacity is cut to the model's positions");
    assert_eq!(block_on(engine.forward(&[])).unwrap_err(), EngineError::Empty);
    assert_eq!(block_on(engine.forward(&[259])).unwrap_err(), EngineError::Token { id: 259, vocab: 259 });
    assert_eq!(block_on(engine.forward(&[3; 97])).unwrap_err(), EngineError::ContextFull { needed: 97, capacity: 96 });
    assert_eq!(engine.position(), 0);
    block_on(engine.forward(&[3; 96])).unwrap();
    assert_eq!(block_on(engine.forward(&[3])).unwrap_err(), EngineError::ContextFull { needed: 97, capacity: 96 });
}
