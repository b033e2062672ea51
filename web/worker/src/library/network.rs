//! Fetching over HTTP.

use super::wait;
use crate::told::Told;
use citer_core::StopFlag;
use citer_core::ledger::{Outcome, Purpose};
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
    told: Told,
}

impl Body for NetworkBody {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        let piece = wait::or_stopped(self.pieces.next(), &self.stop).await;
        match &piece {
            Ok(Some(Ok(piece))) => self.told.reads(piece.len()),
            Ok(None) => self.told.ends("ok", Outcome::Done),
            Ok(Some(Err(error))) | Err(error) => fails(&mut self.told, error),
        }
        piece?.transpose()
    }
}

impl Drop for NetworkBody {
    fn drop(&mut self) {
        // Whoever needs only the beginning leaves the rest.
        self.told.ends("partial", Outcome::Done);
    }
}

impl Fetch for Network {
    type Body = NetworkBody;

    async fn get(&self, url: &str, from: u64, to: Option<u64>) -> Result<Reply<NetworkBody>, FetchError> {
        let range = to.map_or_else(|| format!("bytes={from}-"), |to| format!("bytes={from}-{}", to.saturating_sub(1)));
        let request = self.client.get(url).header("range", range).fetch_cache_no_store().send();
        let (mut told, noted) = Told::new(url, Purpose::Download, None, Some(0));
        noted.wait().await;
        let response = match wait::or_stopped(request, &self.stop).await.and_then(|sent| sent.map_err(unreachable)) {
            Ok(response) => response,
            Err(error) => {
                fails(&mut told, &error);
                return Err(error);
            }
        };
        if !response.status().is_success() {
            told.ends(&format!("status {}", response.status().as_u16()), Outcome::Failed);
        }
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
                told,
            },
        })
    }

    async fn wait(&self, milliseconds: u64) {
        wait::sleep_unless(&self.stop, milliseconds).await;
    }
}

fn fails(told: &mut Told, error: &FetchError) {
    match error {
        FetchError::Unreachable(_) => told.ends("unreachable", Outcome::Failed),
        FetchError::Stopped => told.ends("partial", Outcome::Done),
    }
}

fn unreachable(error: reqwest::Error) -> FetchError {
    FetchError::Unreachable(error.to_string())
}
