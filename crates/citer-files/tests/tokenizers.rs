//! Tokenizers of real models against llama.cpp's test vectors. Needs the files, so it is ignored unless asked for:
//! `CITER_TOKENIZERS=FOLDER cargo test --release --test tokenizers -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_files::{Gguf, Tokenizer, gguf_tokenizer};
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(std::env::var("CITER_TOKENIZERS").expect("CITER_TOKENIZERS names the folder"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// Checks every text of a file of vectors; the number of texts.
fn agrees(tokenizer: &Tokenizer, name: &str) -> usize {
    let (texts, ids) =
        (read(&format!("vectors/ggml-vocab-{name}.gguf.inp")), read(&format!("vectors/ggml-vocab-{name}.gguf.out")));
    let separator = "\n__ggml_vocab_test__\n";
    let texts: Vec<&str> = texts.strip_suffix(separator).unwrap().split(separator).collect();
    let ids: Vec<&str> = ids.lines().collect();
    assert!(texts.len() > 40 && texts.len() == ids.len(), "{name}: {} texts, {} rows", texts.len(), ids.len());
    for (text, row) in texts.iter().zip(ids) {
        let expected: Vec<u32> = row.split_whitespace().map(|id| id.parse().unwrap()).collect();
        assert_eq!(tokenizer.encode(text).unwrap(), expected, "{name}: {text:?}");
    }
    texts.len()
}

#[test]
#[ignore = "needs the tokenizer files"]
fn tokenizer_files_agree_with_the_vectors() {
    for (folder, name) in [("qwen2", "qwen2"), ("gpt2", "gpt-2")] {
        let tokenizer = Tokenizer::from_json(read(&format!("{folder}/tokenizer.json")).as_bytes()).unwrap();
        println!("{name}: {} texts", agrees(&tokenizer, name));
    }
}

/// A GGUF file with the vocabulary and merges of a tokenizer.json.
fn packed(json: &str, pre: &str) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let mut tokens: Vec<(u64, String)> = json["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(token, id)| (id.as_u64().unwrap(), token.clone()))
        .collect();
    let mut control = Vec::new();
    for added in json["added_tokens"].as_array().unwrap() {
        let id = added["id"].as_u64().unwrap();
        control.push(id);
        if tokens.iter().all(|(known, _)| *known != id) {
            tokens.push((id, added["content"].as_str().unwrap().into()));
        }
    }
    tokens.sort();
    let types: Vec<i32> = tokens.iter().map(|(id, _)| if control.contains(id) { 3 } else { 1 }).collect();
    let merges: Vec<String> = json["model"]["merges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|merge| match merge.as_str() {
            Some(merge) => merge.into(),
            None => format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()),
        })
        .collect();
    let text = |text: &str| [(text.len() as u64).to_le_bytes().as_slice(), text.as_bytes()].concat();
    let array = |kind: u32, length: usize| {
        [9u32.to_le_bytes().as_slice(), &kind.to_le_bytes(), &(length as u64).to_le_bytes()].concat()
    };
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend([0u64.to_le_bytes(), 5u64.to_le_bytes()].concat());
    for (key, value) in [("model", "gpt2"), ("pre", pre)] {
        file.extend(text(&format!("tokenizer.ggml.{key}")));
        file.extend(8u32.to_le_bytes());
        file.extend(text(value));
    }
    file.extend([text("tokenizer.ggml.tokens"), array(8, tokens.len())].concat());
    file.extend(tokens.iter().flat_map(|(_, token)| text(token)));
    file.extend([text("tokenizer.ggml.merges"), array(8, merges.len())].concat());
    file.extend(merges.iter().flat_map(|merge| text(merge)));
    file.extend([text("tokenizer.ggml.token_type"), array(5, types.len())].concat());
    file.extend(types.iter().flat_map(|kind| kind.to_le_bytes()));
    file
}

#[test]
#[ignore = "needs the tokenizer files"]
fn tokenizers_inside_gguf_files_agree_with_the_vectors() {
    for (folder, name, pre) in [("qwen2", "qwen2", "qwen2"), ("gpt2", "gpt-2", "gpt-2")] {
        let file = packed(&read(&format!("{folder}/tokenizer.json")), pre);
        let tokenizer = gguf_tokenizer::tokenizer(&Gguf::parse(&file).unwrap()).unwrap();
        println!("{name} in GGUF: {} texts", agrees(&tokenizer, name));
    }
}
