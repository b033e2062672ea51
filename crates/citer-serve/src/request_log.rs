//! The request log: one JSON line per generation, with ids and counts but no text.

use crate::generation::Record;
use citer_core::TokenId;
use serde::Serialize;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// An open log file; rows are appended.
pub(crate) struct RequestLog(File);

/// A generation that has begun.
pub(crate) struct Row {
    endpoint: &'static str,
    time_ms: u64,
    begun: Instant,
}

/// A finished row.
#[derive(Serialize)]
pub(crate) struct Line {
    time_ms: u64,
    endpoint: &'static str,
    prompt_tokens: usize,
    cached_tokens: usize,
    token_ids: Vec<TokenId>,
    ms: f64,
    status: &'static str,
}

impl RequestLog {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Appends a line. A full disk must not keep anybody from an answer, so a failure is passed over.
    pub fn write(&mut self, line: Line) {
        if let Ok(mut json) = serde_json::to_vec(&line) {
            json.push(b'\n');
            let _ = self.0.write_all(&json);
        }
    }
}

impl Row {
    /// A generation begins now.
    pub fn begin(endpoint: &'static str) -> Self {
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        Self { endpoint, time_ms, begun: Instant::now() }
    }

    /// It ends now: `stop`, `length`, `cancelled` or `failed`.
    pub fn end(self, record: Record, status: &'static str) -> Line {
        let Record { prompt_tokens, cached_tokens, token_ids } = record;
        let ms = self.begun.elapsed().as_secs_f64() * 1_000.0;
        Line { time_ms: self.time_ms, endpoint: self.endpoint, prompt_tokens, cached_tokens, token_ids, ms, status }
    }
}
