//! A storage in memory that can be full, damaged or killed, and a site whose answers go wrong by a seed.
#![allow(dead_code)]

use citer_library::{Body, ContentRange, Fetch, FetchError, Reply, Storage, StorageError};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A number that depends on the seed and how many were drawn before (splitmix64).
#[derive(Debug)]
pub struct Random(Cell<u64>);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    pub fn below(&self, limit: u64) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

type Pieces = BTreeMap<(String, String), Vec<u8>>;

/// A storage in memory. Clones share the pieces, as a page and its reload do.
#[derive(Clone, Default)]
pub struct Memory {
    pub pieces: Rc<RefCell<Pieces>>,
    /// Operations until the process is killed; the last one, a write, is torn.
    pub alive: Rc<Cell<Option<u64>>>,
    /// Most bytes.
    pub capacity: Rc<Cell<Option<u64>>>,
    /// Operations so far.
    pub operations: Rc<Cell<u64>>,
}

impl Memory {
    fn step(&self) -> Result<bool, StorageError> {
        self.operations.set(self.operations.get() + 1);
        match self.alive.get() {
            None => Ok(false),
            Some(0) => Err(StorageError::Io("killed".into())),
            Some(left) => {
                self.alive.set(Some(left - 1));
                Ok(left == 1)
            }
        }
    }

    pub fn bytes(&self) -> u64 {
        self.pieces.borrow().values().map(|bytes| bytes.len() as u64).sum()
    }
}

impl Storage for Memory {
    async fn models(&self) -> Result<Vec<String>, StorageError> {
        self.step()?;
        let mut names: Vec<String> = self.pieces.borrow().keys().map(|(model, _)| model.clone()).collect();
        names.dedup();
        Ok(names)
    }

    async fn pieces(&self, model: &str) -> Result<Vec<(String, u64)>, StorageError> {
        self.step()?;
        let pieces = self.pieces.borrow();
        let own = pieces.iter().filter(|((folder, _), _)| folder == model);
        Ok(own.map(|((_, piece), bytes)| (piece.clone(), bytes.len() as u64)).collect())
    }

    async fn read(&self, model: &str, piece: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.step()?;
        Ok(self.pieces.borrow().get(&(model.into(), piece.into())).cloned())
    }

    async fn write(&self, model: &str, piece: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let dies = self.step()?;
        let key = (model.to_owned(), piece.to_owned());
        if self.capacity.get().is_some_and(|capacity| self.bytes() + bytes.len() as u64 > capacity) {
            // What a browser leaves of it is not known.
            self.pieces.borrow_mut().insert(key, bytes[..bytes.len() / 3].to_vec());
            return Err(StorageError::Full);
        }
        if dies {
            let torn = bytes.len() / 2;
            self.pieces.borrow_mut().insert(key, bytes[..torn].to_vec());
            return Err(StorageError::Io("killed".into()));
        }
        self.pieces.borrow_mut().insert(key, bytes.to_vec());
        Ok(())
    }

    async fn delete(&self, model: &str, piece: &str) -> Result<(), StorageError> {
        self.step()?;
        self.pieces.borrow_mut().remove(&(model.into(), piece.into()));
        Ok(())
    }

    async fn delete_model(&self, model: &str) -> Result<(), StorageError> {
        let dies = self.step()?;
        let mut left = if dies { 1 } else { usize::MAX };
        self.pieces.borrow_mut().retain(|(folder, _), _| {
            let goes = folder == model && left > 0;
            left -= usize::from(goes);
            !goes
        });
        if dies { Err(StorageError::Io("killed".into())) } else { Ok(()) }
    }
}

/// What can go wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Unreachable,
    Status(u16),
    /// The whole file instead of the range.
    Whole,
    /// The body ends early, as if that were its end.
    Short,
    /// The connection breaks within the body.
    Broken,
    /// The range begins elsewhere.
    Elsewhere,
    /// A bit is flipped on the way.
    Flipped,
    /// The page may not see the headers.
    Hidden,
}

pub const PASSING: [Fault; 10] = [
    Fault::Unreachable,
    Fault::Status(500),
    Fault::Status(503),
    Fault::Status(429),
    Fault::Whole,
    Fault::Short,
    Fault::Broken,
    Fault::Elsewhere,
    Fault::Hidden,
    Fault::Status(408),
];

/// A site with files by address.
#[derive(Default)]
pub struct Site {
    pub files: RefCell<BTreeMap<String, Vec<u8>>>,
    /// The files' version; changes with them.
    pub version: Cell<u64>,
    /// Addresses asked for with the first byte wanted.
    pub log: RefCell<Vec<(String, u64)>>,
    /// Milliseconds waited.
    pub waited: Cell<u64>,
    /// Chooses faults.
    pub random: Option<Random>,
    /// Those that may happen, to one request in two.
    pub faults: Vec<Fault>,
    /// Serves whole files only.
    pub no_ranges: bool,
    /// What unknown addresses are answered with, as many servers do.
    pub page: Option<Vec<u8>>,
    /// Bytes added to every body past its end.
    pub surplus: usize,
}

impl Site {
    pub fn with(files: &[(&str, Vec<u8>)]) -> Self {
        let files = files.iter().map(|(url, bytes)| ((*url).to_owned(), bytes.clone())).collect();
        Self { files: RefCell::new(files), ..Self::default() }
    }

    pub fn faulty(self, seed: u64, faults: &[Fault]) -> Self {
        Self { random: Some(Random::new(seed)), faults: faults.to_vec(), ..self }
    }

    fn fault(&self) -> Option<Fault> {
        let random = self.random.as_ref()?;
        let happens = random.below(2) == 0;
        let fault = self.faults.get(random.below(self.faults.len() as u64) as usize).copied();
        fault.filter(|_| happens)
    }

    pub fn requests(&self) -> usize {
        self.log.borrow().len()
    }
}

pub struct SiteBody {
    pieces: Vec<Result<Vec<u8>, FetchError>>,
}

impl Body for SiteBody {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        if self.pieces.is_empty() { Ok(None) } else { self.pieces.remove(0).map(Some) }
    }
}

impl Fetch for Site {
    type Body = SiteBody;

    async fn get(&self, url: &str, from: u64, to: Option<u64>) -> Result<Reply<SiteBody>, FetchError> {
        self.log.borrow_mut().push((url.to_owned(), from));
        let fault = self.fault();
        let empty = |status| {
            let body = SiteBody { pieces: vec![] };
            Reply { status, range: None, length: Some(0), etag: None, retry_after_ms: Some(1500), body }
        };
        match fault {
            Some(Fault::Unreachable) => return Err(FetchError::Unreachable("no route".into())),
            Some(Fault::Status(status)) => return Ok(empty(status)),
            _ => {}
        }
        let files = self.files.borrow();
        let Some(file) = files.get(url).or(self.page.as_ref()) else { return Ok(empty(404)) };
        let total = file.len() as u64;
        let whole = self.no_ranges || fault == Some(Fault::Whole);
        if from >= total && !whole {
            return Ok(empty(416));
        }
        let begin = match (whole, fault) {
            (true, _) => 0,
            (_, Some(Fault::Elsewhere)) => from / 2,
            _ => from,
        };
        let end = to.filter(|_| !whole).unwrap_or(total).min(total);
        let mut bytes = file[begin as usize..end as usize].to_vec();
        bytes.extend(vec![7; self.surplus]);
        let random = self.random.as_ref();
        let cut = random.map_or(0, |random| random.below(bytes.len() as u64 + 1)) as usize;
        match fault {
            Some(Fault::Short | Fault::Broken) => bytes.truncate(cut),
            Some(Fault::Flipped) if cut < bytes.len() => bytes[cut] ^= 4,
            _ => {}
        }
        let size = random.map_or(97, |random| 1 + random.below(400)) as usize;
        let mut pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok(piece.to_vec())).collect();
        if fault == Some(Fault::Broken) {
            pieces.push(Err(FetchError::Unreachable("reset".into())));
        }
        let hidden = fault == Some(Fault::Hidden);
        Ok(Reply {
            status: if whole { 200 } else { 206 },
            range: (!whole && !hidden).then_some(ContentRange { from: begin, total: Some(total) }),
            length: Some(end - begin),
            etag: (!hidden).then(|| format!("\"{}\"", self.version.get())),
            retry_after_ms: None,
            body: SiteBody { pieces },
        })
    }

    async fn wait(&self, milliseconds: u64) {
        self.waited.set(self.waited.get() + milliseconds);
    }
}

/// Bytes that differ everywhere.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let random = Random::new(seed);
    (0..length).map(|_| random.below(256) as u8).collect()
}

/// What a small safetensors model consists of, at `base`.
pub fn model(base: &str, seed: u64) -> Vec<(String, Vec<u8>)> {
    let mut weights = vec![8, 0, 0, 0, 0, 0, 0, 0];
    weights.extend(b"{      }");
    weights.extend(noise(seed, 5000));
    let mut tokenizer = b"{\"model\":\"".to_vec();
    tokenizer.extend([b'x'; 700]);
    tokenizer.extend(b"\"}");
    let files = [("config.json", b"{\"a\":1}".to_vec()), ("tokenizer.json", tokenizer), ("model.safetensors", weights)];
    files.into_iter().map(|(name, bytes)| (format!("{base}/{name}"), bytes)).collect()
}
