//! The server: its settings, starting and ending.

use crate::{
    answer::now,
    backend::{Backend, ModelInfo},
    request_log::RequestLog,
    router::router,
    worker::Worker,
};
use std::{future::Future, io, net::SocketAddr, path::PathBuf, sync::Arc, thread::JoinHandle};
use tokio::{net::TcpListener, task};

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Folder of the web bundle; `None` serves the API only.
    pub web: Option<PathBuf>,
    /// Origins whose pages may use the API, such as `https://chat.example`; `*` alone means every page.
    pub allow_origins: Vec<String>,
    /// Most bytes of a request's body.
    pub max_body: usize,
    /// Most tokens of a prompt; the model's context limits it too.
    pub max_prompt_tokens: usize,
    /// Most tokens that one request may ask for.
    pub max_tokens: usize,
    /// Requests that may wait besides the one being answered; further ones get 429.
    pub queue: usize,
    /// File that gets one JSON line per generation.
    pub request_log: Option<PathBuf>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            web: None,
            allow_origins: Vec::new(),
            max_body: 1 << 20,
            max_prompt_tokens: 4_096,
            max_tokens: 1_024,
            queue: 16,
            request_log: None,
        }
    }
}

/// Why the server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address} ({source}): choose another address or end the program that uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The folder is not a web bundle.
    #[error("{} has no index.html: build the web bundle or give its folder", .0.display())]
    Bundle(PathBuf),
    /// Not an origin.
    #[error("{0:?} is not an origin: write it as https://host or http://host:port, or * alone for every page")]
    Origin(String),
    /// The log cannot be written.
    #[error("cannot write the request log {} ({source}): choose another file", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave out.
    #[error("the server stopped ({0}): start it again")]
    Io(#[from] io::Error),
    /// The model's thread panicked.
    #[error("the model stopped unexpectedly: start the server again")]
    Model,
}

/// What all requests share.
pub(crate) struct Shared {
    pub worker: Worker,
    pub model: ModelInfo,
    pub max_tokens: usize,
    /// When the server started, in seconds since 1970.
    pub created: u64,
}

/// A server that accepts requests.
pub struct Running {
    address: SocketAddr,
    server: task::JoinHandle<io::Result<()>>,
    model: JoinHandle<()>,
}

impl Running {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the server has ended: after `shutdown`, when all running requests are finished.
    ///
    /// # Errors
    /// A server or a model that ended for another reason.
    pub async fn finished(self) -> Result<(), ServeError> {
        self.server.await.map_err(io::Error::other)??;
        let model = self.model;
        let ended = task::spawn_blocking(move || model.join()).await.map_err(io::Error::other)?;
        ended.map_err(|_| ServeError::Model)
    }
}

/// Listens and serves `backend` until `shutdown` is ready; then running requests are finished and no new ones taken.
/// Needs a tokio runtime, and returns as soon as the server accepts requests.
///
/// # Errors
/// Settings that cannot be used; see [`ServeError`].
pub async fn serve<B: Backend>(
    config: ServeConfig,
    backend: B,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, ServeError> {
    let open = |path: &PathBuf| RequestLog::open(path).map_err(|source| ServeError::Log { path: path.clone(), source });
    let log = config.request_log.as_ref().map(open).transpose()?;
    let fail = |source| ServeError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    let info = backend.info();
    let (worker, model) = Worker::start(backend, config.queue, config.max_prompt_tokens, log)?;
    let shared = Shared { worker, model: info, max_tokens: config.max_tokens.max(1), created: now() };
    let app = router(&config, Arc::new(shared))?;
    let server = task::spawn(async move { axum::serve(listener, app).with_graceful_shutdown(shutdown).await });
    Ok(Running { address, server, model })
}
