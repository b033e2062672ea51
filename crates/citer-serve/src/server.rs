//! The server: its settings, starting and ending.

use crate::{
    answer::now,
    backend::{Backend, ModelInfo},
    error::ApiError,
    guard::Guard,
    keys::{BadHash, KeyEntry},
    listener::{self, Connections},
    metrics::Metrics,
    request_log::RequestLog,
    router::router,
    session_table::SessionTable,
    spending::SpendingError,
    tls::{Tls, TlsError, TlsFiles},
    upstream::{UpstreamEntry, UpstreamError, Upstreams},
    worker::{Limits, Worker},
};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};
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
    /// Requests that may wait besides those being answered; further ones get 429.
    pub queue: usize,
    /// Requests that are answered at once.
    pub batch: usize,
    /// Bytes of keys and values that are kept for sequences that go on.
    pub cache_bytes: usize,
    /// Sessions that are kept; the one unused for longest goes first.
    pub sessions: usize,
    /// How long a session is kept after its last use.
    pub session_lifetime: Duration,
    /// Keys that clients need; without any, everybody may use the API.
    pub keys: Vec<KeyEntry>,
    /// A certificate; without one, connections are not encrypted.
    pub tls: Option<TlsFiles>,
    /// How long a request may take until its answer begins, and a server that ends may take to finish.
    pub request_timeout: Duration,
    /// How long a client may take to say what it wants, and a connection may be idle.
    pub header_timeout: Duration,
    /// Connections at once; others wait.
    pub max_connections: usize,
    /// Whether a line of JSON a request goes to standard error. It holds counts and times, and no text or ids.
    pub access_log: bool,
    /// File that gets one JSON line per generation.
    pub request_log: Option<PathBuf>,
    /// File that keeps what every key used of the day's tokens; one server a file.
    pub spending: Option<PathBuf>,
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
            queue: 256,
            batch: 32,
            cache_bytes: 256 << 20,
            sessions: 4_096,
            session_lifetime: Duration::from_secs(3_600),
            keys: Vec::new(),
            tls: None,
            request_timeout: Duration::from_secs(300),
            header_timeout: Duration::from_secs(60),
            max_connections: 1_024,
            access_log: false,
            request_log: None,
            spending: None,
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
    /// A key's hash.
    #[error(transparent)]
    Key(#[from] BadHash),
    /// The file of today's spending.
    #[error(transparent)]
    Spending(#[from] SpendingError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A server behind this one.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// Nothing to serve.
    #[error("the upstreams have no model: name one in the configuration")]
    NoModel,
    /// The system gave out.
    #[error("the server stopped ({0}): start it again")]
    Io(#[from] io::Error),
    /// The model's thread panicked.
    #[error("the model stopped unexpectedly: start the server again")]
    Model,
}

/// Who answers.
pub(crate) enum Engine {
    /// A model of our own.
    Local(Worker),
    /// Servers behind this one.
    Upstreams(Box<Upstreams>),
}

/// What all requests share.
pub(crate) struct Shared {
    pub engine: Engine,
    pub models: Vec<ModelInfo>,
    pub sessions: Mutex<SessionTable>,
    pub metrics: Arc<Metrics>,
    pub max_tokens: usize,
    /// When the server started, in seconds since 1970.
    pub created: u64,
}

impl Shared {
    /// Which model is meant; without a name, the first.
    pub fn model(&self, asked: Option<&str>) -> Result<usize, ApiError> {
        let Some(asked) = asked else { return Ok(0) };
        let place = self.models.iter().position(|model| model.name == asked);
        place.ok_or_else(|| ApiError::model(asked, self.models.iter().map(|model| model.name.as_str())))
    }
}

/// A server that accepts requests.
pub struct Running {
    address: SocketAddr,
    server: task::JoinHandle<io::Result<()>>,
    model: Option<JoinHandle<()>>,
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
        let Some(model) = self.model else { return Ok(()) };
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
    let (metrics, info) = (Arc::new(Metrics::new()), backend.info());
    let limits = Limits {
        queue: config.queue,
        batch: config.batch,
        max_prompt_tokens: config.max_prompt_tokens,
        cache_bytes: config.cache_bytes,
    };
    let listener = listen(&config).await?;
    let (worker, thread) = Worker::start(backend, limits, metrics.clone(), log)?;
    start(config, listener, Engine::Local(worker), vec![info], metrics, Some(thread), shutdown)
}

/// Listens and passes requests on to `upstreams`, which share one list of models; otherwise like [`serve`].
///
/// # Errors
/// Settings that cannot be used; see [`ServeError`].
pub async fn serve_upstreams(
    config: ServeConfig,
    upstreams: &[UpstreamEntry],
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, ServeError> {
    let upstreams = Upstreams::open(upstreams, config.batch, config.queue, config.request_timeout).await?;
    let models = upstreams.models.iter().map(|(model, _)| model.clone()).collect::<Vec<_>>();
    if models.is_empty() {
        return Err(ServeError::NoModel);
    }
    let listener = listen(&config).await?;
    start(config, listener, Engine::Upstreams(Box::new(upstreams)), models, Arc::new(Metrics::new()), None, shutdown)
}

async fn listen(config: &ServeConfig) -> Result<TcpListener, ServeError> {
    let fail = |source| ServeError::Listen { address: config.listen, source };
    TcpListener::bind(config.listen).await.map_err(fail)
}

fn start(
    config: ServeConfig,
    listener: TcpListener,
    engine: Engine,
    models: Vec<ModelInfo>,
    metrics: Arc<Metrics>,
    model: Option<JoinHandle<()>>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, ServeError> {
    let address = listener.local_addr()?;
    let tls = config.tls.as_ref().map(Tls::open).transpose()?;
    let guard = Guard::new(&config, metrics.clone())?;
    let spending = config.spending.as_deref().map(|path| guard.spending(path, &config.keys)).transpose()?.map(Arc::new);
    let sessions = Mutex::new(SessionTable::new(config.sessions, config.session_lifetime));
    let max_tokens = config.max_tokens.max(1);
    let shared = Shared { engine, models, sessions, metrics, max_tokens, created: now() };
    let app = router(&config, Arc::new(shared), Arc::new(guard))?;
    let limits = Connections {
        most: config.max_connections,
        header_timeout: config.header_timeout,
        grace: config.request_timeout,
    };
    let server = task::spawn(async move {
        let writer = spending.clone().map(|spending| task::spawn(spending.keep()));
        let ended = listener::run(listener, app, tls, limits, shutdown).await;
        if let (Some(writer), Some(spending)) = (writer, spending) {
            writer.abort();
            if let Err(error) = spending.save(now()) {
                spending.complain(&error);
            }
        }
        ended
    });
    Ok(Running { address, server, model })
}
