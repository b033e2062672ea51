//! Fetching over HTTP.

use super::wait;
use citer_core::StopFlag;
use citer_library::{Body, ContentRange, Fetch, FetchError, Reply};
use futures::StreamExt;
use futures::stream::LocalBoxStream;

/// Ranged requests of this page, until `stop` is raised. Nothing goes through the browser's cache: models are kept in the
/// page's own storage.
pub struct Network {
    client: reqwest::Client,
    stop: StopFlag,
}

impl Network {
    /// Requests that end when `stop` is raised.
    pub fn new(stop: &StopFlag) -> Self {
        Self { client: reqwest::Client::new(), stop: stop.clone() }
    }
}

/// A response's body.
pub struct NetworkBody {
    pieces: LocalBoxStream<'static, Result<Vec<u8>, FetchError>>,
    stop: StopFlag,
}

impl Body for NetworkBody {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        wait::or_stopped(self.pieces.next(), &self.stop).await?.transpose()
    }
}

impl Fetch for Network {
    type Body = NetworkBody;

    async fn get(&self, url: &str, from: u64, to: Option<u64>) -> Result<Reply<NetworkBody>, FetchError> {
        let range = to.map_or_else(|| format!("bytes={from}-"), |to| format!("bytes={from}-{}", to.saturating_sub(1)));
        let request = self.client.get(url).header("range", range).fetch_cache_no_store().send();
        let response = wait::or_stopped(request, &self.stop).await?.map_err(unreachable)?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        // The length of a compressed body says nothing about the file.
        let plain = header("content-encoding").is_none();
        let seconds = header("retry-after").and_then(|value| value.trim().parse::<u64>().ok());
        Ok(Reply {
            status: response.status().as_u16(),
            range: header("content-range").as_deref().and_then(ContentRange::parse),
            length: header("content-length").filter(|_| plain).and_then(|value| value.trim().parse().ok()),
            etag: header("etag"),
            retry_after_ms: seconds.map(|seconds| seconds.saturating_mul(1000)),
            body: NetworkBody {
                pieces: response.bytes_stream().map(|piece| Ok(piece.map_err(unreachable)?.to_vec())).boxed_local(),
                stop: self.stop.clone(),
            },
        })
    }

    async fn wait(&self, milliseconds: u64) {
        wait::sleep_unless(&self.stop, milliseconds).await;
    }
}

fn unreachable(error: reqwest::Error) -> FetchError {
    FetchError::Unreachable(error.to_string())
}
