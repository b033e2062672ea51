//! Import: conversations from JSON or Markdown, and traces. A file that cannot be read is refused as a whole and says why.

use crate::conversation::Conversation;
use crate::exchange::{Exchange, State, Token};
use crate::export::{ANSWER, Archive, QUESTION, SYSTEM, unguard};
use crate::record::{self, Record};
use citer_core::{Finish, TokenId, Trace};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Why a file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not JSON and not Markdown of ours.
    #[error("this is no conversation and no trace: choose a JSON or Markdown file that was exported here, or a trace")]
    Unknown,
    /// JSON that is damaged or of another kind.
    #[error("this file cannot be read ({0}): it is damaged or was made by another program; export it again")]
    Json(String),
    /// Written by another version.
    #[error("this file has format version {0} and this page reads version {known}: use the page that wrote it",
        known = record::VERSION)]
    Version(u32),
    /// The parts contradict each other.
    #[error("this file contradicts itself ({0}): it was edited or damaged; export it again")]
    Contradiction(String),
    /// A trace that is none.
    #[error("{0}")]
    Trace(#[from] citer_core::TraceError),
    /// Nothing in it.
    #[error("this file holds no conversation: choose another one")]
    Empty,
}

/// What a trace file may say beside the trace itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside {
    question: Option<String>,
    system: String,
    texts: BTreeMap<TokenId, String>,
}

/// Reads a file: one conversation, many, or a trace, which becomes a conversation of one answer.
///
/// # Errors
/// A file that is none of these, or is damaged. Then nothing is imported.
pub fn import(text: &str, name: &str, mut number: impl FnMut() -> u64) -> Result<Vec<Conversation>, ImportError> {
    #[derive(Deserialize)]
    struct Header {
        #[serde(default)]
        format: String,
        version: Option<u32>,
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with('{') {
        return from_markdown(text, number).map(|conversation| vec![conversation]);
    }
    let json = |error: serde_json::Error| ImportError::Json(error.to_string());
    let Header { format, version } = serde_json::from_str(text).map_err(json)?;
    let records = match format.as_str() {
        record::FORMAT => {
            check(version)?;
            vec![serde_json::from_str::<Record>(text).map_err(json)?]
        }
        crate::export::FORMAT => {
            check(version)?;
            serde_json::from_str::<Archive>(text).map_err(json)?.conversations
        }
        "" if version.is_some() => return Ok(vec![from_trace(text, name, number())?]),
        _ => return Err(ImportError::Unknown),
    };
    if records.iter().all(|record| record.exchanges.is_empty()) {
        return Err(ImportError::Empty);
    }
    records
        .into_iter()
        .map(|record| {
            check(Some(record.version))?;
            let mut conversation = record.open(&mut number).map_err(ImportError::Contradiction)?;
            // It becomes a conversation of its own, whatever is stored under its name here.
            (conversation.id, conversation.revision) = (String::new(), 0);
            Ok(conversation)
        })
        .collect()
}

fn check(version: Option<u32>) -> Result<(), ImportError> {
    match version {
        Some(record::VERSION) => Ok(()),
        other => Err(ImportError::Version(other.unwrap_or_default())),
    }
}

/// The question is known only where the file says it.
fn from_trace(text: &str, name: &str, id: u64) -> Result<Conversation, ImportError> {
    let trace = Trace::parse(text)?;
    let Beside { question, system, mut texts } = serde_json::from_str(text).unwrap_or_default();
    for event in &trace.events {
        texts.entry(event.id).or_insert_with(|| event.text.clone());
    }
    let known = |ids: &[citer_core::Candidate]| -> Vec<String> {
        let text = |id: TokenId| texts.get(&id).cloned().unwrap_or_else(|| format!("#{id}"));
        ids.iter().map(|candidate| text(candidate.id)).collect()
    };
    let token = |event: &citer_core::TokenEvent| Token {
        event: event.clone(),
        local_text: known(&event.local),
        remote_text: known(&event.remote),
        server: None,
    };
    let question =
        question.unwrap_or_else(|| format!("({} tokens that the trace holds as numbers)", trace.prompt.len()));
    let mut exchange = Exchange::new(id, None, &question, 0);
    exchange.system = system;
    exchange.tokens = trace.events.iter().map(token).collect();
    exchange.split = trace.split();
    exchange.settings = Some(trace.settings.clone());
    exchange.state = State::Finished(trace.finish);
    exchange.trace = Some(trace);
    let mut conversation = Conversation::of(vec![exchange], Some(id));
    conversation.name = name.to_owned();
    Ok(conversation)
}

fn from_markdown(text: &str, mut number: impl FnMut() -> u64) -> Result<Conversation, ImportError> {
    let mut parts = text.split(QUESTION);
    let head = parts.next().unwrap_or_default();
    let title = head.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default().trim().to_owned();
    let mut conversation = Conversation::default();
    if let Some((_, system)) = head.split_once(SYSTEM) {
        conversation.settings.system = unguard(without_heading(system, "\n## You"));
    }
    for part in parts {
        let (question, answer) = part.split_once(ANSWER).ok_or(ImportError::Unknown)?;
        // The heading of what follows stands at the end of each part.
        let question = without_heading(question, "\n## Answer");
        let answer = without_heading(answer, "\n## You");
        let mut exchange = Exchange::new(number(), None, &unguard(question), 0);
        exchange.plain = Some(unguard(answer));
        exchange.state = State::Finished(Finish::End);
        conversation.add_finished(exchange);
    }
    if conversation.is_empty() {
        return Err(ImportError::Unknown);
    }
    conversation.name = title;
    Ok(conversation)
}

fn without_heading<'a>(text: &'a str, heading: &str) -> &'a str {
    text.rfind(heading).filter(|at| !text[at + 1..].trim().contains('\n')).map_or(text, |at| &text[..at]).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::tests::branched;
    use crate::export::{archive, markdown};

    fn numbers() -> impl FnMut() -> u64 {
        let mut number = 10;
        move || {
            number += 1;
            number
        }
    }

    #[test]
    fn json_comes_back_whole() {
        let conversation = branched();
        let record = Record::from(&conversation);
        let one = import(&record.to_json().unwrap(), "x.json", numbers()).unwrap();
        assert_eq!(Record::from(&one[0]).exchanges, record.exchanges);
        let many = archive(vec![record.clone(), record.clone()]).unwrap();
        let many = import(&many, "x.json", numbers()).unwrap();
        assert_eq!(many.len(), 2);
        assert_ne!(many[0].ids(), many[1].ids(), "numbers are not used twice");
    }

    #[test]
    fn markdown_comes_back_as_text_even_with_its_own_marks_in_it() {
        let mut conversation = branched();
        conversation.settings.system = format!("Say\n\n## You\n{SYSTEM}\ntwice");
        let odd = format!("What does\n## Answer\n{QUESTION}\nmean?");
        conversation.ask(50, &odd, 3);
        let back = import(&markdown(&conversation), "x.md", numbers()).unwrap().remove(0);
        let texts = |conversation: &Conversation| {
            conversation.shown().map(|e| (e.question.clone(), e.text().trim().to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(texts(&back), texts(&conversation));
        assert_eq!(back.title(), conversation.title());
        assert_eq!(back.settings.system, conversation.settings.system);
    }

    #[test]
    fn a_trace_becomes_an_answer_with_the_texts_it_knows() {
        let trace = branched().last().unwrap().trace.clone().unwrap();
        let opened = import(&trace.to_json().unwrap(), "trace.json", numbers()).unwrap().remove(0);
        let last = opened.last().unwrap();
        assert_eq!((last.text(), last.trace.as_ref()), (trace.text(), Some(&trace)));
        assert_eq!(opened.title(), "trace.json");
        let beside = trace.to_json().unwrap().replacen('{', r#"{"question":"why?","texts":{"9":"nine"},"#, 1);
        let opened = import(&beside, "trace.json", numbers()).unwrap().remove(0);
        assert_eq!(opened.last().unwrap().question, "why?");
    }

    #[test]
    fn bad_files_are_refused_with_the_reason() {
        let say = |text: &str| import(text, "x", numbers()).unwrap_err().to_string();
        assert!(say("").contains("no conversation"));
        assert!(say("# My shopping list\n- milk").contains("no conversation"));
        assert!(say("{\"format\":").contains("cannot be read"));
        assert!(say("{}").contains("no conversation"));
        let good = Record::from(&branched()).to_json().unwrap();
        assert!(say(&good.replace("\"version\":1", "\"version\":7")).contains("version"));
        assert!(say(&good[..good.len() / 2]).contains("cannot be read"));
        assert!(say(&good.replace("\"index\":0", "\"index\":4")).contains("contradicts"));
        let empty = archive(vec![]).unwrap();
        assert!(say(&empty).contains("holds no conversation"));
    }
}
