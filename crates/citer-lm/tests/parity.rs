//! The decoder and the router against Hugging Face transformers, on the CPU (burn-flex) and on the graphics adapter
//! (burn-wgpu). `tests/parity/make_fixtures.py` wrote the expected numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use citer_core::LocalModel;
use citer_lm::{Engine, SlmFiles, device};
use futures::executor::block_on;
use std::path::PathBuf;

#[derive(serde::Deserialize)]
struct Expected {
    prompt: String,
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    scores: Vec<f32>,
    logits: Vec<Vec<f32>>,
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity").join(name)
}

fn fixture(name: &str, device: &Device) -> (Engine, Expected) {
    let (engine, _) = SlmFiles::read(&folder(name)).unwrap().engine(usize::MAX, device).unwrap();
    let json = std::fs::read(folder(name).join("expected.json")).unwrap();
    (engine, serde_json::from_slice(&json).unwrap())
}

/// Largest difference between two rows.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Decodes greedily and compares ids, logits and scores of every step; returns the largest difference of a logit.
fn agrees(name: &str, device: &Device) -> f32 {
    let (mut engine, expected) = fixture(name, device);
    let prompt = engine.format().question(engine.tokenizer(), &expected.prompt).unwrap();
    assert_eq!(prompt, expected.prompt_ids, "{name}: prompt ids");
    let (mut next, mut worst) = (prompt, 0.0f32);
    for (step, id) in expected.ids.iter().enumerate() {
        let output = block_on(engine.forward(&next)).unwrap();
        worst = worst.max(distance(&output.logits, &expected.logits[step]));
        let score = (output.score - expected.scores[step]).abs();
        assert!(score < 1e-3, "{name}: step {step}: score off by {score}");
        let (token, _) = engine.sampler.choose(&output.logits, engine.position(), 1);
        assert_eq!(token, *id, "{name}: step {step}");
        next = vec![token];
    }
    assert!(worst < 1e-3, "{name}: logits off by {worst}");
    worst
}

#[test]
fn the_cpu_agrees_with_transformers() {
    for name in ["untied", "tied"] {
        let worst = agrees(name, &device::cpu());
        println!("flex {name}: largest logit difference {worst:e}");
    }
}

#[test]
fn the_graphics_adapter_agrees_with_transformers() {
    let opened = block_on(Device::wgpu_options().init_async());
    let gpu = opened.expect("a graphics adapter; on Debian install mesa-vulkan-drivers");
    for name in ["untied", "tied"] {
        let worst = agrees(name, &gpu);
        println!("burn-wgpu {name}: largest logit difference {worst:e}");
    }
}

#[test]
fn one_prefill_equals_single_steps_and_taking_tokens_back_changes_nothing() {
    let (mut engine, expected) = fixture("untied", &device::cpu());
    let ids = [expected.prompt_ids.as_slice(), &expected.ids[..8]].concat();
    let whole = block_on(engine.forward(&ids)).unwrap();
    engine.truncate(0);
    let mut single = None;
    for id in &ids {
        single = Some(block_on(engine.forward(&[*id])).unwrap());
    }
    assert!(distance(&whole.logits, &single.unwrap().logits) < 1e-3);
    // Wrong tokens, taken back, leave no trace.
    engine.truncate(10);
    block_on(engine.forward(&[5, 6, 7, 8, 9])).unwrap();
    engine.truncate(10);
    let again = block_on(engine.forward(&ids[10..])).unwrap();
    assert!(distance(&whole.logits, &again.logits) < 1e-3);
}

#[test]
fn saved_weights_load_to_the_same_model() {
    let device = device::cpu();
    let files = SlmFiles::read(&folder("untied")).unwrap();
    let config = citer_lm::Config::from_json(&files.config).unwrap();
    let decoder = citer_lm::weights::load(&config, &files.weights, &device).unwrap();
    let bytes = block_on(citer_lm::weights::save(&config, &decoder)).unwrap();
    let (original, saved) = (
        safetensors::SafeTensors::deserialize(&files.weights).unwrap(),
        safetensors::SafeTensors::deserialize(&bytes).unwrap(),
    );
    assert_eq!(original.len(), saved.len());
    for (name, tensor) in original.tensors() {
        let other = saved.tensor(&name).unwrap();
        assert_eq!((tensor.shape(), tensor.data()), (other.shape(), other.data()), "{name}");
    }
}
