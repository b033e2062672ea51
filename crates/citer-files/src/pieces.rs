//! A SentencePiece vocabulary: pieces with scores, as llama.cpp and llama2.c keep it, and as a tokenizer.json with merges.
//!
//! Two pieces merge when together they are a piece; the better its score, the earlier. A tokenizer.json lists these merges
//! in their order and has no scores, so the order gives them back.

use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// How a piece writes a space.
const SPACE: &str = "\u{2581}";

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Made by merges.
    Normal,
    /// Stands for what no piece can be made of.
    Unknown,
    /// Never read from text.
    Control,
    /// Read as a whole.
    Whole,
    /// One byte, for characters that are no piece.
    Byte,
    /// Nothing is read as it.
    Unused,
}

/// One piece.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub text: String,
    pub score: f64,
    pub kind: Kind,
}

/// A vocabulary, by id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pieces {
    pub pieces: Vec<Piece>,
    /// Whether a text is read with a space in front of it.
    pub space_first: bool,
    /// The control token that begins every text, if there is one.
    pub begin: Option<usize>,
}

impl Piece {
    /// A piece whose text says whether it is a byte.
    pub fn new(text: &str, score: f64) -> Self {
        let kind = if is_byte(text) { Kind::Byte } else { Kind::Normal };
        Self { text: text.into(), score, kind }
    }
}

fn is_byte(text: &str) -> bool {
    let digits = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

impl Pieces {
    /// The tokenizer.json; `None` if a text occurs twice, so that ids are ambiguous.
    pub fn json(&self) -> Option<Json> {
        let texts = || self.pieces.iter().map(|piece| piece.text.as_str()).enumerate();
        let ids: HashMap<&str, usize> = texts().map(|(id, text)| (text, id)).collect();
        if ids.len() != self.pieces.len() {
            return None;
        }
        let mut merges = Vec::new();
        for (id, text) in texts() {
            for (at, _) in text.char_indices().skip(1) {
                let (left, right) = text.split_at(at);
                if let (Some(left_id), Some(right_id)) = (ids.get(left), ids.get(right)) {
                    merges.push((self.pieces[id].score, *left_id, *right_id, [left, right]));
                }
            }
        }
        merges.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
        let merges: Vec<[&str; 2]> = merges.into_iter().map(|(.., pair)| pair).collect();
        let added = self.pieces.iter().enumerate().filter_map(|(id, piece)| {
            let special = match piece.kind {
                Kind::Unknown | Kind::Control => true,
                Kind::Whole => false,
                Kind::Normal | Kind::Byte | Kind::Unused => return None,
            };
            Some(json!({"id": id, "content": piece.text, "special": special, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false}))
        });
        let added: Vec<Json> = added.collect();
        let replace = |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
        let mut normalizers = vec![replace(" ", SPACE)];
        if self.space_first {
            normalizers.insert(0, json!({"type": "Prepend", "prepend": SPACE}));
        }
        let begin = self.begin.and_then(|id| Some((id, &self.pieces.get(id)?.text)));
        let post_processor = begin.map(|(id, text)| {
            let (special, sequence) =
                (json!({"SpecialToken": {"id": text, "type_id": 0}}), json!({"Sequence": {"id": "A", "type_id": 0}}));
            json!({"type": "TemplateProcessing", "single": [special, sequence], "pair": [special, sequence],
                "special_tokens": {text: {"id": text, "ids": [id], "tokens": [text]}}})
        });
        let unknown = self.pieces.iter().find(|piece| piece.kind == Kind::Unknown).map(|piece| &piece.text);
        Some(json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "pre_tokenizer": null,
            "post_processor": post_processor,
            "decoder": {"type": "Sequence", "decoders": [replace(SPACE, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]},
            "model": {"type": "BPE", "vocab": ids, "merges": merges, "byte_fallback": true, "fuse_unk": true,
                "unk_token": unknown},
        }))
    }

    /// The vocabulary of a tokenizer.json with `size` tokens at most; what is missing up to there is unused.
    ///
    /// # Errors
    /// Says in which way the tokenizer is of another kind.
    pub fn read(tokenizer: &Json, size: usize) -> Result<Self, String> {
        let model = &tokenizer["model"];
        if model["byte_fallback"] != true {
            return Err("it neither is byte-level nor falls back to bytes".into());
        }
        let unused = |id| Piece { text: format!("[PAD{id}]"), score: 0.0, kind: Kind::Unused };
        let mut pieces: Vec<Piece> = (0..size).map(unused).collect();
        let place = |id: &Json, text: &str| {
            let id = id.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|id| *id < size);
            id.ok_or_else(|| format!("token {text} has no place among {size} tokens"))
        };
        let vocabulary = model["vocab"].as_object().ok_or("it has no vocabulary")?;
        let scores = scores(model)?;
        // A piece that no merge makes comes after all that one makes.
        let worst = -(scores.len() as f64);
        for (text, id) in vocabulary {
            let score = scores.get(text).copied().unwrap_or(worst);
            pieces[place(id, text)?] = Piece::new(text, score);
        }
        for added in tokenizer["added_tokens"].as_array().into_iter().flatten() {
            let text = added["content"].as_str().unwrap_or_default();
            let kind = match (model["unk_token"] == text, added["special"] == true) {
                (true, _) => Kind::Unknown,
                (false, true) => Kind::Control,
                (false, false) => Kind::Whole,
            };
            pieces[place(&added["id"], text)?] = Piece { text: text.into(), score: 0.0, kind };
        }
        for piece in pieces.iter_mut().filter(|piece| matches!(piece.kind, Kind::Byte)) {
            piece.score = 0.0;
        }
        let begin = begin(tokenizer).and_then(|text| pieces.iter().position(|piece| piece.text == text));
        Ok(Self { pieces, space_first: space_first(tokenizer)?, begin })
    }
}

/// The token that a tokenizer.json puts in front of every text.
pub(crate) fn begin(tokenizer: &Json) -> Option<&str> {
    let steps = match &tokenizer["post_processor"] {
        Json::Object(step) if step.contains_key("processors") => step["processors"].as_array()?.as_slice(),
        one => std::slice::from_ref(one),
    };
    steps.iter().find_map(|step| step["single"][0]["SpecialToken"]["id"].as_str())
}

/// Scores by the order of the merges: a whole number less for every piece.
fn scores(model: &Json) -> Result<HashMap<String, f64>, String> {
    let mut scores = HashMap::new();
    for merge in model["merges"].as_array().into_iter().flatten() {
        let pair = merge.as_str().and_then(|merge| merge.split_once(' '));
        let (left, right) = pair.or_else(|| merge[0].as_str().zip(merge[1].as_str())).ok_or("a merge is no pair")?;
        let next = -(scores.len() as f64);
        scores.entry([left, right].concat()).or_insert(next);
    }
    Ok(scores)
}

/// Whether a text is read with a space in front of it: by a normalizer, or by how it is cut.
fn space_first(tokenizer: &Json) -> Result<bool, String> {
    let normalizer = &tokenizer["normalizer"];
    let steps: Vec<&Json> = match normalizer["type"].as_str() {
        Some("Sequence") => normalizer["normalizers"].as_array().into_iter().flatten().collect(),
        Some(_) => vec![normalizer],
        None => Vec::new(),
    };
    let kinds: Vec<&str> = steps.iter().map(|step| step["type"].as_str().unwrap_or_default()).collect();
    let cut = &tokenizer["pre_tokenizer"];
    match (kinds.as_slice(), cut["type"].as_str()) {
        (["Prepend", "Replace"], None) => Ok(true),
        (["Replace"], None) => Ok(false),
        ([], Some("Metaspace")) => Ok(cut["prepend_scheme"] != "never" && cut["add_prefix_space"] != false),
        _ => Err(format!("text is changed by {kinds:?} before it is cut, which GGUF has no name for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(texts: &[(&str, f64)]) -> Pieces {
        let mut pieces: Vec<Piece> = texts.iter().map(|(text, score)| Piece::new(text, *score)).collect();
        pieces[0].kind = Kind::Unknown;
        pieces[1].kind = Kind::Control;
        Pieces { pieces, space_first: true, begin: Some(1) }
    }

    #[test]
    fn the_order_of_merges_gives_scores_back() {
        let texts = [("<unk>", 0.0), ("<s>", 0.0), ("<0x41>", 0.0), ("ab", -0.5), ("abc", -7.0), ("bc", -3.0)];
        let singles = [("a", -9.0), ("b", -9.0), ("c", -9.0)];
        let before = pieces(&[texts.as_slice(), &singles].concat());
        let json = before.json().unwrap();
        assert_eq!(json["model"]["merges"], json!([["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"]]));
        let after = Pieces::read(&json, before.pieces.len() + 1).unwrap();
        let scores: Vec<f64> = after.pieces.iter().map(|piece| piece.score).collect();
        assert_eq!(scores, [0.0, 0.0, 0.0, 0.0, -2.0, -1.0, -3.0, -3.0, -3.0, 0.0]);
        let kinds = |pieces: &Pieces| pieces.pieces.iter().map(|piece| piece.kind).collect::<Vec<_>>();
        assert_eq!(kinds(&after)[..9], kinds(&before));
        assert_eq!((after.pieces[9].kind, after.space_first, after.begin), (Kind::Unused, true, Some(1)));
        // What was read says the same again.
        let again = Pieces { pieces: after.pieces[..9].to_vec(), ..after };
        assert_eq!(again.json().unwrap(), json);
    }

    #[test]
    fn a_space_in_front_is_found_in_every_spelling() {
        let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
        let prepend = json!({"type": "Prepend", "prepend": SPACE});
        let sequence = |steps: Vec<&Json>| json!({"type": "Sequence", "normalizers": steps});
        let metaspace = |scheme: &str| json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme});
        for (normalizer, cut, expected) in [
            (sequence(vec![&prepend, &replace]), Json::Null, Some(true)),
            (replace.clone(), Json::Null, Some(false)),
            (Json::Null, metaspace("first"), Some(true)),
            (Json::Null, metaspace("never"), Some(false)),
            (json!({"type": "NFKC"}), Json::Null, None),
            (Json::Null, Json::Null, None),
        ] {
            let tokenizer = json!({"normalizer": normalizer, "pre_tokenizer": cut});
            assert_eq!(space_first(&tokenizer).ok(), expected, "{tokenizer}");
        }
    }

    #[test]
    fn another_kind_of_tokenizer_is_refused() {
        assert!(Pieces::read(&json!({"model": {"vocab": {}}}), 4).is_err());
        let json = pieces(&[("<unk>", 0.0), ("<s>", 0.0), ("a", -1.0)]).json().unwrap();
        assert!(Pieces::read(&json, 2).unwrap_err().contains("has no place among 2 tokens"));
        assert!(pieces(&[("<unk>", 0.0), ("a", 0.0), ("a", -1.0)]).json().is_none());
    }
}
