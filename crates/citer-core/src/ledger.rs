//! The ledger: a row for everything that was asked of a network, and what of a conversation it disclosed.

use crate::event::{ForcedReason, Source, TokenEvent};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Most rows that are kept; the oldest go first, and how many went is told.
pub const MOST: usize = 2_000;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A critical token.
    Token,
    /// Whether a server is there and what it can do.
    Probe,
    /// A model's files.
    Download,
    /// Anything else that the page wanted.
    Other,
}

impl Purpose {
    /// All, in the order they are listed.
    pub const ALL: [Self; 4] = [Self::Token, Self::Probe, Self::Download, Self::Other];

    /// As it is written in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Probe => "probe",
            Self::Download => "download",
            Self::Other => "other",
        }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It served its purpose.
    Done,
    /// The LLM gave the SLM's own token: nothing was gained.
    Agreed,
    /// The LLM gave another token.
    Replaced,
    /// It was made in vain.
    Failed,
    /// It was not let out of the device.
    Refused,
}

impl Outcome {
    /// As it is written in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Agreed => "agreed",
            Self::Replaced => "replaced",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// When it ended, in milliseconds since 1970.
    pub time: f64,
    /// Who was asked: scheme, host and port.
    pub endpoint: String,
    /// What for.
    pub purpose: Purpose,
    /// The conversation it belongs to.
    #[serde(default)]
    pub conversation: Option<String>,
    /// Request bytes; `None` where nobody counted them.
    #[serde(default)]
    pub bytes_sent: Option<u64>,
    /// Response bytes.
    #[serde(default)]
    pub bytes_received: Option<u64>,
    /// Token ids sent.
    #[serde(default)]
    pub tokens_sent: u64,
    /// Of those, found in the server's cache.
    #[serde(default)]
    pub tokens_cached: u64,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub ms: f64,
    /// How it went: `ok`, or what went wrong.
    pub status: String,
    /// What came of it.
    pub outcome: Outcome,
}

impl Row {
    /// The row of a token's request; `None` for a token that nobody was asked for.
    pub fn of_token(event: &TokenEvent, endpoint: &str, conversation: &str, time: f64) -> Option<Self> {
        if !event.source.was_asked() || event.reserved {
            return None;
        }
        let (status, outcome) = match event.source {
            Source::Forced(reason) => (reason_name(reason), Outcome::Failed),
            Source::Agreed => ("ok", Outcome::Agreed),
            Source::Local | Source::Remote => ("ok", Outcome::Replaced),
        };
        // A request that failed carries no counts, and was perhaps never sent.
        let counted = outcome != Outcome::Failed || event.bytes_sent > 0;
        Some(Self {
            time,
            endpoint: endpoint.to_owned(),
            purpose: Purpose::Token,
            conversation: Some(conversation.to_owned()).filter(|name| !name.is_empty()),
            bytes_sent: counted.then_some(event.bytes_sent),
            bytes_received: counted.then_some(event.bytes_received),
            tokens_sent: event.tokens_sent,
            tokens_cached: event.tokens_cached,
            ms: event.wait_ms,
            status: status.to_owned(),
            outcome,
        })
    }

    /// Tokens that the server had to compute.
    pub fn tokens_computed(&self) -> u64 {
        self.tokens_sent.saturating_sub(self.tokens_cached)
    }
}

fn reason_name(reason: ForcedReason) -> &'static str {
    match reason {
        ForcedReason::NoRemote => "no server",
        ForcedReason::Unreachable => "unreachable",
        ForcedReason::Timeout => "timeout",
        ForcedReason::Busy => "busy",
        ForcedReason::BadAnswer => "unusable answer",
        ForcedReason::Budget => "budget",
        ForcedReason::Cooldown => "cooldown",
    }
}

/// Which rows are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this purpose.
    pub purpose: Option<Purpose>,
    /// Only those of this conversation.
    pub conversation: Option<String>,
    /// Only those that failed or were refused.
    pub failures: bool,
}

impl Filter {
    /// Whether a row is shown.
    pub fn shows(&self, row: &Row) -> bool {
        self.purpose.is_none_or(|purpose| row.purpose == purpose)
            && (self.conversation.is_none() || self.conversation == row.conversation)
            && (!self.failures || matches!(row.outcome, Outcome::Failed | Outcome::Refused))
    }
}

/// Sums over rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests.
    pub requests: u64,
    /// Of those, refused on the device.
    pub refused: u64,
    /// Bytes sent, as far as they were counted.
    pub bytes_sent: u64,
    /// Bytes received, as far as they were counted.
    pub bytes_received: u64,
    /// Token ids sent.
    pub tokens_sent: u64,
    /// Of those, found in a server's cache.
    pub tokens_cached: u64,
}

/// All rows, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    rows: VecDeque<Row>,
    /// Rows that had to go for newer ones.
    #[serde(default)]
    forgotten: u64,
}

impl Ledger {
    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Text that is no ledger.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Adds a row.
    pub fn add(&mut self, row: Row) {
        if self.rows.len() >= MOST {
            self.rows.pop_front();
            self.forgotten += 1;
        }
        self.rows.push_back(row);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The rows that `filter` shows, newest first.
    pub fn shown<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().rev().filter(|row| filter.shows(row))
    }

    /// Requests of all time, refused ones not counted.
    pub fn requests(&self) -> u64 {
        let refused = self.rows.iter().filter(|row| row.outcome == Outcome::Refused).count() as u64;
        self.rows.len() as u64 - refused + self.forgotten
    }

    /// Rows that had to go for newer ones.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Sums over the rows that `filter` shows.
    pub fn totals(&self, filter: &Filter) -> Totals {
        let mut totals = Totals::default();
        for row in self.shown(filter) {
            totals.requests += 1;
            totals.refused += u64::from(row.outcome == Outcome::Refused);
            totals.bytes_sent = totals.bytes_sent.saturating_add(row.bytes_sent.unwrap_or_default());
            totals.bytes_received = totals.bytes_received.saturating_add(row.bytes_received.unwrap_or_default());
            totals.tokens_sent = totals.tokens_sent.saturating_add(row.tokens_sent);
            totals.tokens_cached = totals.tokens_cached.saturating_add(row.tokens_cached);
        }
        totals
    }

    /// Everything as JSON.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The rows as a table with a header, oldest first. Texts that a spreadsheet would take for a formula are quoted.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from(
            "time_ms,endpoint,purpose,conversation,bytes_sent,bytes_received,tokens_sent,tokens_cached,tokens_computed,\
             ms,status,outcome\n",
        );
        for row in &self.rows {
            let count = |count: Option<u64>| count.map_or_else(String::new, |count| count.to_string());
            let cells = [
                format!("{:.0}", row.time),
                cell(&row.endpoint),
                row.purpose.name().to_owned(),
                cell(row.conversation.as_deref().unwrap_or_default()),
                count(row.bytes_sent),
                count(row.bytes_received),
                row.tokens_sent.to_string(),
                row.tokens_cached.to_string(),
                row.tokens_computed().to_string(),
                format!("{:.1}", row.ms),
                cell(&row.status),
                row.outcome.name().to_owned(),
            ];
            csv.push_str(&cells.join(","));
            csv.push('\n');
        }
        csv
    }
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    let formula = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if formula.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{formula}{}\"", text.replace('"', "\"\""))
}

/// How much of a conversation a server has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disclosure {
    /// Bytes of its text that were sent.
    pub seen: u64,
    /// Bytes of its text.
    pub all: u64,
}

/// An answer as [`disclosure`] reads it: its system prompt, its question and its tokens.
pub type Asked<'a, E> = (&'a str, &'a str, E);

/// What of a conversation was sent: of an answer, everything before its last token that was asked for, its question
/// included, whether the request succeeded or not. With `history` a question takes along all that was said before. A system
/// prompt goes along with every question and counts once.
pub fn disclosure<'a, E>(exchanges: impl IntoIterator<Item = Asked<'a, E>>, history: bool) -> Disclosure
where
    E: IntoIterator<Item = &'a TokenEvent>,
{
    let mut total = Disclosure::default();
    let mut systems = BTreeMap::new();
    for (system, question, events) in exchanges {
        let mut so_far = question.len() as u64;
        let mut seen = 0;
        for event in events {
            if event.source.was_asked() {
                seen = so_far;
            }
            so_far += event.text.len() as u64;
        }
        *systems.entry(system).or_insert(false) |= seen > 0;
        if seen > 0 {
            total.seen = if history { total.all + seen } else { total.seen + seen };
        }
        total.all += so_far;
    }
    for (system, was_seen) in systems {
        let length = system.len() as u64;
        total.all += length;
        total.seen += if was_seen { length } else { 0 };
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(source: Source, text: &str) -> TokenEvent {
        let json = serde_json::json!({
            "index": 0, "id": 1, "text": text, "source": source, "score": 0.2, "threshold": 0.5, "local": [], "remote": [],
            "compute_ms": 1.0, "wait_ms": 9.0, "bytes_sent": 100, "bytes_received": 40, "tokens_sent": 12,
            "tokens_cached": 10,
        });
        serde_json::from_value(json).unwrap()
    }

    fn row(purpose: Purpose, outcome: Outcome) -> Row {
        Row {
            purpose,
            outcome,
            ..Row::of_token(&event(Source::Remote, "a"), "https://llm.example", "one", 5.0).unwrap()
        }
    }

    #[test]
    fn a_token_has_a_row_when_it_was_asked_for() {
        let of = |source| Row::of_token(&event(source, "a"), "http://h", "", 1.0);
        assert_eq!(of(Source::Local), None);
        assert_eq!(of(Source::Forced(ForcedReason::Budget)), None);
        let agreed = of(Source::Agreed).unwrap();
        assert_eq!((agreed.outcome, agreed.tokens_computed(), agreed.conversation), (Outcome::Agreed, 2, None));
        let failed = of(Source::Forced(ForcedReason::Timeout)).unwrap();
        assert_eq!((failed.outcome, failed.status.as_str()), (Outcome::Failed, "timeout"));
        let reserved = TokenEvent { reserved: true, ..event(Source::Remote, "a") };
        assert_eq!(Row::of_token(&reserved, "http://h", "", 1.0), None);
        let uncounted = TokenEvent { bytes_sent: 0, ..event(Source::Forced(ForcedReason::Unreachable), "a") };
        assert_eq!(Row::of_token(&uncounted, "http://h", "", 1.0).unwrap().bytes_sent, None);
    }

    #[test]
    fn filters_choose_and_totals_add_up() {
        let mut ledger = Ledger::default();
        ledger.add(row(Purpose::Token, Outcome::Replaced));
        ledger.add(row(Purpose::Token, Outcome::Failed));
        ledger.add(Row { conversation: None, ..row(Purpose::Probe, Outcome::Refused) });
        assert_eq!(ledger.requests(), 2);
        let tokens = Filter { purpose: Some(Purpose::Token), ..Filter::default() };
        assert_eq!(ledger.totals(&tokens).bytes_sent, 200);
        let one = Filter { conversation: Some("one".into()), failures: true, ..Filter::default() };
        assert_eq!(ledger.shown(&one).count(), 1);
        assert_eq!(ledger.totals(&Filter::default()).refused, 1);
    }

    #[test]
    fn old_rows_go_and_are_counted() {
        let mut ledger = Ledger::default();
        (0..MOST + 3).for_each(|_| ledger.add(row(Purpose::Token, Outcome::Agreed)));
        assert_eq!((ledger.forgotten(), ledger.requests()), (3, MOST as u64 + 3));
        assert_eq!(Ledger::parse(&ledger.to_json().unwrap()).unwrap(), ledger);
        ledger.clear();
        assert_eq!(ledger, Ledger::default());
        assert!(Ledger::parse("{").is_err());
    }

    #[test]
    fn exports_are_tables_and_never_formulas() {
        let mut ledger = Ledger::default();
        ledger.add(Row { status: "=1+1".into(), endpoint: "a,\"b\"".into(), ..row(Purpose::Other, Outcome::Failed) });
        let csv = ledger.to_csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], "5,\"a,\"\"b\"\"\",other,one,100,40,12,10,2,9.0,\"'=1+1\",failed");
        assert_eq!(lines[0].split(',').count(), 12);
    }

    #[test]
    fn one_request_discloses_everything_before_it() {
        let local = || event(Source::Local, "abc");
        let asked = |source| vec![local(), event(source, "de"), local()];
        let of = |events: &[TokenEvent], history| {
            let all = [("hello", events.to_vec()), ("you", vec![local()])];
            disclosure(all.iter().map(|(q, e)| ("", *q, e)), history)
        };
        assert_eq!(of(&[local()], false), Disclosure { seen: 0, all: 14 });
        assert_eq!(of(&asked(Source::Agreed), false), Disclosure { seen: 8, all: 19 });
        let failed = Source::Forced(ForcedReason::Timeout);
        assert_eq!(of(&asked(failed), false).seen, 8, "a request that failed may have arrived");
        let remote = event(Source::Remote, "x");
        let two = [("one", vec![local()]), ("two", vec![remote])];
        let two = || two.iter().map(|(q, e)| ("", *q, e));
        assert_eq!(disclosure(two(), true).seen, 9, "what was said before went along");
        assert_eq!(disclosure(two(), false).seen, 3);
    }

    #[test]
    fn a_system_prompt_is_disclosed_with_the_first_request_and_counts_once() {
        let (local, remote) = (event(Source::Local, "abc"), event(Source::Remote, "de"));
        let of = |answers: &[(&str, &TokenEvent)]| {
            let asked = |(system, event)| (system, "hello", vec![event]);
            disclosure(answers.iter().copied().map(asked), false)
        };
        assert_eq!(of(&[("brief", &local)]), Disclosure { seen: 0, all: 13 });
        assert_eq!(of(&[("brief", &remote), ("brief", &remote)]), Disclosure { seen: 15, all: 19 });
        assert_eq!(of(&[("brief", &local), ("kind", &remote)]), Disclosure { seen: 9, all: 24 });
    }
}
