//! The record of a conversation: versioned JSON, as it is stored and exported. Everything the page shows comes back from it.

use crate::conversation::Conversation;
use crate::exchange::{Exchange, State, Token};
use crate::settings::ConversationSettings;
use citer_core::trace::Part;
use citer_core::{Answer, Settings, TokenId, Trace};
use serde::{Deserialize, Serialize};

/// The word that marks such a file.
pub const FORMAT: &str = "citer-conversation";
/// The version this program writes and reads.
pub const VERSION: u32 = 1;

/// A conversation as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Its name in storage.
    pub id: String,
    /// The title the reader gave it.
    #[serde(default)]
    pub name: String,
    /// Milliseconds since 1970.
    pub created: u64,
    /// Milliseconds since 1970.
    pub updated: u64,
    /// Counts what was stored.
    #[serde(default)]
    pub revision: u64,
    /// What holds for the answers that are still to come.
    #[serde(default)]
    pub settings: ConversationSettings,
    /// The last exchange of the path that is shown, by its place in `exchanges`.
    pub leaf: Option<usize>,
    /// All exchanges; each comes after its parent.
    pub exchanges: Vec<Row>,
}

/// One exchange of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The exchange before it, by its place.
    #[serde(default)]
    pub parent: Option<usize>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub asked: u64,
    /// What was asked.
    pub question: String,
    /// The system prompt that the answer was begun with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub system: String,
    /// The answer's text where nothing else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<String>,
    /// The answer, token by token.
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// What was said about it.
    #[serde(default)]
    pub notices: Vec<String>,
    /// How far it came.
    pub state: State,
    /// How it was made.
    #[serde(default)]
    pub settings: Option<Settings>,
    /// The rest of its trace.
    #[serde(default)]
    pub trace: Option<Rest>,
}

/// What a trace holds beside settings and tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rest {
    /// As in [`Trace`].
    pub prompt: Vec<TokenId>,
    /// As in [`Trace`].
    pub tail: String,
    /// As in [`Trace`].
    pub slm: Option<Part>,
    /// As in [`Trace`].
    pub router: Option<Part>,
    /// As in [`Trace`].
    pub llm: Option<Part>,
    /// As in [`Trace`].
    pub seed: Option<u64>,
}

impl From<&Conversation> for Record {
    fn from(conversation: &Conversation) -> Self {
        let all = conversation.all();
        let place = |id: u64| all.iter().position(|exchange| exchange.id == id);
        Self {
            format: FORMAT.into(),
            version: VERSION,
            id: conversation.id.clone(),
            name: conversation.name.clone(),
            created: conversation.created,
            updated: conversation.updated,
            revision: conversation.revision,
            settings: conversation.settings.clone(),
            leaf: conversation.last().and_then(|last| place(last.id)),
            exchanges: all.iter().map(|exchange| row(exchange, exchange.parent.and_then(place))).collect(),
        }
    }
}

fn row(exchange: &Exchange, parent: Option<usize>) -> Row {
    Row {
        parent,
        asked: exchange.asked,
        question: exchange.question.clone(),
        system: exchange.system.clone(),
        plain: exchange.plain.clone(),
        tokens: exchange.tokens.clone(),
        notices: exchange.notices.clone(),
        state: exchange.state.clone(),
        settings: exchange.settings.clone(),
        trace: exchange.trace.as_ref().map(|trace| Rest {
            prompt: trace.prompt.clone(),
            tail: trace.tail.clone(),
            slm: trace.slm.clone(),
            router: trace.router.clone(),
            llm: trace.llm.clone(),
            seed: trace.seed,
        }),
    }
}

impl Record {
    /// The record as JSON.
    ///
    /// # Errors
    /// None for a conversation of the page.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The conversation, its exchanges numbered by `number`.
    ///
    /// # Errors
    /// What contradicts itself in the record, in words.
    pub fn open(self, mut number: impl FnMut() -> u64) -> Result<Conversation, String> {
        let mut exchanges: Vec<Exchange> = Vec::with_capacity(self.exchanges.len());
        for (place, row) in self.exchanges.into_iter().enumerate() {
            let parent = match row.parent {
                Some(parent) if parent >= place => {
                    return Err(format!("question {place} comes before what it follows"));
                }
                Some(parent) => Some(exchanges[parent].id),
                None => None,
            };
            exchanges.push(row.open(number(), parent).map_err(|what| format!("question {place}: {what}"))?);
        }
        let leaf = match self.leaf {
            Some(leaf) => {
                Some(exchanges.get(leaf).ok_or(format!("it ends in question {leaf}, which is not there"))?.id)
            }
            None => exchanges.last().map(|last| last.id),
        };
        let mut conversation = Conversation::of(exchanges, leaf);
        conversation.id = self.id;
        conversation.name = self.name;
        conversation.created = self.created;
        conversation.updated = self.updated;
        conversation.revision = self.revision;
        conversation.settings = self.settings;
        Ok(conversation)
    }
}

impl Row {
    fn open(self, id: u64, parent: Option<u64>) -> Result<Exchange, String> {
        for (place, token) in self.tokens.iter().enumerate() {
            if token.event.index != place {
                return Err(format!("token {place} has index {}", token.event.index));
            }
        }
        // An answer that was on its way when the page was closed has ended there.
        let state = match self.state {
            State::Waiting | State::Streaming => State::Interrupted,
            state => state,
        };
        let split = self.tokens.iter().map(|token| &token.event).collect();
        let mut notices = self.notices;
        let trace = match (&state, &self.settings, self.trace) {
            (State::Finished(finish), Some(settings), Some(rest)) => {
                let events = self.tokens.iter().map(|token| token.event.clone()).collect();
                let mut trace = Trace::new(&rest.prompt, settings, Answer { events, tail: rest.tail, finish: *finish });
                (trace.slm, trace.router, trace.llm, trace.seed) = (rest.slm, rest.router, rest.llm, rest.seed);
                // The text is there whatever is wrong with its record.
                match trace.to_json().and_then(|json| Trace::parse(&json)) {
                    Ok(trace) => Some(trace),
                    Err(error) => {
                        let notice = format!("This answer has no trace: {error}.");
                        if !notices.contains(&notice) {
                            notices.push(notice);
                        }
                        None
                    }
                }
            }
            _ => None,
        };
        Ok(Exchange {
            id,
            parent,
            asked: self.asked,
            question: self.question,
            system: self.system,
            tokens: self.tokens,
            plain: self.plain,
            read: None,
            notices,
            state,
            settings: self.settings,
            split,
            trace,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::tests::branched;

    #[test]
    fn a_conversation_comes_back_from_its_record() {
        let mut conversation = branched();
        conversation.settings =
            ConversationSettings { system: "Be brief.".into(), seed: Some(4), ..Default::default() };
        let json = Record::from(&conversation).to_json().unwrap();
        let record: Record = serde_json::from_str(&json).unwrap();
        assert_eq!((&record.settings, &record.exchanges[0].system), (&conversation.settings, &String::new()));
        let mut number = 100;
        let back = record
            .open(|| {
                number += 1;
                number
            })
            .unwrap();
        assert_eq!(Record::from(&back), Record::from(&conversation));
        assert_eq!(back.ids().len(), conversation.ids().len());
        assert_eq!(back.split(), conversation.split());
        assert_eq!(back.last().map(Exchange::text), conversation.last().map(Exchange::text));
        assert!(back.last().unwrap().trace.is_some());
    }

    #[test]
    fn an_answer_that_was_on_its_way_is_interrupted_and_keeps_its_tokens() {
        let mut conversation = branched();
        conversation.ask(77, "and then?", 9);
        conversation.begin(77, Settings::default());
        conversation.add_token(77, crate::conversation::tests::token(0, "so", citer_core::Source::Local));
        let mut number = 0;
        let back = Record::from(&conversation)
            .open(|| {
                number += 1;
                number
            })
            .unwrap();
        assert_eq!((&back.last().unwrap().state, back.last().unwrap().text().as_str()), (&State::Interrupted, "so"));
    }

    #[test]
    fn an_answer_whose_record_contradicts_itself_keeps_its_text_and_says_so() {
        let mut record = Record::from(&branched());
        record.leaf = Some(0);
        record.exchanges[0].tokens[0].event.threshold = 0.9;
        let mut number = 0;
        let back = record.open(|| {
            number += 1;
            number
        });
        let back = back.unwrap();
        let first = back.last().unwrap();
        assert_eq!((first.text().as_str(), first.trace.is_none()), ("One.", true));
        assert!(first.notices[0].contains("threshold"), "{:?}", first.notices);
    }

    #[test]
    fn contradictions_are_refused() {
        let good = Record::from(&branched());
        let spoil = |spoil: fn(&mut Record)| {
            let mut record = good.clone();
            spoil(&mut record);
            record.open(|| 1).unwrap_err()
        };
        assert!(spoil(|record| record.leaf = Some(9)).contains("not there"));
        assert!(spoil(|record| record.exchanges[0].parent = Some(0)).contains("comes before"));
        assert!(spoil(|record| record.exchanges[0].tokens[0].event.index = 3).contains("index 3"));
    }
}
