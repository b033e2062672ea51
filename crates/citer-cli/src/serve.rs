//! `citer serve`: the LLM behind an OpenAI-compatible API, and the chat page.

use crate::Failure;
use citer_lm::{Engine, LlmFiles, Model, device, pair};
use citer_serve::{LmBackend, ServeConfig, serve};
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
    /// Folder of the built page; without it only the API is served.
    #[arg(long)]
    web: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Another origin that may call the API from a browser; may be repeated.
    #[arg(long)]
    allow_origin: Vec<String>,
    /// File that gets a line of JSON for every generation (ids and counts, no text).
    #[arg(long)]
    request_log: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (name, engine) = engine(args)?;
    let backend = LmBackend::new(&name, engine);
    let config = ServeConfig {
        listen: args.listen,
        web: args.web.clone(),
        allow_origins: args.allow_origin.clone(),
        request_log: args.request_log.clone(),
        ..ServeConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let running = serve(config, backend, async {
            // Without signals the server runs until the process is ended.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await?;
        println!("listening on http://{}", running.address());
        running.finished().await?;
        Ok(())
    })
}

/// The model that is served, and its name.
fn engine(args: &Args) -> Result<(String, Engine), Failure> {
    let device = device::cpu();
    let Some(path) = &args.model else {
        let engine = LlmFiles::read(&args.models, pair::LLM)?.engine(args.context, &device)?;
        return Ok(("citer-llm".into(), engine));
    };
    let name = path.file_stem().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
    Ok((name, Model::open(path, &device)?.engine(args.context, &device)?))
}
