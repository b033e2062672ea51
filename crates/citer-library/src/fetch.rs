//! Fetching: ranged requests as the library sees them.

/// Why no byte came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The connection failed, or stalled.
    #[error("the connection failed ({0})")]
    Unreachable(String),
    /// The person paused or cancelled it.
    #[error("stopped")]
    Stopped,
}

/// What a `Content-Range` header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// First byte of the body within the file.
    pub from: u64,
    /// Length of the whole file; `None` for `*`.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes 0-99/200` or `bytes 0-99/*`.
    pub fn parse(header: &str) -> Option<Self> {
        let (range, total) = header.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
        let (from, to) = range.split_once('-')?;
        let (from, to): (u64, u64) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        let total = match total.trim() {
            "*" => None,
            number => Some(number.parse().ok()?),
        };
        (from <= to && total.is_none_or(|total| to < total)).then_some(Self { from, total })
    }
}

/// The head of an answer, and its body still to be read. What a header hides from a web page is `None`.
#[derive(Debug)]
pub struct Reply<B> {
    /// HTTP status.
    pub status: u16,
    /// Where in the file the body lies.
    pub range: Option<ContentRange>,
    /// Length of the body in bytes, where it is not compressed.
    pub length: Option<u64>,
    /// Names this version of the file.
    pub etag: Option<String>,
    /// Milliseconds that the server asks to wait.
    pub retry_after_ms: Option<u64>,
    /// The body.
    pub body: B,
}

/// A body that arrives in pieces. Dropping it ends the transfer.
#[allow(async_fn_in_trait)]
pub trait Body {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, FetchError>;
}

/// Something that can get files, or parts of them.
#[allow(async_fn_in_trait)]
pub trait Fetch {
    /// What bodies it gives.
    type Body: Body;

    /// Asks for the bytes of `url` from `from` to its end, or before `to`.
    async fn get(&self, url: &str, from: u64, to: Option<u64>) -> Result<Reply<Self::Body>, FetchError>;

    /// Waits.
    async fn wait(&self, milliseconds: u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_or_refused() {
        assert_eq!(ContentRange::parse("bytes 5-9/20"), Some(ContentRange { from: 5, total: Some(20) }));
        assert_eq!(ContentRange::parse("bytes 0-0/*"), Some(ContentRange { from: 0, total: None }));
        for bad in ["", "bytes", "bytes */20", "bytes 9-5/20", "bytes 5-20/20", "items 0-1/2", "bytes a-b/c"] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }
}
