//! The tokenizer inside a GGUF file, rewritten as the `tokenizer.json` that it was made from.
//!
//! Two kinds: `gpt2` (byte-level BPE with merges) and `llama` (SentencePiece BPE with scores).

use crate::{
    chat_template::TokenizerConfig,
    error::LoadError,
    gguf::{Gguf, Value},
    pieces::{Kind, Piece, Pieces},
    tokenizer::Tokenizer,
};
use citer_core::TokenId;
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// How text is cut before merging, by `tokenizer.ggml.pre`: the expression of Qwen2's tokenizer.json.
pub(crate) const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The expression of Llama 3's tokenizer.json.
pub(crate) const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Values of `tokenizer.ggml.token_type`: a plain token, the one for what no token can be made of, a control token, one that
/// is read as a whole but is no control token, one that nothing is read as, and a byte.
pub(crate) const NORMAL: i32 = 1;
pub(crate) const UNKNOWN: i32 = 2;
pub(crate) const CONTROL: i32 = 3;
pub(crate) const WHOLE: i32 = 4;
pub(crate) const UNUSED: i32 = 5;
pub(crate) const BYTE: i32 = 6;

fn refused(field: &str, detail: impl Into<String>) -> LoadError {
    LoadError::Metadata { field: format!("tokenizer.ggml.{field}"), detail: detail.into() }
}

fn array<'a>(file: &'a Gguf, field: &str) -> Result<&'a [Value], LoadError> {
    match file.value(&format!("tokenizer.ggml.{field}")) {
        Some(Value::Array(values)) => Ok(values),
        _ => Err(refused(field, "is missing")),
    }
}

fn texts<'a>(file: &'a Gguf, field: &str) -> Result<Vec<&'a str>, LoadError> {
    let text = |value: &'a Value| match value {
        Value::Text(text) => Ok(text.as_str()),
        _ => Err(refused(field, "holds something else than text")),
    };
    array(file, field)?.iter().map(text).collect()
}

fn text<'a>(file: &'a Gguf, field: &str) -> Option<&'a str> {
    match file.value(&format!("tokenizer.ggml.{field}")) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn id(file: &Gguf, field: &str) -> Option<TokenId> {
    match file.value(&format!("tokenizer.ggml.{field}")) {
        Some(Value::Unsigned(id)) => TokenId::try_from(*id).ok(),
        Some(Value::Signed(id)) => TokenId::try_from(*id).ok(),
        _ => None,
    }
}

/// The tokenizer in `file` as a tokenizer.json: the one that it was made from, if the file has it.
pub fn json(file: &Gguf) -> Result<Vec<u8>, LoadError> {
    if let Some(Value::Text(json)) = file.value("tokenizer.huggingface.json") {
        return Ok(json.clone().into_bytes());
    }
    let json = match text(file, "model") {
        Some("gpt2") => byte_level(file)?,
        Some("llama") => sentence_piece(file)?,
        Some(other) => return Err(refused("model", format!("{other} is not supported"))),
        None => return Err(refused("model", "is missing")),
    };
    Ok(json.to_string().into_bytes())
}

/// The tokenizer in `file`.
pub fn tokenizer(file: &Gguf) -> Result<Tokenizer, LoadError> {
    Tokenizer::from_json(&json(file)?)
}

/// The ids that end an answer.
pub fn stop_ids(file: &Gguf) -> Vec<TokenId> {
    ["eos_token_id", "eot_token_id"].iter().filter_map(|field| id(file, field)).collect()
}

/// The chat template and the special tokens in `file`.
pub fn settings(file: &Gguf) -> Result<TokenizerConfig, LoadError> {
    let tokens = texts(file, "tokens")?;
    let token = |field: &str| {
        let text = id(file, field).and_then(|id| tokens.get(id as usize));
        text.map_or_else(String::new, |text| (*text).to_owned())
    };
    let chat_template = match file.value("tokenizer.chat_template") {
        Some(Value::Text(source)) => Some(source.clone()),
        _ => None,
    };
    Ok(TokenizerConfig { chat_template, bos_token: token("bos_token_id"), eos_token: token("eos_token_id") })
}

/// Ids by text. A token that occurs twice makes ids ambiguous.
fn vocabulary<'a>(tokens: &[&'a str]) -> Result<HashMap<&'a str, usize>, LoadError> {
    let vocabulary: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, token)| (*token, id)).collect();
    if vocabulary.len() == tokens.len() { Ok(vocabulary) } else { Err(refused("tokens", "a token occurs twice")) }
}

/// The kind of every token; empty where the file says nothing.
fn kinds(file: &Gguf) -> Result<Vec<i32>, LoadError> {
    let kind = |value: &Value| match value {
        Value::Unsigned(kind) => i32::try_from(*kind).unwrap_or_default(),
        Value::Signed(kind) => i32::try_from(*kind).unwrap_or_default(),
        _ => 0,
    };
    match file.value("tokenizer.ggml.token_type") {
        None => Ok(Vec::new()),
        Some(_) => Ok(array(file, "token_type")?.iter().map(kind).collect()),
    }
}

/// Tokens that are read as a whole, in the form of tokenizer.json.
fn added_tokens(file: &Gguf, tokens: &[&str]) -> Result<Vec<Json>, LoadError> {
    let kinds = kinds(file)?;
    let added = kinds.into_iter().zip(tokens).enumerate().filter(|(_, (kind, _))| [CONTROL, WHOLE].contains(kind));
    let entry = |(id, (kind, token)): (usize, (i32, &&str))| {
        json!({"id": id, "content": token, "special": kind == CONTROL, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false})
    };
    Ok(added.map(entry).collect())
}

fn byte_level(file: &Gguf) -> Result<Json, LoadError> {
    let tokens = texts(file, "tokens")?;
    let plain =
        |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
    let split = |regex: &str| {
        let split = json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
        json!({"type": "Sequence", "pretokenizers": [split, plain(false)]})
    };
    let (normalizer, pre_tokenizer, ignore_merges) = match text(file, "pre") {
        Some("qwen2") => (json!({"type": "NFC"}), split(QWEN2), false),
        Some("llama-bpe" | "llama3") => (Json::Null, split(LLAMA3), true),
        Some("smollm") => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            (Json::Null, json!({"type": "Sequence", "pretokenizers": [digits, plain(true)]}), false)
        }
        Some("gpt-2") => (Json::Null, plain(true), false),
        Some(other) => return Err(refused("pre", format!("{other} is not supported"))),
        None => return Err(refused("pre", "is missing")),
    };
    Ok(json!({
        "version": "1.0",
        "added_tokens": added_tokens(file, &tokens)?,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "decoder": plain(true),
        "model": {"type": "BPE", "vocab": vocabulary(&tokens)?, "merges": texts(file, "merges")?,
            "ignore_merges": ignore_merges},
    }))
}

fn sentence_piece(file: &Gguf) -> Result<Json, LoadError> {
    let tokens = texts(file, "tokens")?;
    let score = |value: &Value| match value {
        Value::Float(score) => *score,
        _ => 0.0,
    };
    let scores: Vec<f64> = array(file, "scores")?.iter().map(score).collect();
    if scores.len() != tokens.len() {
        return Err(refused("scores", format!("there are {} for {} tokens", scores.len(), tokens.len())));
    }
    let mut pieces: Vec<Piece> = tokens.iter().zip(scores).map(|(text, score)| Piece::new(text, score)).collect();
    for (piece, kind) in pieces.iter_mut().zip(kinds(file)?) {
        piece.kind = match kind {
            UNKNOWN => Kind::Unknown,
            CONTROL => Kind::Control,
            WHOLE => Kind::Whole,
            UNUSED => Kind::Unused,
            _ => piece.kind,
        };
    }
    if let Some(piece) = id(file, "unknown_token_id").and_then(|id| pieces.get_mut(id as usize)) {
        piece.kind = Kind::Unknown;
    }
    let says = |field: &str, value: bool| file.value(&format!("tokenizer.ggml.{field}")) == Some(&Value::Bool(value));
    let begin = id(file, "bos_token_id").filter(|_| says("add_bos_token", true)).map(|id| id as usize);
    let pieces = Pieces { pieces, space_first: !says("add_space_prefix", false), begin };
    pieces.json().ok_or_else(|| refused("tokens", "a token occurs twice"))
}
