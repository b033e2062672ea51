//! The trace: the full record of a finished answer as versioned JSON, which replays without any model.

use crate::{
    answer::{Answer, Finish, join},
    event::{Source, TokenEvent, TokenId},
    settings::{Mode, Settings, is_critical},
    split::Split,
};
use serde::{Deserialize, Serialize};

/// A model or router that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Hash of its weights, in hexadecimal; `None` when it runs elsewhere and is not known.
    pub hash: Option<String>,
}

/// Name of the router of an answer whose model has none: the entropy of its next token, calibrated, stands in for one.
pub const ENTROPY: &str = "calibrated entropy";

/// A finished answer with everything that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Version of this format: [`Trace::VERSION`].
    pub version: u32,
    /// The prompt's ids.
    pub prompt: Vec<TokenId>,
    /// How the answer was made.
    pub settings: Settings,
    /// Its tokens in order.
    pub events: Vec<TokenEvent>,
    /// U+FFFD when the last token left a UTF-8 character unfinished, else empty.
    #[serde(default)]
    pub tail: String,
    /// Why it ended.
    pub finish: Finish,
    /// The small model.
    #[serde(default)]
    pub slm: Option<Part>,
    /// The router.
    #[serde(default)]
    pub router: Option<Part>,
    /// The large model.
    #[serde(default)]
    pub llm: Option<Part>,
    /// Seed of the sampling that `settings` describe; `None` when greedy.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// Why a text is not a trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Not JSON, or not of this shape.
    #[error("this is not a trace ({0}): open a file that was saved from an answer")]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("this trace has format version {0} and this program reads version {known}: use a matching program",
        known = Trace::VERSION)]
    Version(u64),
    /// The parts contradict each other.
    #[error("this trace contradicts itself ({0}): it was edited or damaged; save it again from the answer")]
    Inconsistent(String),
}

impl Trace {
    /// The format version this program writes and reads.
    pub const VERSION: u32 = 1;

    /// The record of `answer`; who took part can be added to the fields.
    pub fn new(prompt: &[TokenId], settings: &Settings, answer: Answer) -> Self {
        Self {
            version: Self::VERSION,
            prompt: prompt.to_vec(),
            settings: settings.clone(),
            events: answer.events,
            tail: answer.tail,
            finish: answer.finish,
            slm: None,
            router: None,
            llm: None,
            seed: settings.sampling.draws().then_some(settings.sampling.seed),
        }
    }

    /// Reads a trace.
    ///
    /// # Errors
    /// Text that is not a trace, another format version, or contents that contradict each other.
    pub fn parse(json: &str) -> Result<Self, TraceError> {
        #[derive(Deserialize)]
        struct Header {
            version: u64,
        }
        let Header { version } = serde_json::from_str(json)?;
        if version != u64::from(Self::VERSION) {
            return Err(TraceError::Version(version));
        }
        let trace: Self = serde_json::from_str(json)?;
        trace.check().map_err(TraceError::Inconsistent)?;
        Ok(trace)
    }

    /// The trace as one line of JSON.
    ///
    /// # Errors
    /// None for a trace made by the decoder.
    pub fn to_json(&self) -> Result<String, TraceError> {
        Ok(serde_json::to_string(self)?)
    }

    /// The answer's events again, as they were emitted.
    pub fn replay(&self) -> impl Iterator<Item = &TokenEvent> {
        self.events.iter()
    }

    /// The answer's text.
    pub fn text(&self) -> String {
        join(&self.events, &self.tail)
    }

    /// The answer's ids, the end-of-turn token included.
    pub fn ids(&self) -> Vec<TokenId> {
        self.events.iter().map(|event| event.id).collect()
    }

    /// Who made how much of it.
    pub fn split(&self) -> Split {
        self.events.iter().collect()
    }

    fn check(&self) -> Result<(), String> {
        let (tokens, limit) = (self.events.len(), self.settings.max_tokens);
        if self.prompt.is_empty() {
            return Err("the prompt is empty".into());
        }
        if tokens > limit || (self.finish == Finish::Length && tokens != limit) {
            return Err(format!("{tokens} tokens under a limit of {limit} with finish {:?}", self.finish));
        }
        if self.finish == Finish::End && tokens == 0 {
            return Err("it ended by itself without a token".into());
        }
        self.events.iter().enumerate().try_for_each(|(place, event)| self.check_event(place, event))
    }

    fn check_event(&self, place: usize, event: &TokenEvent) -> Result<(), String> {
        if event.index != place {
            return Err(format!("event {place} has index {}", event.index));
        }
        if self.settings.target_share.is_none() && event.threshold != self.settings.threshold {
            return Err(format!("event {place} has threshold {}", event.threshold));
        }
        // A critical score must have led to an attempt. The reverse does not hold: a score that was not a number
        // is critical at any threshold and recorded as 0.
        let local = event.source == Source::Local;
        let possible = match self.settings.mode {
            Mode::LocalOnly => local,
            Mode::Router => !local || !is_critical(event.score, event.threshold),
            Mode::RemoteOnly => !local,
        };
        if !possible {
            return Err(format!("event {place} cannot be {:?} in mode {:?}", event.source, self.settings.mode));
        }
        if !event.source.is_remote() && !event.remote.is_empty() {
            return Err(format!("event {place} has remote candidates without a remote answer"));
        }
        Ok(())
    }
}
