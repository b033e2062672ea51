//! GGUF files: every format, and files that mean harm. `tests/parity/make_gguf.py` wrote the files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_files::{Config, Gguf, LoadError, Safetensors, TensorSource, gguf_model, source::values};
use std::path::PathBuf;

fn bytes(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/gguf");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn every_format_is_read_to_the_last_bit() {
    let (packed, expected) = (bytes("blocks.gguf"), bytes("blocks.safetensors"));
    let (packed, expected) = (Gguf::parse(&packed).unwrap(), Safetensors::parse(&expected).unwrap());
    for name in ["F32", "F16", "BF16", "Q4_0", "Q5_0", "Q8_0", "Q4_K", "Q6_K"] {
        let shape = packed.shape(name).unwrap();
        let (found, expected) = (values(&packed, name, &shape), values(&expected, name, &shape));
        assert_eq!(found.unwrap(), expected.unwrap(), "{name}");
    }
}

#[test]
fn rows_of_query_and_key_matrices_come_in_the_order_of_hugging_face() {
    let file = bytes("llama.gguf");
    let file = Gguf::parse(file).unwrap();
    let config = gguf_model::config(&file).unwrap();
    let tensors = gguf_model::GgufTensors::new(file, &config);
    for part in ["q_proj.weight", "k_proj.weight", "v_proj.weight", "q_proj.bias"] {
        let name = format!("model.layers.0.self_attn.{part}");
        let info = tensors.info(&name).unwrap();
        let whole = tensors.rows(&name, 0..info.rows()).unwrap();
        let width = whole.len() / info.rows();
        for from in 0..info.rows() {
            for to in from..=info.rows() {
                assert_eq!(
                    tensors.rows(&name, from..to).unwrap(),
                    whole[from * width..to * width],
                    "{name} {from} {to}"
                );
            }
        }
        assert!(tensors.rows(&name, 0..info.rows() + 1).is_err());
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
            let tensors = gguf_model::GgufTensors::new(file, &config);
            let _ = values(&tensors, "model.layers.0.self_attn.q_proj.weight", &[64, 32]);
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
    assert!(Gguf::parse(header(u64::MAX, 0, &[])).is_err());
    assert!(Gguf::parse(header(0, u64::MAX, &[])).is_err());
    // One key `a` with an array of 2^60 bytes; with arrays within arrays without end.
    let array = |element: u32, count: u64| {
        [9u32.to_le_bytes(), element.to_le_bytes()].concat().into_iter().chain(count.to_le_bytes())
    };
    let key = [1u64.to_le_bytes().as_slice(), b"a"].concat();
    let long: Vec<u8> = key.iter().copied().chain(array(0, 1 << 60)).chain([0; 100]).collect();
    assert!(Gguf::parse(header(0, 1, &long)).is_err());
    let mut deep = [key.as_slice(), &9u32.to_le_bytes()].concat();
    for _ in 0..100_000 {
        deep.extend([9u32.to_le_bytes().as_slice(), &1u64.to_le_bytes()].concat());
    }
    assert!(Gguf::parse(header(0, 1, &deep)).is_err());
    // A tensor `a` of 2^32 x 2^32 x 2^32 values.
    let mut huge = [key.as_slice(), &3u32.to_le_bytes()].concat();
    for _ in 0..3 {
        huge.extend((1u64 << 32).to_le_bytes());
    }
    huge.extend([0; 12]);
    assert!(Gguf::parse(header(1, 0, &huge)).is_err());
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
        Ok(config) => unreadable(parsed, &config),
    }
}

/// The error of the first tensor that cannot be read.
fn unreadable(file: Gguf, config: &Config) -> String {
    let tensors = gguf_model::GgufTensors::new(file, config);
    let error = |(name, shape): (String, Vec<usize>)| values(&tensors, &name, &shape).err();
    config.tensors().into_iter().find_map(error).unwrap().to_string()
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
    let error = Gguf::parse(&file).err().unwrap();
    assert!(matches!(&error, LoadError::Weights(detail) if detail.contains("token_embd.weight")), "{error}");
}
