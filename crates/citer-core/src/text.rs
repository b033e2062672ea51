//! Text that grows token by token: a token may end inside a UTF-8 character, so unfinished bytes wait.

/// Turns token bytes into text as soon as it is complete. All pieces and the rest joined equal
/// `String::from_utf8_lossy` of all bytes.
#[derive(Clone, Debug, Default)]
pub struct Utf8Stream {
    /// Start of a character that is not complete yet; at most three bytes.
    held: Vec<u8>,
}

impl Utf8Stream {
    /// Adds a token's bytes and returns the text that is now complete. Bytes that can never become a character
    /// turn into U+FFFD; an unfinished character is held back.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::new();
        let mut read = 0;
        for chunk in self.held.utf8_chunks() {
            text.push_str(chunk.valid());
            read += chunk.valid().len();
            let broken = chunk.invalid();
            if broken.is_empty() || is_unfinished(&self.held[read..]) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            read += broken.len();
        }
        self.held.drain(..read);
        text
    }

    /// Ends the text: an unfinished character becomes U+FFFD, otherwise the result is empty.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned()
    }
}

/// Whether more bytes could make `bytes` start with a character.
fn is_unfinished(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn holds_a_character_until_its_last_byte() {
        let mut stream = Utf8Stream::default();
        let bytes = "a😀".as_bytes();
        assert_eq!(stream.push(&bytes[..2]), "a");
        assert_eq!(stream.push(&bytes[2..4]), "");
        assert_eq!(stream.push(&bytes[4..]), "😀");
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn replaces_broken_bytes_at_once_and_an_unfinished_character_at_the_end() {
        let mut stream = Utf8Stream::default();
        assert_eq!(stream.push(b"a\xFFb\xF0\x9F"), "a\u{FFFD}b");
        assert_eq!(stream.push(b"c\xC3"), "\u{FFFD}c");
        assert_eq!(stream.finish(), "\u{FFFD}");
        assert_eq!(stream.finish(), "");
    }

    /// Bytes that are often parts of characters, so that splits fall inside them.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..6),
            prop::collection::vec(prop::sample::select("é€😀".as_bytes().to_vec()), 0..6),
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
        ]
    }

    proptest! {
        #[test]
        fn no_text_is_lost_however_the_bytes_are_cut(pieces in prop::collection::vec(piece(), 0..24)) {
            let mut stream = Utf8Stream::default();
            let mut text: String = pieces.iter().map(|piece| stream.push(piece)).collect();
            prop_assert!(stream.held.len() <= 3);
            text.push_str(&stream.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&pieces.concat()).into_owned());
        }

        #[test]
        fn valid_text_comes_back_unchanged(text in ".*", cut in 1usize..4) {
            let mut stream = Utf8Stream::default();
            let back: String = text.as_bytes().chunks(cut).map(|piece| stream.push(piece)).collect();
            prop_assert_eq!(back, text);
            prop_assert_eq!(stream.finish(), "");
        }
    }
}
