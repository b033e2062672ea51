//! The transfer: one remote file read from any place on, through every interruption.

use crate::{
    error::LibraryError,
    fetch::{Body, Fetch, FetchError, Reply},
};
use citer_core::StopFlag;

/// Attempts in a row without a byte of progress before giving up.
const ATTEMPTS: u32 = 6;
/// The first wait; it doubles with every attempt.
const FIRST_WAIT_MS: u64 = 500;
/// Longest wait, whatever the server asks for.
const LONGEST_WAIT_MS: u64 = 60_000;

/// A file on a server, and perhaps an open body of it.
pub(crate) struct Transfer<'a, F: Fetch> {
    fetch: &'a F,
    stop: &'a StopFlag,
    name: String,
    url: String,
    /// Its length, once it is known.
    pub size: Option<u64>,
    /// Its version; only watched where no hash is promised.
    pub etag: Option<String>,
    watch_etag: bool,
    open: Option<Open<F::Body>>,
    failures: u32,
}

struct Open<B> {
    body: B,
    /// Place in the file of the next byte.
    at: u64,
    /// Bytes that were taken from the body and not used yet.
    left: Vec<u8>,
    /// Whether the body is the whole file, from a server without ranges: what comes before the wanted place is skipped.
    whole: bool,
}

/// Why an attempt gave no bytes.
enum Trouble {
    /// Worth another attempt, after the wait the server asks for.
    Passing(String, Option<u64>),
    Final(LibraryError),
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Stopped => Self::Final(LibraryError::Stopped),
            FetchError::Unreachable(detail) => Self::Passing(detail, None),
        }
    }
}

impl<'a, F: Fetch> Transfer<'a, F> {
    /// A file that is `size` long and of version `etag`, as far as is known. A `hashed` file may come from servers that
    /// name its version differently.
    pub fn new(fetch: &'a F, stop: &'a StopFlag, name: &str, url: &str) -> Self {
        let (name, url) = (name.to_owned(), url.to_owned());
        Self { fetch, stop, name, url, size: None, etag: None, watch_etag: true, open: None, failures: 0 }
    }

    /// What is known of the file. Where its hash is promised, its version need not be watched.
    pub fn knowing(mut self, size: Option<u64>, etag: Option<String>, hashed: bool) -> Self {
        (self.size, self.etag, self.watch_etag) = (size, etag, !hashed);
        self
    }

    /// The bytes from `from` on, `most` of them or fewer where the file ends. `heard` is told how many came so far.
    pub async fn read(&mut self, from: u64, most: usize, mut heard: impl FnMut(u64)) -> Result<Vec<u8>, LibraryError> {
        let mut bytes: Vec<u8> = Vec::new();
        while bytes.len() < most {
            let at = from + bytes.len() as u64;
            if self.size.is_some_and(|size| at >= size) {
                break;
            }
            if self.stop.is_stopped() {
                return Err(LibraryError::Stopped);
            }
            match self.piece(at).await {
                Ok(Some(mut piece)) => {
                    self.failures = 0;
                    let rest = piece.split_off(piece.len().min(most - bytes.len()));
                    self.put_back(rest);
                    bytes.extend(piece);
                    heard(bytes.len() as u64);
                }
                Ok(None) if self.size.is_none() => self.size = Some(at),
                Ok(None) => self.failed("the answer was cut short".into(), None).await?,
                Err(Trouble::Passing(detail, wait)) => self.failed(detail, wait).await?,
                Err(Trouble::Final(error)) => return Err(error),
            }
        }
        Ok(bytes)
    }

    /// Ends the transfer. A body that goes on past the end is of another file.
    pub async fn finish(mut self) -> Result<(), LibraryError> {
        let Some(mut open) = self.open.take().filter(|open| Some(open.at) == self.size) else { return Ok(()) };
        // An error here is no matter: every byte is there.
        match open.body.next().await {
            Ok(Some(more)) if !more.is_empty() => Err(self.changed()),
            _ if !open.left.is_empty() => Err(self.changed()),
            _ => Ok(()),
        }
    }

    async fn failed(&mut self, detail: String, wait: Option<u64>) -> Result<(), LibraryError> {
        self.open = None;
        self.failures += 1;
        if self.failures >= ATTEMPTS {
            return Err(LibraryError::Unreachable { file: self.name.clone(), detail });
        }
        let backoff = FIRST_WAIT_MS << (self.failures - 1);
        self.fetch.wait(wait.unwrap_or(0).max(backoff).min(LONGEST_WAIT_MS)).await;
        Ok(())
    }

    fn changed(&self) -> LibraryError {
        LibraryError::Changed(self.name.clone())
    }

    fn put_back(&mut self, rest: Vec<u8>) {
        if let Some(open) = &mut self.open {
            open.at -= rest.len() as u64;
            open.left = rest;
        }
    }

    /// The next bytes at `at`; `None` where the body ends.
    async fn piece(&mut self, at: u64) -> Result<Option<Vec<u8>>, Trouble> {
        let mut open = match self.open.take() {
            Some(open) if open.at == at || (open.whole && open.at < at) => open,
            _ => self.open_at(at).await?,
        };
        loop {
            let mut piece = std::mem::take(&mut open.left);
            if piece.is_empty() {
                match open.body.next().await? {
                    Some(next) => piece = next,
                    None => return Ok(None),
                }
            }
            let skipped = (at - open.at.min(at)).min(piece.len() as u64);
            open.at += piece.len() as u64;
            if self.size.is_some_and(|size| open.at > size) {
                return Err(Trouble::Final(self.changed()));
            }
            piece.drain(..skipped as usize);
            if self.stop.is_stopped() {
                return Err(Trouble::Final(LibraryError::Stopped));
            }
            if !piece.is_empty() {
                self.open = Some(open);
                return Ok(Some(piece));
            }
        }
    }

    async fn open_at(&mut self, at: u64) -> Result<Open<F::Body>, Trouble> {
        let Reply { status, range, length, etag, retry_after_ms, body } = self.fetch.get(&self.url, at, None).await?;
        let refused = |advice| Trouble::Final(LibraryError::Refused { file: self.name.clone(), status, advice });
        let (from, total) = match (status, range) {
            (206, Some(range)) => (range.from, range.total),
            // The header is hidden from the page; the request was open-ended, so the body reaches the end.
            (206, None) => (at, length.map(|length| at + length)),
            (200, _) => (0, length),
            (416, _) => return Err(Trouble::Final(self.changed())),
            (401 | 403, _) => return Err(refused("it needs a login or a licence to be accepted; use an open model")),
            (404 | 410, _) => return Err(refused("it is not there; check the name")),
            (408 | 425 | 429 | 500..=599, _) => {
                return Err(Trouble::Passing(format!("status {status}"), retry_after_ms));
            }
            _ => return Err(refused("use another source")),
        };
        if from != at && status == 206 {
            return Err(Trouble::Passing("the answer begins at another place".into(), None));
        }
        if let (Some(known), Some(total)) = (self.size, total)
            && known != total
        {
            return Err(Trouble::Final(self.changed()));
        }
        if let (true, Some(known), Some(etag)) = (self.watch_etag, &self.etag, &etag)
            && known != etag
        {
            return Err(Trouble::Final(self.changed()));
        }
        self.size = self.size.or(total);
        self.etag = self.etag.take().or(etag);
        Ok(Open { body, at: from, left: Vec::new(), whole: status == 200 })
    }
}
