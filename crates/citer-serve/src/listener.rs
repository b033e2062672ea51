//! The listener: accepts connections that stay open, limits what each may cost, speaks HTTP/1.1, or HTTP/2 where TLS agrees
//! on it, and ends after what runs is finished.

use crate::tls::Tls;
use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 64;
/// Most bytes of the headers of an HTTP/2 request.
const HEADERS: u32 = 16 << 10;

/// What a connection may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connections {
    /// How many there may be; others wait to be accepted.
    pub most: usize,
    /// How long a client may take to say what it wants.
    pub header_timeout: Duration,
    /// How long running requests may go on after the end was asked for.
    pub grace: Duration,
}

/// Serves until `shutdown`, then finishes what runs.
pub(crate) async fn run(
    listener: TcpListener,
    app: Router,
    tls: Option<Tls>,
    limits: Connections,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (places, graceful) = (Arc::new(Semaphore::new(limits.most.max(1))), GracefulShutdown::new());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accept = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((place, listener.accept().await?.0))
        };
        let (place, stream) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept => match accepted {
                Ok(both) => both,
                // Used-up file handles come back when connections end; a client that went away concerns nobody.
                Err(_) => {
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let (app, tls, watcher) = (app.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            // How a connection ends is the client's business.
            let _ = connection(stream, app, tls, limits.header_timeout, watcher).await;
            drop(place);
        });
    }
    drop(listener);
    // Whoever is not done by then is cut off.
    let _ = timeout(limits.grace, graceful.shutdown()).await;
    Ok(())
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connection(
    stream: TcpStream,
    app: Router,
    tls: Option<Tls>,
    patience: Duration,
    watcher: Watcher,
) -> Result<(), Failure> {
    // One small answer a token: waiting for more to send would add a delay to each.
    stream.set_nodelay(true)?;
    match tls {
        None => speak(stream, app, false, patience, watcher).await,
        Some(tls) => {
            let stream = timeout(patience, tls.accept(stream)).await??;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            speak(stream, app, http2, patience, watcher).await
        }
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    app: Router,
    http2: bool,
    patience: Duration,
    watcher: Watcher,
) -> Result<(), Failure> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(patience).max_headers(64);
    // A client that does not answer a ping is gone.
    http.http2().timer(TokioTimer::new()).keep_alive_interval(patience).keep_alive_timeout(patience);
    http.http2().max_concurrent_streams(STREAMS).max_header_list_size(HEADERS);
    // What was agreed on is spoken; nothing is guessed from the first bytes.
    let http = if http2 { http.http2_only() } else { http.http1_only() };
    watcher.watch(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).into_owned()).await
}
