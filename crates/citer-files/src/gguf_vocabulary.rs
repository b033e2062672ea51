//! A tokenizer.json (byte-level BPE, or SentencePiece with bytes to fall back to) in the terms of GGUF.
//!
//! `tokenizer.huggingface.json` holds the whole file beside them, as the GGUF specification allows: that is what this
//! project reads back, and it is exact where llama.cpp has no name for how text is cut.

use crate::{
    error::WriteError,
    gguf_tokenizer::{BYTE, CONTROL, LLAMA3, NORMAL, QWEN2, UNKNOWN, UNUSED, WHOLE},
    gguf_writer::Metadata,
    model_files::Parts,
    pieces::{Kind, Piece, Pieces},
};
use serde_json::Value as Json;

fn refused(detail: impl Into<String>) -> WriteError {
    WriteError::Tokenizer(detail.into())
}

/// A tokenizer's text, kind and merges, by id.
struct Vocabulary {
    tokens: Vec<(String, i32)>,
    merges: Vec<String>,
}

/// llama.cpp's name for how `tokenizer` cuts text; `None` if it has none.
pub fn pre_tokenizer(tokenizer: &Json) -> Option<&'static str> {
    let pre = &tokenizer["pre_tokenizer"];
    let steps = match pre["type"].as_str() {
        Some("Sequence") => pre["pretokenizers"].as_array()?.iter().collect(),
        _ => vec![pre],
    };
    let kinds: Vec<&str> = steps.iter().map(|step| step["type"].as_str().unwrap_or_default()).collect();
    match kinds.as_slice() {
        ["ByteLevel"] if steps[0]["use_regex"] != false => Some("gpt-2"),
        ["Digits", "ByteLevel"] if steps[0]["individual_digits"] == true => Some("smollm"),
        ["Split", "ByteLevel"] => match steps[0]["pattern"]["Regex"].as_str() {
            Some(QWEN2) => Some("qwen2"),
            Some(LLAMA3) => Some("llama-bpe"),
            _ => None,
        },
        _ => None,
    }
}

fn vocabulary(tokenizer: &Json, size: usize) -> Result<Vocabulary, WriteError> {
    let model = &tokenizer["model"];
    // llama.cpp wants as many tokens as the embedding has rows.
    let mut tokens: Vec<(String, i32)> = (0..size).map(|id| (format!("[PAD{id}]"), UNUSED)).collect();
    let mut place = |id: &Json, text: &str, kind: i32| {
        let id = id.as_u64().and_then(|id| usize::try_from(id).ok());
        let slot = id.and_then(|id| tokens.get_mut(id));
        *slot.ok_or_else(|| refused(format!("token {text} has no place among {size} tokens")))? = (text.into(), kind);
        Ok::<_, WriteError>(())
    };
    for (text, id) in model["vocab"].as_object().ok_or_else(|| refused("it has no vocabulary"))? {
        place(id, text, NORMAL)?;
    }
    for added in tokenizer["added_tokens"].as_array().into_iter().flatten() {
        let kind = if added["special"] == true { CONTROL } else { WHOLE };
        place(&added["id"], added["content"].as_str().unwrap_or_default(), kind)?;
    }
    let merge = |merge: &Json| match (merge.as_str(), merge[0].as_str(), merge[1].as_str()) {
        (Some(merge), ..) => Ok(merge.to_owned()),
        (_, Some(left), Some(right)) => Ok(format!("{left} {right}")),
        _ => Err(refused("a merge is no pair")),
    };
    let merges = model["merges"].as_array().into_iter().flatten().map(merge).collect::<Result<_, _>>()?;
    Ok(Vocabulary { tokens, merges })
}

/// Writes byte-level tokens; returns their texts.
fn byte_level(tokenizer: &Json, size: usize, to: &mut Metadata) -> Result<Vec<String>, WriteError> {
    let Vocabulary { tokens, merges } = vocabulary(tokenizer, size)?;
    let (texts, kinds): (Vec<String>, Vec<i32>) = tokens.into_iter().unzip();
    to.text("tokenizer.ggml.model", "gpt2");
    to.text("tokenizer.ggml.pre", pre_tokenizer(tokenizer).unwrap_or("gpt-2"));
    write_tokens(&texts, &kinds, to);
    to.texts("tokenizer.ggml.merges", merges.iter().map(String::as_str));
    // What begins a prompt is the template's business.
    to.bool("tokenizer.ggml.add_bos_token", false);
    Ok(texts)
}

/// Writes pieces with their scores; returns their texts.
fn sentence_piece(tokenizer: &Json, size: usize, to: &mut Metadata) -> Result<Vec<String>, WriteError> {
    let Pieces { pieces, space_first, begin } = Pieces::read(tokenizer, size).map_err(refused)?;
    let kind = |piece: &Piece| match piece.kind {
        Kind::Normal => NORMAL,
        Kind::Unknown => UNKNOWN,
        Kind::Control => CONTROL,
        Kind::Whole => WHOLE,
        Kind::Unused => UNUSED,
        Kind::Byte => BYTE,
    };
    let kinds: Vec<i32> = pieces.iter().map(kind).collect();
    let scores: Vec<f64> = pieces.iter().map(|piece| piece.score).collect();
    let texts: Vec<String> = pieces.into_iter().map(|piece| piece.text).collect();
    to.text("tokenizer.ggml.model", "llama");
    write_tokens(&texts, &kinds, to);
    to.floats("tokenizer.ggml.scores", &scores);
    if let Some(id) = kinds.iter().position(|kind| *kind == UNKNOWN).and_then(|id| u32::try_from(id).ok()) {
        to.number("tokenizer.ggml.unknown_token_id", id);
    }
    to.bool("tokenizer.ggml.add_space_prefix", space_first);
    to.bool("tokenizer.ggml.add_bos_token", begin.is_some());
    to.bool("tokenizer.ggml.add_eos_token", false);
    Ok(texts)
}

fn write_tokens(texts: &[String], kinds: &[i32], to: &mut Metadata) {
    to.texts("tokenizer.ggml.tokens", texts.iter().map(String::as_str));
    to.integers("tokenizer.ggml.token_type", kinds);
}

/// Writes the tokenizer, the special tokens and the chat template of a model.
pub(crate) fn write(parts: &Parts, to: &mut Metadata) -> Result<(), WriteError> {
    let json = std::str::from_utf8(&parts.tokenizer_json).map_err(|e| refused(e.to_string()))?;
    let tokenizer: Json = serde_json::from_str(json).map_err(|e| refused(e.to_string()))?;
    if tokenizer["model"]["type"].as_str().is_some_and(|kind| kind != "BPE") {
        return Err(refused("it is of another kind"));
    }
    let is_byte_level = tokenizer["decoder"].to_string().contains("ByteLevel");
    let write = if is_byte_level { byte_level } else { sentence_piece };
    let texts = write(&tokenizer, parts.config.vocab_size, to)?;
    for (field, id) in ["eos_token_id", "eot_token_id"].iter().zip(&parts.stops) {
        to.number(&format!("tokenizer.ggml.{field}"), *id);
    }
    let named = texts.iter().position(|text| !text.is_empty() && *text == parts.settings.bos_token);
    if let Some(id) = named.and_then(|id| u32::try_from(id).ok()) {
        to.number("tokenizer.ggml.bos_token_id", id);
    }
    if let Some(template) = &parts.settings.chat_template {
        to.text("tokenizer.chat_template", template);
    }
    to.text("tokenizer.huggingface.json", json);
    Ok(())
}
