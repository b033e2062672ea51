//! Files of this device as a source: they are read like a server's.

use super::{blob, wait};
use citer_library::{Body, ContentRange, Fetch, FetchError, Reply};
use web_sys::{Blob, File};

/// Bytes read at once.
const PIECE: u64 = 1 << 20;

/// Files that the person chose.
pub struct LocalFiles(pub Vec<File>);

impl LocalFiles {
    /// Their names and lengths.
    pub fn listing(&self) -> Vec<(String, u64)> {
        self.0.iter().map(|file| (file.name(), file.size() as u64)).collect()
    }
}

/// A file from some place on.
pub struct FileBody {
    file: Option<Blob>,
    at: u64,
    to: u64,
}

impl Body for FileBody {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        let Some(file) = self.file.as_ref().filter(|_| self.at < self.to) else { return Ok(None) };
        let end = (self.at + PIECE).min(self.to);
        let lost = |error| FetchError::Unreachable(format!("the file cannot be read: {error:?}"));
        let part = file.slice_with_f64_and_f64(self.at as f64, end as f64).map_err(lost)?;
        let bytes = blob::bytes(&part).await.map_err(lost)?;
        self.at += bytes.len() as u64;
        Ok(Some(bytes))
    }
}

impl Fetch for LocalFiles {
    type Body = FileBody;

    async fn get(&self, name: &str, from: u64, to: Option<u64>) -> Result<Reply<FileBody>, FetchError> {
        let found = self.0.iter().find(|file| file.name() == name);
        let total = found.map_or(0, |file| file.size() as u64);
        let to = to.unwrap_or(total).min(total);
        let (status, range) = match found {
            None => (404, None),
            Some(_) if from > total => (416, None),
            Some(_) => (206, Some(ContentRange { from, total: Some(total) })),
        };
        // A file that was edited meanwhile is another one.
        let etag = found.map(|file| file.last_modified().to_string());
        let file = found.map(|file| file.clone().into());
        let body = FileBody { file, at: from, to };
        Ok(Reply { status, range, length: Some(to.saturating_sub(from)), etag, retry_after_ms: None, body })
    }

    async fn wait(&self, milliseconds: u64) {
        wait::sleep(milliseconds).await;
    }
}
