//! GGUF files: every format, whole models against Hugging Face transformers, and files that mean harm.
//! `tests/parity/make_gguf.py` wrote the files and the expected numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Int, Tensor, TensorData};
use citer_lm::{
    Config, Decoder, Gguf, LoadError, Tensors, device, gguf_model, model, rope::Rope, weights::WeightsFile,
};
use safetensors::SafeTensors;
use std::path::PathBuf;

const MODELS: [&str; 3] = ["llama", "qwen2", "qwen3"];

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/gguf").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap()
}

fn logits(config: &Config, decoder: &Decoder, ids: &[i32]) -> Vec<f32> {
    let device = device::cpu();
    let rope = Rope::new(config, config.max_position_embeddings, &device);
    let input = Tensor::<2, Int>::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), &device);
    let hidden = decoder.hidden(config, &rope, input, None).reshape([ids.len(), config.hidden_size]);
    decoder.logits(hidden).into_data().iter::<f32>().collect()
}

#[test]
fn every_format_is_read_to_the_last_bit() {
    let (packed, values) = (bytes("blocks.gguf"), bytes("blocks.safetensors"));
    let (packed, values) = (Gguf::parse(&packed).unwrap(), WeightsFile::parse(&values).unwrap());
    for name in ["F32", "F16", "BF16", "Q4_0", "Q5_0", "Q8_0", "Q4_K", "Q6_K"] {
        let expected = values.tensor(name, &packed.shape(name).unwrap()).unwrap();
        assert_eq!(packed.tensor(name).unwrap(), expected, "{name}");
    }
}

#[test]
fn models_agree_with_transformers_on_what_their_formats_leave() {
    for name in MODELS {
        let (config, decoder) = model::open_gguf(&file(&format!("{name}.gguf")), &device::cpu()).unwrap();
        let expected = bytes(&format!("{name}.safetensors"));
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

#[test]
fn every_cut_of_a_file_is_an_error() {
    let whole = bytes("qwen3.gguf");
    for length in (0..whole.len() - 32).step_by(7) {
        assert!(Gguf::parse(&whole[..length]).is_err(), "length {length}");
    }
}

#[test]
fn changed_headers_never_panic_nor_ask_for_absurd_memory() {
    let whole = bytes("qwen3.gguf");
    let header = 3000.min(whole.len());
    for position in 0..header {
        for value in [0, 1, 0x7f, 0xff, whole[position] ^ 0x10] {
            let mut changed = whole.clone();
            changed[position] = value;
            let Ok(file) = Gguf::parse(&changed) else { continue };
            let Ok(config) = gguf_model::config(&file) else { continue };
            let tensors = gguf_model::GgufTensors::new(&file, &config);
            let _ = tensors.tensor("model.layers.0.self_attn.q_proj.weight", &[64, 32]);
        }
    }
}

/// A file of version 3 with the given metadata count, tensor count and rest.
fn header(tensors: u64, metadata: u64, rest: &[u8]) -> Vec<u8> {
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend(tensors.to_le_bytes());
    file.extend(metadata.to_le_bytes());
    file.extend(rest);
    file
}

#[test]
fn counts_that_no_file_could_hold_are_errors() {
    assert!(Gguf::parse(&header(u64::MAX, 0, &[])).is_err());
    assert!(Gguf::parse(&header(0, u64::MAX, &[])).is_err());
    // One key `a` with an array of 2^60 bytes; with arrays within arrays without end.
    let array = |element: u32, count: u64| {
        [9u32.to_le_bytes(), element.to_le_bytes()].concat().into_iter().chain(count.to_le_bytes())
    };
    let key = [1u64.to_le_bytes().as_slice(), b"a"].concat();
    let long: Vec<u8> = key.iter().copied().chain(array(0, 1 << 60)).chain([0; 100]).collect();
    assert!(Gguf::parse(&header(0, 1, &long)).is_err());
    let mut deep = [key.as_slice(), &9u32.to_le_bytes()].concat();
    for _ in 0..100_000 {
        deep.extend([9u32.to_le_bytes().as_slice(), &1u64.to_le_bytes()].concat());
    }
    assert!(Gguf::parse(&header(0, 1, &deep)).is_err());
    // A tensor `a` of 2^32 x 2^32 x 2^32 values.
    let mut huge = [key.as_slice(), &3u32.to_le_bytes()].concat();
    for _ in 0..3 {
        huge.extend((1u64 << 32).to_le_bytes());
    }
    huge.extend([0; 12]);
    assert!(Gguf::parse(&header(1, 0, &huge)).is_err());
}

/// The file with `from` replaced by `to` of the same length.
fn patched(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut file = bytes(name);
    let at = file.windows(from.len()).position(|window| window == from).unwrap();
    file[at..at + to.len()].copy_from_slice(to);
    file
}

fn refusal(file: &[u8]) -> String {
    let parsed = Gguf::parse(file).unwrap();
    match gguf_model::config(&parsed) {
        Err(error) => error.to_string(),
        Ok(config) => {
            let tensors = gguf_model::GgufTensors::new(&parsed, &config);
            citer_lm::weights::decoder(&config, &tensors, &device::cpu()).err().unwrap().to_string()
        }
    }
}

#[test]
fn what_is_not_supported_is_named() {
    let error = refusal(&patched("qwen3.gguf", b"qwen3", b"mamba"));
    assert!(error.contains("general.architecture") && error.contains("mamba"), "{error}");
    let error = refusal(&patched("qwen3.gguf", b"blk.0.attn_q_norm.weight", b"blk.0.attn_z_norm.weight"));
    assert!(error.contains("blk.0.attn_z_norm.weight"), "{error}");
    let error = refusal(&patched("qwen2.gguf", b"qwen2.feed_forward_length", b"qwen2.feed_forward_lengtH"));
    assert!(error.contains("qwen2.feed_forward_length"), "{error}");
    // The type of the first matrix: name, two dimensions of 8 bytes, then the type.
    let mut file = bytes("llama.gguf");
    let name = b"token_embd.weight";
    let at = file.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 4 + 16;
    file[at..at + 4].copy_from_slice(&10u32.to_le_bytes());
    let error = refusal(&file);
    assert!(error.contains("token_embd.weight") && error.contains("Q2_K"), "{error}");
}

#[test]
fn a_tensor_outside_the_file_is_named() {
    let mut file = bytes("llama.gguf");
    let name = b"token_embd.weight";
    let at = file.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 4 + 16 + 4;
    file[at..at + 8].copy_from_slice(&(u64::MAX - 8).to_le_bytes());
    let error = Gguf::parse(&file).unwrap_err();
    assert!(matches!(&error, LoadError::Weights(detail) if detail.contains("token_embd.weight")), "{error}");
}
