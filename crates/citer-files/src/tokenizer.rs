//! The tokenizer: text to token ids and back to bytes, from a Hugging Face `tokenizer.json`.

use crate::{error::LoadError, pieces::begin, tokenizer_check::check};
use citer_core::TokenId;
use std::collections::{HashMap, HashSet};

/// A loaded `tokenizer.json`.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    bytes: Vec<Vec<u8>>,
    /// Text and id of every control token, longer ones first.
    control: Vec<(String, TokenId)>,
    begin: Option<TokenId>,
    sha256: String,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn from_json(json: &[u8]) -> Result<Self, LoadError> {
        let fail = |e: String| LoadError::Tokenizer(e);
        let tree: serde_json::Value = serde_json::from_slice(json).map_err(|e| fail(e.to_string()))?;
        check(&tree).map_err(fail)?;
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(|e| fail(e.to_string()))?;
        // Token ids of a text are what the merges give: nothing is cut off, filled up or put around them.
        inner.with_truncation(None).map_err(|e| fail(e.to_string()))?;
        inner.with_padding(None);
        inner.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        // Text typed by a person must never turn into a control token.
        inner.set_encode_special_tokens(true);
        let byte_level = tree["decoder"].to_string().contains("ByteLevel");
        let alphabet = byte_alphabet();
        let added = inner.get_added_tokens_decoder().into_iter().filter(|(_, token)| token.special);
        let mut control: Vec<(String, TokenId)> = added.map(|(id, token)| (token.content, id)).collect();
        control.retain(|(text, _)| !text.is_empty());
        control.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        let special: HashSet<TokenId> = control.iter().map(|(_, id)| *id).collect();
        let size = inner.get_vocab_size(true);
        let mut bytes = vec![Vec::new(); size];
        for (token, id) in inner.get_vocab(true) {
            let slot = bytes.get_mut(id as usize).ok_or_else(|| fail(format!("token id {id} of {size} tokens")))?;
            if !special.contains(&id) {
                *slot = token_bytes(&token, byte_level, &alphabet);
            }
        }
        let begin = begin(&tree).and_then(|text| inner.token_to_id(text));
        Ok(Self { inner, bytes, control, begin, sha256: crate::hash::sha256(json) })
    }

    /// Token ids of `text`; control tokens in it are read as plain text.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, LoadError> {
        let encoding = self.inner.encode_fast(text, false).map_err(|e| LoadError::Tokenizer(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of `tokens`; control tokens are left out, bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, tokens: &[TokenId]) -> String {
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| self.token_bytes(*token)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Bytes of one token; empty for control tokens and unknown ids.
    pub fn token_bytes(&self, token: TokenId) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// Id of the token written `text`.
    pub fn token(&self, text: &str) -> Result<TokenId, LoadError> {
        self.inner.token_to_id(text).ok_or_else(|| LoadError::Tokenizer(format!("there is no token {text}")))
    }

    /// The control token that `text` begins with: its text and id.
    pub fn control_token(&self, text: &str) -> Option<(&str, TokenId)> {
        let found = self.control.iter().find(|(control, _)| text.starts_with(control.as_str()));
        found.map(|(control, id)| (control.as_str(), *id))
    }

    /// How the control token `token` is written.
    pub fn control_text(&self, token: TokenId) -> Option<&str> {
        self.control.iter().find(|(_, id)| *id == token).map(|(text, _)| text.as_str())
    }

    /// The control token that the model was trained to see in front of a text, if there is one; [`Self::encode`] leaves it
    /// to the caller.
    pub fn begin(&self) -> Option<TokenId> {
        self.begin
    }

    /// Number of tokens.
    pub fn vocab_size(&self) -> usize {
        self.bytes.len()
    }

    /// SHA-256 of the file, which names the vocabulary.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// The printable character that byte-level BPE (GPT-2) writes for each byte.
pub(crate) fn byte_characters() -> Vec<char> {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = '\u{100}'..;
    (0..=255u8).filter_map(|byte| if printable(byte) { Some(byte.into()) } else { others.next() }).collect()
}

fn byte_alphabet() -> HashMap<char, u8> {
    byte_characters().into_iter().zip(0..=255).collect()
}

fn token_bytes(token: &str, byte_level: bool, alphabet: &HashMap<char, u8>) -> Vec<u8> {
    if byte_level {
        return token
            .chars()
            .flat_map(|c| alphabet.get(&c).map_or_else(|| c.to_string().into_bytes(), |b| vec![*b]))
            .collect();
    }
    let byte = token.strip_prefix("<0x").and_then(|t| t.strip_suffix('>')).and_then(|h| u8::from_str_radix(h, 16).ok());
    byte.map_or_else(|| token.replace('\u{2581}', " ").into_bytes(), |b| vec![b])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_alphabet_is_a_bijection() {
        let alphabet = byte_alphabet();
        assert_eq!(alphabet.len(), 256);
        let mut bytes: Vec<u8> = alphabet.values().copied().collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!(alphabet[&'Ġ'], b' ');
    }

    #[test]
    fn pieces_of_both_kinds_become_bytes() {
        let alphabet = byte_alphabet();
        assert_eq!(token_bytes("Ġcat", true, &alphabet), b" cat");
        assert_eq!(token_bytes("\u{2581}cat", false, &alphabet), b" cat");
        assert_eq!(token_bytes("<0x0A>", false, &alphabet), b"\n");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!(Tokenizer::from_json(b"{}"), Err(LoadError::Tokenizer(_))));
    }
}
