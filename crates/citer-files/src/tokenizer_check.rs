//! What a tokenizer.json may ask for: the parts that tokenizers of Llama-type models use, within sizes that keep a hostile
//! file from crashing the tokenizer library or from blowing text up.

use serde_json::Value as Json;
use std::collections::HashMap;

/// Steps that may change the text before it is cut, one after the other.
const NORMALIZERS: [&str; 9] =
    ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Prepend", "Replace"];
/// Steps that may cut it.
const PRE_TOKENIZERS: [&str; 7] =
    ["ByteLevel", "Digits", "Metaspace", "Punctuation", "Split", "Whitespace", "WhitespaceSplit"];
/// Most steps of one kind: each may make text a few times longer.
const STEPS: usize = 6;
/// Longest text in bytes that a step puts in place of a match.
const REPLACEMENT: usize = 4;

/// Says what `tokenizer` asks for that is not supported, if anything.
pub(crate) fn check(tokenizer: &Json) -> Result<(), String> {
    let mut normalizers = Vec::new();
    steps(&tokenizer["normalizer"], "normalizers", &mut normalizers)?;
    let mut pre_tokenizers = Vec::new();
    steps(&tokenizer["pre_tokenizer"], "pretokenizers", &mut pre_tokenizers)?;
    let known = |steps: &[&Json], kinds: &[&str]| {
        let kind = |step: &Json| step["type"].as_str().unwrap_or("a step without a type").to_owned();
        let unknown = steps.iter().map(|step| kind(step)).find(|kind| !kinds.contains(&kind.as_str()));
        unknown.map_or(Ok(()), |kind| Err(format!("{kind} is not supported")))
    };
    known(&normalizers, &NORMALIZERS)?;
    known(&pre_tokenizers, &PRE_TOKENIZERS)?;
    let longest = |step: &&Json| ["content", "prepend"].iter().filter_map(|key| step[key].as_str()).map(str::len).max();
    if normalizers.iter().filter_map(longest).any(|length| length > REPLACEMENT) {
        return Err(format!("a normalizer writes more than {REPLACEMENT} bytes"));
    }
    model(&tokenizer["model"], tokenizer["added_tokens"].as_array().map_or(0, Vec::len))
}

/// Collects the steps of a sequence within sequences.
fn steps<'a>(step: &'a Json, children: &str, into: &mut Vec<&'a Json>) -> Result<(), String> {
    match (step, step["type"].as_str()) {
        (Json::Null, _) => {}
        (_, Some("Sequence")) => {
            for child in step[children].as_array().into_iter().flatten() {
                steps(child, children, into)?;
            }
        }
        _ => into.push(step),
    }
    if into.len() > STEPS { Err(format!("more than {STEPS} {children} are not supported")) } else { Ok(()) }
}

/// Checks a BPE model with `added` tokens beside its own.
fn model(model: &Json, added: usize) -> Result<(), String> {
    match model["type"].as_str() {
        Some("BPE") => {}
        // Old files do not say it.
        None if model["merges"].is_array() => {}
        other => return Err(format!("a model of type {} is not supported", other.unwrap_or("none"))),
    }
    if model["dropout"].as_f64().is_some_and(|dropout| dropout > 0.0) {
        return Err("dropout is not supported".into());
    }
    for affix in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if model[affix].as_str().is_some_and(|text| !text.is_empty()) {
            return Err(format!("{affix} is not supported"));
        }
    }
    let vocabulary = model["vocab"].as_object().ok_or("it has no vocabulary")?;
    let size = (vocabulary.len() + added) as u64;
    if let Some((token, id)) = vocabulary.iter().find(|(_, id)| id.as_u64().is_none_or(|id| id >= size)) {
        return Err(format!("token {token:?} has the id {id} of {size} tokens"));
    }
    let mut ids = HashMap::new();
    if let Some((token, _)) = vocabulary.iter().find(|(token, id)| ids.insert(id.as_u64(), *token).is_some()) {
        return Err(format!("token {token:?} shares its id"));
    }
    for merge in model["merges"].as_array().into_iter().flatten() {
        let pair = match merge {
            Json::String(merge) => merge.split_once(' '),
            other => other[0].as_str().zip(other[1].as_str()),
        };
        let product = pair.map(|(left, right)| format!("{left}{right}"));
        if product.is_none_or(|product| !vocabulary.contains_key(&product)) {
            return Err(format!("the merge {merge} makes no token"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tokenizer() -> Json {
        json!({"added_tokens": [], "normalizer": null, "pre_tokenizer": null,
            "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})
    }

    /// What is said of a tokenizer with `value` at `path`.
    fn said(path: &str, value: Json) -> String {
        let mut changed = tokenizer();
        *changed.pointer_mut(path).unwrap() = value;
        check(&changed).unwrap_err()
    }

    #[test]
    fn what_is_not_supported_is_named() {
        assert_eq!(check(&tokenizer()), Ok(()));
        assert!(said("/model/type", json!("Unigram")).contains("Unigram"));
        assert!(said("/normalizer", json!({"type": "Precompiled"})).contains("Precompiled"));
        let nested = json!({"type": "Sequence", "pretokenizers": [{"type": "Sequence", "pretokenizers": [{"type": "Delimiter"}]}]});
        assert!(said("/pre_tokenizer", nested).contains("Delimiter"));
    }

    #[test]
    fn text_cannot_be_blown_up() {
        let many = json!({"type": "Sequence", "normalizers": vec![json!({"type": "NFC"}); 7]});
        assert!(said("/normalizer", many).contains("more than 6"));
        let long = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaa"});
        assert!(said("/normalizer", long).contains("more than 4 bytes"));
    }

    #[test]
    fn merges_and_ids_that_crash_the_library_are_refused() {
        assert!(said("/model/merges", json!(["ab b"])).contains("makes no token"));
        assert!(said("/model/merges", json!([["b"]])).contains("makes no token"));
        assert!(said("/model/vocab/b", json!(u32::MAX)).contains("of 3 tokens"));
        assert!(said("/model/vocab/b", json!(0)).contains("shares"));
        assert!(
            said("/model", json!({"merges": [], "vocab": {}, "continuing_subword_prefix": "##"})).contains("prefix")
        );
    }
}
