//! Answers of a remote LLM on disk: what was paid for once is never asked again.
//!
//! One line of JSON an answer, appended as it comes; the first line names the LLM and the vocabulary. A line that was cut
//! off when the program was killed is dropped when the file is opened again.

use crate::{
    cost::Prices,
    error::TrainError,
    probe::Probe,
    teacher::{Ask, Reply},
};
use citer_core::TokenId;
use citer_lm::hash::sha256;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Version of the file's form.
const VERSION: u32 = 2;

/// Which LLM answers are from: another one's must never be mixed in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of the file's form.
    pub version: u32,
    /// The name under which the LLM is served.
    pub llm: String,
    /// SHA-256 of tokenizer.json.
    pub tokenizer_sha256: String,
    /// What it answers to fixed questions: two LLMs may have one name.
    #[serde(default)]
    pub probe: Probe,
}

impl Origin {
    /// Of files of this version.
    pub fn new(llm: impl Into<String>, tokenizer_sha256: impl Into<String>, probe: Probe) -> Self {
        Self { version: VERSION, llm: llm.into(), tokenizer_sha256: tokenizer_sha256.into(), probe }
    }

    /// Why answers of `found` cannot be mixed with this LLM's.
    fn refuses(&self, found: &Self) -> Option<String> {
        let place = |origin: &Self| format!("{} (vocabulary {})", origin.llm, short(&origin.tokenizer_sha256));
        if found.version != self.version {
            return Some(format!("these answers have form {}, not {}", found.version, self.version));
        }
        if (&found.llm, &found.tokenizer_sha256) != (&self.llm, &self.tokenizer_sha256) {
            return Some(format!("these answers come from {}, not from {}", place(found), place(self)));
        }
        let other =
            "these answers come from another LLM of the same name: the server answers the fixed questions otherwise";
        (!found.probe.same(&self.probe)).then(|| other.into())
    }
}

/// One answer, as a line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    /// Hash of the prefix.
    key: String,
    /// Tokens asked for.
    most: usize,
    /// Each token with the candidates named there.
    tokens: Vec<(TokenId, Vec<(TokenId, f32)>)>,
    stopped: bool,
    sent: u64,
    cached: u64,
    bytes: u64,
}

/// What a remote LLM has cost so far, earlier runs over the same file included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Requests.
    pub requests: u64,
    /// Questions that the file answered instead.
    pub reused: u64,
    /// Prompt tokens sent.
    pub sent: u64,
    /// Of those, tokens that the server had in its cache.
    pub cached: u64,
    /// Tokens that the LLM made.
    pub made: u64,
    /// Bytes in both directions.
    pub bytes: u64,
}

impl Spent {
    fn add(&mut self, line: &Line) {
        self.requests += 1;
        self.sent += line.sent;
        self.cached += line.cached;
        self.made += line.tokens.len() as u64;
        self.bytes += line.bytes;
    }

    /// US dollars at `prices`.
    pub fn usd(&self, prices: &Prices) -> f64 {
        let fresh = self.sent.saturating_sub(self.cached) as f64;
        (fresh * prices.prompt + self.cached as f64 * prices.cached + self.made as f64 * prices.output) / 1e6
    }
}

/// An LLM behind a file of its answers.
pub struct Responses<A> {
    ask: A,
    path: String,
    origin: Origin,
    state: Mutex<State>,
}

struct State {
    known: HashMap<String, Line>,
    file: Box<dyn Write + Send>,
    spent: Spent,
    /// Set once writing failed: a later line would follow a cut one.
    broken: bool,
}

impl<A: Ask> Responses<A> {
    /// Puts the file at `path` before `ask`; a new one gets `origin` as its first line.
    ///
    /// # Errors
    /// A file of another LLM, a damaged one, and one that cannot be read or written.
    pub fn open(path: &Path, origin: &Origin, ask: A) -> Result<Self, TrainError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(TrainError::io(path)(e)),
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let Kept { origin: found, known, spent } = read(&path.display().to_string(), &text[..whole], origin)?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(TrainError::io(path))?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(TrainError::io(path))?;
        }
        let mut file: Box<dyn Write + Send> = Box::new(file);
        if whole == 0 {
            let mut header = serde_json::to_vec(origin).map_err(|e| TrainError::Settings(e.to_string()))?;
            header.push(b'\n');
            file.write_all(&header).map_err(TrainError::io(path))?;
        }
        let origin = found.unwrap_or_else(|| origin.clone());
        Ok(Self::over(ask, path, origin, State { known, file, spent, broken: false }))
    }

    fn over(ask: A, path: &Path, origin: Origin, state: State) -> Self {
        Self { ask, path: path.display().to_string(), origin, state: Mutex::new(state) }
    }

    /// What tells the LLM from others: its name, and what it answered when the file was begun.
    pub fn llm(&self) -> String {
        format!("{}, answers {}", self.origin.llm, self.origin.probe.name())
    }

    /// What it has cost so far.
    pub fn spent(&self) -> Spent {
        self.state().spent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file holds.
#[derive(Default)]
struct Kept {
    origin: Option<Origin>,
    known: HashMap<String, Line>,
    spent: Spent,
}

/// The answers in whole lines and what they cost.
fn read(path: &str, text: &[u8], origin: &Origin) -> Result<Kept, TrainError> {
    let wrong = |detail: String| TrainError::Store { path: path.into(), detail };
    let mut kept = Kept::default();
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return Ok(kept) };
    let found: Origin = serde_json::from_slice(first)
        .map_err(|e| wrong(format!("its first line names no LLM ({e}): choose another folder or delete the file")))?;
    if let Some(reason) = origin.refuses(&found) {
        return Err(wrong(format!("{reason}: choose another folder with --answers or delete the file")));
    }
    kept.origin = Some(found);
    for (number, line) in lines.enumerate() {
        let line: Line = serde_json::from_slice(line)
            .map_err(|e| wrong(format!("line {} is damaged ({e}): delete that line", number + 2)))?;
        kept.spent.add(&line);
        kept.known.insert(line.key.clone(), line);
    }
    Ok(kept)
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn key(prefix: &[TokenId]) -> String {
    let bytes: Vec<u8> = prefix.iter().flat_map(|token| token.to_le_bytes()).collect();
    sha256(&bytes)[..32].to_owned()
}

/// What a line answers to a question for at most `most` tokens, if it does.
fn answer(line: &Line, most: usize) -> Option<Reply> {
    let enough = line.tokens.len() >= most || line.stopped || line.most >= most;
    enough.then(|| Reply {
        tokens: line.tokens.iter().take(most).cloned().collect(),
        stopped: line.stopped && line.tokens.len() <= most,
        sent: line.sent,
        cached: line.cached,
        bytes: line.bytes,
    })
}

impl<A: Ask> Ask for Responses<A> {
    fn room(&self) -> Option<usize> {
        self.ask.room()
    }

    fn ask(&self, prefix: &[TokenId], most: usize) -> Result<Reply, TrainError> {
        let key = key(prefix);
        {
            let mut state = self.state();
            if state.broken {
                return Err(TrainError::Store {
                    path: self.path.clone(),
                    detail: "an answer could not be kept".into(),
                });
            }
            if let Some(reply) = state.known.get(&key).and_then(|line| answer(line, most)) {
                state.spent.reused += 1;
                return Ok(reply);
            }
        }
        let Reply { tokens, stopped, sent, cached, bytes } = self.ask.ask(prefix, most)?;
        let line = Line { key: key.clone(), most, tokens, stopped, sent, cached, bytes };
        let mut text = serde_json::to_vec(&line).map_err(|e| TrainError::Settings(e.to_string()))?;
        text.push(b'\n');
        let mut state = self.state();
        // One write a line: another worker's line never falls into this one.
        state.file.write_all(&text).and_then(|()| state.file.flush()).map_err(|e| {
            state.broken = true;
            TrainError::io(Path::new(&self.path))(e)
        })?;
        state.spent.add(&line);
        let reply = answer(&line, most).unwrap_or_default();
        state.known.insert(key, line);
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers with the prefix's length and those after it; counts its requests.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Ask for Counting {
        fn ask(&self, prefix: &[TokenId], most: usize) -> Result<Reply, TrainError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let tokens = (0..most).map(|i| ((prefix.len() + i) as TokenId, vec![(7, 0.25)])).collect();
            Ok(Reply { tokens, stopped: false, sent: prefix.len() as u64, cached: 1, bytes: 100 })
        }
    }

    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("citer-responses-{name}-{}", std::process::id()))
    }

    fn probe(prompt: &[TokenId]) -> Probe {
        Probe::of(&[prompt.into()], |prompt, most| Counting::default().ask(prompt, most)).unwrap()
    }

    fn origin() -> Origin {
        Origin::new("big", "abc", probe(&[1, 2]))
    }

    fn requests(responses: &Responses<Counting>) -> usize {
        responses.ask.0.load(Ordering::Relaxed)
    }

    #[test]
    fn nothing_is_asked_twice_not_even_after_a_kill_in_the_middle_of_a_line() {
        let path = path("twice");
        let first = Responses::open(&path, &origin(), Counting::default()).unwrap();
        let long = first.ask(&[1, 2, 3], 4).unwrap();
        assert_eq!(first.ask(&[1, 2, 3], 2).unwrap().tokens, long.tokens[..2], "a longer answer holds the shorter one");
        first.ask(&[1, 2], 1).unwrap();
        assert_eq!((requests(&first), first.spent().requests, first.spent().reused), (2, 2, 1));
        let spent = first.spent();
        assert_eq!((spent.sent, spent.cached, spent.made, spent.bytes), (5, 2, 5, 200));
        let prices = Prices { prompt: 10.0, cached: 1.0, output: 100.0 };
        assert!((spent.usd(&prices) - (3.0 * 10.0 + 2.0 + 500.0) / 1e6).abs() < 1e-12);
        drop(first);
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"key\":\"cut o").unwrap();
        let again = Responses::open(&path, &origin(), Counting::default()).unwrap();
        assert_eq!(again.ask(&[1, 2, 3], 4).unwrap(), long);
        assert_eq!((requests(&again), again.spent().made), (0, 5));
        again.ask(&[9], 1).unwrap();
        drop(again);
        let third = Responses::open(&path, &origin(), Counting::default()).unwrap();
        third.ask(&[9], 1).unwrap();
        assert_eq!(requests(&third), 0, "the cut line is gone and the one after it is whole");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn answers_of_another_llm_and_damaged_lines_are_errors_that_say_what_to_do() {
        let path = path("other");
        drop(Responses::open(&path, &origin(), Counting::default()).unwrap().ask(&[1], 1));
        let old = Origin { version: 1, ..origin() };
        for (other, words) in [
            (Origin::new("bigger", "abc", probe(&[1, 2])), "come from big (vocabulary abc)"),
            (Origin::new("big", "abd", probe(&[1, 2])), "come from big (vocabulary abc)"),
            (Origin::new("big", "abc", probe(&[1])), "of the same name"),
            (old, "have form 2"),
        ] {
            let error = Responses::open(&path, &other, Counting::default()).err().unwrap().to_string();
            assert!(error.contains(words) && error.contains("another folder"), "{error}");
        }
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"key\": 3}\n");
        std::fs::write(&path, text).unwrap();
        let error = Responses::open(&path, &origin(), Counting::default()).err().unwrap().to_string();
        assert!(error.contains("line 3 is damaged"), "{error}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_full_disk_is_said_so_and_ends_the_asking() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let state = State { known: HashMap::new(), file: Box::new(Full), spent: Spent::default(), broken: false };
        let responses = Responses::over(Counting::default(), Path::new("answers.jsonl"), origin(), state);
        let error = responses.ask(&[1], 1).unwrap_err().to_string();
        assert!(error.contains("answers.jsonl") && error.contains("the disk is full: make room"), "{error}");
        assert!(responses.ask(&[1], 1).is_err());
        assert_eq!(requests(&responses), 1, "nothing more is paid for that cannot be kept");
    }
}
