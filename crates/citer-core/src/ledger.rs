//! The ledger: a row for everything that is asked of a network, begun before it leaves, and what of a conversation was
//! disclosed.

use crate::event::{ForcedReason, Source, TokenEvent};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most rows that are kept; the oldest go first, and how many went is told.
pub const MOST: usize = 2_000;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A critical token.
    Token,
    /// A session in which tokens are asked for.
    Session,
    /// Whether a server is there and what it can do.
    Probe,
    /// A model's files.
    Download,
    /// Anything else that the page wanted.
    Other,
}

impl Purpose {
    /// All, in the order they are listed.
    pub const ALL: [Self; 5] = [Self::Token, Self::Session, Self::Probe, Self::Download, Self::Other];

    /// As it is written in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
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
    /// It is under way.
    Started,
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
    /// The page that made it was gone before it ended.
    Interrupted,
}

impl Outcome {
    /// As it is written in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Done => "done",
            Self::Agreed => "agreed",
            Self::Replaced => "replaced",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What a worker tells of a request that it makes. Requests are numbered by the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum RequestNews {
    /// It leaves once the page has noted it.
    Began {
        /// Its number.
        request: u64,
        /// Who is asked: an address.
        address: String,
        /// What for.
        purpose: Purpose,
        /// The answer that it is made for.
        answer: Option<u64>,
        /// Request bytes; `None` where nobody counts them.
        bytes_sent: Option<u64>,
    },
    /// Its answer is being read.
    Reads {
        /// Its number.
        request: u64,
        /// Response bytes so far.
        bytes_received: u64,
    },
    /// It is over.
    Ended {
        /// Its number.
        request: u64,
        /// How it went: `ok`, or what went wrong.
        status: String,
        /// What came of it.
        outcome: Outcome,
        /// Response bytes.
        bytes_received: Option<u64>,
    },
}

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name: of all rows, of whatever window, in the order they began.
    pub id: String,
    /// When it began, in milliseconds since 1970.
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
    /// A request that is about to leave: the `count`th of a window.
    pub fn begun(time: f64, window: &str, count: u64, endpoint: &str, purpose: Purpose) -> Self {
        Self {
            id: format!("{:012x}-{window}-{count:08x}", time.max(0.0) as u64),
            time,
            endpoint: endpoint.to_owned(),
            purpose,
            conversation: None,
            bytes_sent: None,
            bytes_received: None,
            tokens_sent: 0,
            tokens_cached: 0,
            ms: 0.0,
            status: String::new(),
            outcome: Outcome::Started,
        }
    }

    /// It ended at `time`. What was refused on the device stays refused.
    pub fn end(&mut self, time: f64, status: &str, outcome: Outcome, bytes_received: Option<u64>) {
        if self.outcome == Outcome::Started {
            (self.outcome, self.status) = (outcome, status.to_owned());
        }
        self.ms = (time - self.time).max(0.0);
        self.bytes_received = bytes_received.or(self.bytes_received);
    }

    /// The window that made it.
    pub fn window(&self) -> &str {
        self.id.split('-').nth(1).unwrap_or_default()
    }

    /// Tokens that the server had to compute.
    pub fn tokens_computed(&self) -> u64 {
        self.tokens_sent.saturating_sub(self.tokens_cached)
    }
}

/// A reason as rows say it.
pub fn reason_name(reason: ForcedReason) -> &'static str {
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
    /// Only those that failed, were refused or interrupted.
    pub failures: bool,
}

impl Filter {
    /// Whether a row is shown.
    pub fn shows(&self, row: &Row) -> bool {
        self.purpose.is_none_or(|purpose| row.purpose == purpose)
            && (self.conversation.is_none() || self.conversation == row.conversation)
            && (!self.failures || is_bad(row.outcome))
    }
}

/// Whether a request did not serve its purpose.
pub fn is_bad(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Refused | Outcome::Interrupted)
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// By their names.
    rows: BTreeMap<String, Row>,
    /// Rows that had to go for newer ones.
    forgotten: u64,
}

impl Ledger {
    /// A ledger from which rows went already.
    pub fn after(forgotten: u64) -> Self {
        Self { rows: BTreeMap::new(), forgotten }
    }

    /// Takes a row: a new one, or one that goes on. What has ended here does not begin again.
    pub fn put(&mut self, row: Row) {
        let is_stale = |known: &Row| known.outcome != Outcome::Started && row.outcome == Outcome::Started;
        if self.rows.get(&row.id).is_some_and(is_stale) {
            return;
        }
        self.rows.insert(row.id.clone(), row);
        while self.rows.len() > MOST {
            self.rows.pop_first();
            self.forgotten += 1;
        }
    }

    /// A row, if it is there.
    pub fn get(&self, id: &str) -> Option<&Row> {
        self.rows.get(id)
    }

    /// Changes a row, if it is there.
    pub fn change(&mut self, id: &str, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.get_mut(id) {
            change(row);
        }
    }

    /// What came of a token that the requests of these rows were made for: the last one brought it, or none did.
    pub fn settle(&mut self, ids: &[String], event: &TokenEvent) {
        let Some(id) = ids.last() else { return };
        self.change(id, |row| {
            (row.tokens_sent, row.tokens_cached) = (event.tokens_sent, event.tokens_cached);
            if row.outcome != Outcome::Done {
                return;
            }
            match event.source {
                Source::Agreed => row.outcome = Outcome::Agreed,
                Source::Local | Source::Remote => row.outcome = Outcome::Replaced,
                Source::Forced(reason) => {
                    (row.outcome, row.status) = (Outcome::Failed, reason_name(reason).to_owned());
                }
            }
        });
    }

    /// Rows under way of windows that are gone are interrupted: nobody will end them. Returns their names.
    pub fn interrupt(&mut self, is_gone: impl Fn(&str) -> bool) -> Vec<String> {
        let mut changed = Vec::new();
        for (id, row) in &mut self.rows {
            if row.outcome == Outcome::Started && is_gone(row.window()) {
                (row.outcome, row.status) = (Outcome::Interrupted, "page closed".to_owned());
                changed.push(id.clone());
            }
        }
        changed
    }

    /// Requests under way, of all windows.
    pub fn under_way(&self) -> usize {
        self.rows.values().filter(|row| row.outcome == Outcome::Started).count()
    }

    /// Whether a request of another window than `own` is under way.
    pub fn is_under_way_elsewhere(&self, own: &str) -> bool {
        self.rows.values().any(|row| row.outcome == Outcome::Started && row.window() != own)
    }

    /// Whether a token of this conversation is being asked for.
    pub fn is_asking_for(&self, conversation: &str) -> bool {
        let mut open =
            self.rows.values().filter(|row| row.outcome == Outcome::Started && row.purpose == Purpose::Token);
        open.any(|row| row.conversation.as_deref() == Some(conversation))
    }

    /// Forgets everything that is over.
    pub fn clear(&mut self) {
        self.rows.retain(|_, row| row.outcome == Outcome::Started);
        self.forgotten = 0;
    }

    /// All rows, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.values()
    }

    /// The rows that `filter` shows, newest first.
    pub fn shown<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Row> {
        self.rows.values().rev().filter(|row| filter.shows(row))
    }

    /// Requests of all time, refused ones not counted.
    pub fn requests(&self) -> u64 {
        let refused = self.rows.values().filter(|row| row.outcome == Outcome::Refused).count() as u64;
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
        #[derive(Serialize)]
        struct Export<'a> {
            rows: Vec<&'a Row>,
            forgotten: u64,
        }
        serde_json::to_string(&Export { rows: self.rows.values().collect(), forgotten: self.forgotten })
    }

    /// The rows as a table with a header, oldest first. Texts that a spreadsheet would take for a formula are quoted.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from(
            "time_ms,endpoint,purpose,conversation,bytes_sent,bytes_received,tokens_sent,tokens_cached,tokens_computed,\
             ms,status,outcome\n",
        );
        for row in self.rows.values() {
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
/// prompt goes along with every question and counts once. A request that is `under_way` has taken the last answer along, as
/// far as it came.
pub fn disclosure<'a, E>(
    exchanges: impl IntoIterator<Item = Asked<'a, E>>,
    history: bool,
    under_way: bool,
) -> Disclosure
where
    E: IntoIterator<Item = &'a TokenEvent>,
{
    let mut total = Disclosure::default();
    let mut systems = BTreeMap::new();
    let mut exchanges = exchanges.into_iter().peekable();
    while let Some((system, question, events)) = exchanges.next() {
        let mut so_far = question.len() as u64;
        let mut seen = 0;
        for event in events {
            if event.source.was_asked() {
                seen = so_far;
            }
            so_far += event.text.len() as u64;
        }
        if under_way && exchanges.peek().is_none() {
            seen = so_far;
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

    fn row(count: u64, purpose: Purpose, outcome: Outcome) -> Row {
        let mut row = Row::begun(5.0, "w", count, "https://llm.example", purpose);
        (row.conversation, row.bytes_sent) = (Some("one".into()), Some(100));
        row.end(14.0, "ok", outcome, Some(40));
        row
    }

    #[test]
    fn a_row_is_there_before_its_request_and_says_what_came_of_it() {
        let mut ledger = Ledger::default();
        let begun = Row::begun(5.0, "w", 1, "https://llm.example", Purpose::Token);
        let id = begun.id.clone();
        ledger.put(begun.clone());
        assert_eq!((ledger.under_way(), ledger.requests()), (1, 1));
        ledger.change(&id, |row| row.end(14.0, "ok", Outcome::Done, Some(40)));
        ledger.settle(std::slice::from_ref(&id), &event(Source::Agreed, "a"));
        let row = ledger.get(&id).unwrap().clone();
        assert_eq!(
            (row.outcome, row.tokens_computed(), row.ms, row.bytes_received),
            (Outcome::Agreed, 2, 9.0, Some(40))
        );
        ledger.put(begun);
        assert_eq!(ledger.get(&id), Some(&row), "late news of its beginning change nothing");
    }

    #[test]
    fn a_token_that_no_request_brought_leaves_them_failed() {
        let mut ledger = Ledger::default();
        let (first, second) = (row(1, Purpose::Token, Outcome::Failed), row(2, Purpose::Token, Outcome::Done));
        let ids = [first.id.clone(), second.id.clone()];
        ledger.put(first);
        ledger.put(second);
        ledger.settle(&ids, &event(Source::Forced(ForcedReason::BadAnswer), "a"));
        let last = ledger.get(&ids[1]).unwrap();
        assert_eq!((last.outcome, last.status.as_str()), (Outcome::Failed, "unusable answer"));
        ledger.settle(&[], &event(Source::Remote, "a"));
    }

    #[test]
    fn what_a_closed_window_left_is_interrupted_with_what_is_known() {
        let mut ledger = Ledger::default();
        let mut begun = Row::begun(5.0, "gone", 1, "https://hub.example", Purpose::Download);
        begun.bytes_received = Some(7);
        ledger.put(begun.clone());
        ledger.put(Row::begun(5.0, "here", 1, "https://hub.example", Purpose::Download));
        assert_eq!(ledger.interrupt(|window| window == "gone"), std::slice::from_ref(&begun.id));
        let row = ledger.get(&begun.id).unwrap();
        assert_eq!((row.outcome, row.bytes_received, ledger.under_way()), (Outcome::Interrupted, Some(7), 1));
        let failures = Filter { failures: true, ..Filter::default() };
        assert_eq!(ledger.shown(&failures).count(), 1);
    }

    #[test]
    fn what_was_refused_stays_refused() {
        let mut row = Row::begun(5.0, "w", 1, "https://llm.example", Purpose::Token);
        row.outcome = Outcome::Refused;
        row.end(6.0, "unreachable", Outcome::Failed, None);
        assert_eq!((row.outcome, row.ms), (Outcome::Refused, 1.0));
    }

    #[test]
    fn filters_choose_and_totals_add_up() {
        let mut ledger = Ledger::default();
        ledger.put(row(1, Purpose::Token, Outcome::Replaced));
        ledger.put(row(2, Purpose::Token, Outcome::Failed));
        ledger.put(Row { conversation: None, ..row(3, Purpose::Probe, Outcome::Refused) });
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
        (0..MOST as u64 + 3).rev().for_each(|count| ledger.put(row(count, Purpose::Token, Outcome::Agreed)));
        assert_eq!((ledger.forgotten(), ledger.requests()), (3, MOST as u64 + 3));
        assert_eq!(ledger.shown(&Filter::default()).last().unwrap().id, row(3, Purpose::Token, Outcome::Agreed).id);
        ledger.clear();
        assert_eq!(ledger, Ledger::default());
    }

    #[test]
    fn exports_are_tables_and_never_formulas() {
        let mut ledger = Ledger::default();
        let mut odd = row(1, Purpose::Other, Outcome::Failed);
        (odd.status, odd.endpoint) = ("=1+1".into(), "a,\"b\"".into());
        (odd.tokens_sent, odd.tokens_cached) = (12, 10);
        ledger.put(odd);
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
            disclosure(all.iter().map(|(q, e)| ("", *q, e)), history, false)
        };
        assert_eq!(of(&[local()], false), Disclosure { seen: 0, all: 14 });
        assert_eq!(of(&asked(Source::Agreed), false), Disclosure { seen: 8, all: 19 });
        let failed = Source::Forced(ForcedReason::Timeout);
        assert_eq!(of(&asked(failed), false).seen, 8, "a request that failed may have arrived");
        let remote = event(Source::Remote, "x");
        let two = [("one", vec![local()]), ("two", vec![remote])];
        let two = || two.iter().map(|(q, e)| ("", *q, e));
        assert_eq!(disclosure(two(), true, false).seen, 9, "what was said before went along");
        assert_eq!(disclosure(two(), false, false).seen, 3);
        assert_eq!(disclosure(two(), false, true).seen, 4, "what is under way has left");
        let none = [("one", vec![local()])];
        let none = none.iter().map(|(q, e)| ("", *q, e));
        assert_eq!(disclosure(none, false, true), Disclosure { seen: 6, all: 6 });
    }

    #[test]
    fn a_system_prompt_is_disclosed_with_the_first_request_and_counts_once() {
        let (local, remote) = (event(Source::Local, "abc"), event(Source::Remote, "de"));
        let of = |answers: &[(&str, &TokenEvent)]| {
            let asked = |(system, event)| (system, "hello", vec![event]);
            disclosure(answers.iter().copied().map(asked), false, false)
        };
        assert_eq!(of(&[("brief", &local)]), Disclosure { seen: 0, all: 13 });
        assert_eq!(of(&[("brief", &remote), ("brief", &remote)]), Disclosure { seen: 15, all: 19 });
        assert_eq!(of(&[("brief", &local), ("kind", &remote)]), Disclosure { seen: 9, all: 24 });
    }
}
