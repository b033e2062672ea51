//! Pieces: between the tokens of this device and a server that takes or gives text.
//!
//! The history goes out as the text its tokens stand for, control tokens as they are written. What comes back is turned into
//! tokens alone, from its bytes: the tokens before it stay what they are. A character may be cut by the end of either side.

use citer_core::{RemoteError, TokenId, Vocabulary};

/// Tokens as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The text, up to the last whole character.
    pub text: String,
    /// The start of a character that the last token leaves unfinished.
    pub held: Vec<u8>,
}

/// What a server's text is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These tokens, at least one.
    Tokens(Vec<TokenId>),
    /// Only the start of a character: more must be asked for.
    Unfinished,
}

/// The text of `tokens`. Bytes that can never become a character are written as U+FFFD.
pub(crate) fn write(vocabulary: &dyn Vocabulary, tokens: &[TokenId]) -> Written {
    let mut bytes = Vec::new();
    for token in tokens {
        match vocabulary.control(*token) {
            Some(control) => bytes.extend(control.into_bytes()),
            None => bytes.extend(vocabulary.bytes(*token)),
        }
    }
    let start = bytes.len() - unfinished(&bytes);
    let held = bytes.split_off(start);
    Written { text: String::from_utf8_lossy(&bytes).into_owned(), held }
}

/// The tokens of what a server said after text that ended with `held`. `stopped` says that its answer ends here, and
/// `last` that no more will be asked for, so that a broken character is an error.
pub(crate) fn read(
    vocabulary: &dyn Vocabulary,
    held: &[u8],
    said: &[u8],
    stopped: bool,
    last: bool,
) -> Result<Piece, RemoteError> {
    let bad = |detail: &str| RemoteError::BadAnswer(detail.into());
    if said.is_empty() {
        return match (stopped, last) {
            (true, _) => Ok(Piece::Tokens(vec![vocabulary.end()])),
            (false, false) => Ok(Piece::Unfinished),
            (false, true) => Err(bad("it has no text")),
        };
    }
    if let Ok(text) = std::str::from_utf8(said)
        && let Some(control) = vocabulary.control_token(text)
    {
        return Ok(Piece::Tokens(vec![control]));
    }
    // Text is cut to whole characters and shows a cut one as U+FFFD.
    let whole = said.len() - unfinished(said);
    let cut = whole < said.len() || said.ends_with("\u{FFFD}".as_bytes());
    if cut && !last && !stopped {
        return Ok(Piece::Unfinished);
    }
    if said.ends_with("\u{FFFD}".as_bytes()) {
        return Err(bad("its text ends inside a character"));
    }
    let rest =
        said.strip_prefix(held).ok_or_else(|| bad("it does not finish the character that the answer ends in"))?;
    if rest.is_empty() {
        return Err(bad("it adds nothing"));
    }
    encode(vocabulary, rest).map(Piece::Tokens)
}

/// Tokens whose bytes are exactly `bytes`.
pub(crate) fn encode(vocabulary: &dyn Vocabulary, bytes: &[u8]) -> Result<Vec<TokenId>, RemoteError> {
    let mut tokens = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let encoded = vocabulary.encode(chunk.valid());
        let back: Vec<u8> = encoded.iter().flat_map(|token| vocabulary.bytes(*token)).collect();
        // A tokenizer may put a space in front of every text; then the bytes say what is meant.
        let (exact, loose) = match back == chunk.valid().as_bytes() {
            true => (encoded, &[][..]),
            false => (Vec::new(), chunk.valid().as_bytes()),
        };
        tokens.extend(exact);
        for byte in loose.iter().chain(chunk.invalid()) {
            let token = vocabulary.byte_token(*byte);
            let missing = || RemoteError::BadAnswer("its text cannot be written in this model's vocabulary".into());
            tokens.push(token.ok_or_else(missing)?);
        }
    }
    Ok(tokens)
}

/// Number of bytes at the end that start a character which is not complete.
fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    match std::str::from_utf8(last) {
        Err(error) if error.error_len().is_none() => last.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens 0..256 are bytes, 256 is " the", 257 is "é", 300 ends a turn.
    struct Bytes {
        spaced: bool,
    }

    impl Vocabulary for Bytes {
        fn bytes(&self, token: TokenId) -> Vec<u8> {
            match token {
                256 => b" the".to_vec(),
                257 => "é".into(),
                300.. => vec![],
                byte => vec![byte as u8],
            }
        }
        fn control(&self, token: TokenId) -> Option<String> {
            (token == 300).then(|| "<|end|>".into())
        }
        fn control_token(&self, text: &str) -> Option<TokenId> {
            (text == "<|end|>").then_some(300)
        }
        fn encode(&self, text: &str) -> Vec<TokenId> {
            let text = if self.spaced && !text.is_empty() { format!(" {text}") } else { text.into() };
            match text.as_str() {
                " the" => vec![256],
                "é" => vec![257],
                other => other.bytes().map(TokenId::from).collect(),
            }
        }
        fn byte_token(&self, byte: u8) -> Option<TokenId> {
            Some(byte.into())
        }
        fn end(&self) -> TokenId {
            300
        }
        fn sha256(&self) -> String {
            String::new()
        }
    }

    const PLAIN: Bytes = Bytes { spaced: false };

    #[test]
    fn history_is_written_with_its_control_tokens_and_holds_back_half_a_character() {
        let written = write(&PLAIN, &[97, 300, 256, 0xF0, 0x9F]);
        assert_eq!(written, Written { text: "a<|end|> the".into(), held: vec![0xF0, 0x9F] });
        assert_eq!(write(&PLAIN, &[0xFF, 97]).text, "\u{FFFD}a");
    }

    #[test]
    fn what_was_said_becomes_tokens_of_its_own() {
        let read = |held: &[u8], said: &[u8], stopped, last| read(&PLAIN, held, said, stopped, last);
        assert_eq!(read(b"", b" the", false, false), Ok(Piece::Tokens(vec![256])));
        assert_eq!(read(b"", b" cat", false, false), Ok(Piece::Tokens(vec![32, 99, 97, 116])));
        assert_eq!(read(b"", b"<|end|>", false, false), Ok(Piece::Tokens(vec![300])));
        assert_eq!(read(b"", b"", true, false), Ok(Piece::Tokens(vec![300])), "the answer ends");
        assert_eq!(read(b"", b"", false, false), Ok(Piece::Unfinished));
        assert!(read(b"", b"", false, true).is_err());
        // The server was not sent the half character, so it says the whole one.
        assert_eq!(read(&[0xF0, 0x9F], "😀!".as_bytes(), false, false), Ok(Piece::Tokens(vec![0x98, 0x80, 33])));
        assert!(read(&[0xF0, 0x9F], b"x", false, false).is_err());
        // The server's own token is half a character.
        assert_eq!(read(b"", "\u{FFFD}".as_bytes(), false, false), Ok(Piece::Unfinished));
        assert!(read(b"", "\u{FFFD}".as_bytes(), false, true).is_err());
        assert_eq!(read(b"", &[0xC3], false, false), Ok(Piece::Unfinished));
        assert_eq!(read(b"", &[0xC3], false, true), Ok(Piece::Tokens(vec![0xC3])));
    }

    #[test]
    fn a_tokenizer_that_adds_a_space_falls_back_to_bytes() {
        assert_eq!(encode(&Bytes { spaced: true }, b"the"), Ok(vec![116, 104, 101]));
        assert_eq!(encode(&PLAIN, b"a\xFF"), Ok(vec![97, 0xFF]));
    }
}
