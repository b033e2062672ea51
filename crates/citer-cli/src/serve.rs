//! `citer serve`: the LLM, or servers behind this one, behind an OpenAI-compatible API with sessions; and the chat page.

use crate::Failure;
use citer_lm::{LlmFiles, Model, device, pair};
use citer_serve::{ConfigFile, LmBackend, TlsFiles, UpstreamEntry, serve, serve_upstreams};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// Folder of the pair.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Folder or GGUF file of another model to serve instead of the pair's LLM.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Most tokens of a conversation, where the model holds more.
    #[arg(long, default_value_t = 4096)]
    context: usize,
    /// File with settings, API keys and upstreams; what is given here goes before it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Address of a server to pass requests on to, instead of serving a model; may be repeated.
    #[arg(long)]
    upstream: Vec<String>,
    /// Environment variable that holds the key of the upstreams given here.
    #[arg(long, requires = "upstream")]
    upstream_key_env: Option<String>,
    /// Folder of the built page; without it only the API is served.
    #[arg(long)]
    web: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:8080]; port 0 takes a free one.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Another origin that may call the API from a browser; may be repeated.
    #[arg(long)]
    allow_origin: Vec<String>,
    /// File that gets a line of JSON for every generation (ids and counts, no text).
    #[arg(long)]
    request_log: Option<PathBuf>,
    /// Write a line of JSON for every request to standard error (counts and times, no text and no ids).
    #[arg(long)]
    access_log: bool,
    /// Memory for keys and values of conversations that may go on, in MB [default: 256].
    #[arg(long)]
    cache_mb: Option<usize>,
    /// Requests that are answered at once [default: 32].
    #[arg(long)]
    batch: Option<usize>,
    /// Requests that may wait [default: 256]; further ones are told to come back.
    #[arg(long)]
    queue: Option<usize>,
    /// PEM file of a certificate: connections are encrypted.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let file = settings(args)?;
    let config = file.settings();
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let running = if file.upstreams.is_empty() {
            let (name, model) = model(args)?;
            serve(config, LmBackend::new(&name, model, args.context)?, asked_to_end()).await?
        } else {
            serve_upstreams(config, &file.upstreams, asked_to_end()).await?
        };
        println!("listening on {scheme}://{}", running.address());
        running.finished().await?;
        Ok(())
    })
}

/// The configuration file with what was given on the command line.
fn settings(args: &Args) -> Result<ConfigFile, Failure> {
    let mut file = args.config.as_deref().map(ConfigFile::read).transpose()?.unwrap_or_default();
    file.listen = args.listen.or(file.listen);
    file.web = args.web.clone().or(file.web);
    file.request_log = args.request_log.clone().or(file.request_log);
    file.cache_mb = args.cache_mb.or(file.cache_mb);
    file.batch = args.batch.or(file.batch);
    file.queue = args.queue.or(file.queue);
    if args.access_log {
        file.access_log = Some(true);
    }
    file.allow_origins.get_or_insert_default().extend(args.allow_origin.iter().cloned());
    if let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) {
        file.tls = Some(TlsFiles { cert: cert.clone(), key: key.clone() });
    }
    file.upstreams.extend(args.upstream.iter().map(|url| UpstreamEntry {
        url: url.clone(),
        key_env: args.upstream_key_env.clone(),
        ..UpstreamEntry::default()
    }));
    Ok(file)
}

/// Ready when the system or the user asks the program to end.
async fn asked_to_end() {
    let interrupt = async {
        // Without signals the server runs until the process is ended.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

/// The model that is served, and its name.
fn model(args: &Args) -> Result<(String, Model), Failure> {
    let device = device::cpu();
    let Some(path) = &args.model else {
        return Ok(("citer-llm".into(), LlmFiles::read(&args.models, pair::LLM)?.model(&device)?));
    };
    let name = path.file_stem().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
    Ok((name, Model::open(path, &device)?))
}
