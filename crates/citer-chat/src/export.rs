//! Export: a conversation as Markdown for people, and one or many as JSON with everything.

use crate::conversation::Conversation;
use crate::exchange::Exchange;
use crate::record::Record;
use citer_core::{TokenId, Trace};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The word that marks a file of many conversations.
pub const FORMAT: &str = "citer-conversations";
/// Before a question in Markdown.
pub const QUESTION: &str = "<!-- citer:question -->";
/// Before the system prompt in Markdown.
pub const SYSTEM: &str = "<!-- citer:system -->";
/// Before an answer in Markdown.
pub const ANSWER: &str = "<!-- citer:answer -->";

/// Many conversations in one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    /// [`FORMAT`].
    pub format: String,
    /// The version of the records.
    pub version: u32,
    /// The conversations.
    pub conversations: Vec<Record>,
}

/// The trace of a finished answer as JSON, with its question and the texts of all tokens in it, so that whoever opens it
/// sees what was seen here. It reads as a [`citer_core::Trace`] too.
pub fn trace(exchange: &Exchange) -> Option<String> {
    #[derive(Serialize)]
    struct Full<'a> {
        #[serde(flatten)]
        trace: &'a Trace,
        question: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        system: &'a str,
        texts: BTreeMap<TokenId, &'a str>,
    }
    let mut texts = BTreeMap::new();
    for token in &exchange.tokens {
        let candidates = token.event.local.iter().zip(&token.local_text);
        let candidates = candidates.chain(token.event.remote.iter().zip(&token.remote_text));
        texts.extend(candidates.map(|(candidate, text)| (candidate.id, text.as_str())));
    }
    let full = Full { trace: exchange.trace.as_ref()?, question: &exchange.question, system: &exchange.system, texts };
    serde_json::to_string(&full).ok()
}

/// Many conversations as JSON.
///
/// # Errors
/// None for conversations of the page.
pub fn archive(conversations: Vec<Record>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Archive { format: FORMAT.into(), version: crate::record::VERSION, conversations })
}

/// The path that is shown, as Markdown.
pub fn markdown(conversation: &Conversation) -> String {
    let mut text = format!("# {}\n", conversation.title());
    if !conversation.settings.system.is_empty() {
        let _ = write!(text, "\n## System prompt\n\n{SYSTEM}\n{}\n", guard(&conversation.settings.system));
    }
    for exchange in conversation.shown() {
        let split = &exchange.split;
        // Writing into a string cannot fail.
        let _ = write!(text, "\n## You\n\n{QUESTION}\n{}\n", guard(&exchange.question));
        let made = match split.tokens() {
            0 => String::new(),
            tokens => format!(
                " ({tokens} tokens: {} local, {} agreed, {} remote, {} forced)",
                split.local, split.agreed, split.remote, split.forced
            ),
        };
        let _ = write!(text, "\n## Answer{made}\n\n{ANSWER}\n{}\n", guard(&exchange.text()));
    }
    text
}

/// A text that holds the marks themselves must not be cut at them when it is read again.
fn guard(text: &str) -> String {
    text.replace("<!-- citer:", "<!-- \\citer:")
}

/// The text that [`guard`] was given.
pub(crate) fn unguard(text: &str) -> String {
    text.replace("<!-- \\citer:", "<!-- citer:")
}

/// A file's name out of a title.
pub fn file_name(title: &str, ending: &str) -> String {
    let mut name: String = title.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).take(40).collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    let name = name.trim_matches('-').to_lowercase();
    format!("{}.{ending}", if name.is_empty() { "conversation" } else { &name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_file_is_a_trace_and_brings_the_question_back() {
        let conversation = crate::conversation::tests::branched();
        let exchange = conversation.last().unwrap();
        let json = trace(exchange).unwrap();
        assert_eq!(Some(&Trace::parse(&json).unwrap()), exchange.trace.as_ref());
        let told = Exchange { system: "Be brief.".into(), ..exchange.clone() };
        let opened = crate::import(&trace(&told).unwrap(), "x", || 1).unwrap().remove(0);
        assert_eq!(opened.last().unwrap().system, "Be brief.");
        let opened = crate::import(&json, "x", || 1).unwrap().remove(0);
        assert_eq!(
            (&opened.last().unwrap().question, opened.last().unwrap().text()),
            (&exchange.question, exchange.text())
        );
    }

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_name("What is 1 + 1? / ../x", "md"), "what-is-1-1-x.md");
        assert_eq!(file_name("??", "json"), "conversation.json");
    }
}
