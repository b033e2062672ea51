//! The announcer: tells a screen reader the answer sentence by sentence. The text that streams is no live region itself: it
//! would be read token by token.

use crate::chat::Chat;
use leptos::prelude::*;

/// How far an answer is announced.
#[derive(Clone, Copy, Default)]
struct Said {
    answer: u64,
    bytes: usize,
}

/// The live region; it is not seen.
#[component]
pub fn Announcer() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let words = RwSignal::new(String::new());
    Effect::new(move |said: Option<Said>| {
        let said = said.unwrap_or_default();
        chat.conversation.with(|conversation| {
            let Some(last) = conversation.last() else { return Said::default() };
            let text = last.text();
            if last.id != said.answer && !last.is_open() {
                // An answer that was there before is read by whoever goes to it.
                return Said { answer: last.id, bytes: text.len() };
            }
            let from = if last.id == said.answer { said.bytes } else { 0 };
            let rest = text.get(from..).unwrap_or_default();
            let end = if last.is_open() { whole_sentences(rest) } else { rest.len() };
            if !rest[..end].trim().is_empty() {
                words.set(rest[..end].trim().to_owned());
            }
            Said { answer: last.id, bytes: from + end }
        })
    });
    view! { <p class="hidden" id="announcer" aria-live="polite">{move || words.get()}</p> }
}

/// Bytes of `text` up to the end of its last whole sentence or line.
fn whole_sentences(text: &str) -> usize {
    let mut letters = text.char_indices().peekable();
    let mut end = 0;
    while let Some((at, letter)) = letters.next() {
        let is_last = letters.peek().is_some_and(|(_, next)| next.is_whitespace());
        if letter == '\n' || (matches!(letter, '.' | '!' | '?') && is_last) {
            end = at + letter.len_utf8();
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_sentences_are_announced() {
        assert_eq!(whole_sentences("It is 3.5. So"), "It is 3.5.".len());
        assert_eq!(whole_sentences("Line\nnext"), 5);
        assert_eq!(whole_sentences("Not yet."), 0);
        assert_eq!(whole_sentences(""), 0);
    }
}
