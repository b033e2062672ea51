//! `citer bench-remote`: what a critical token costs over connections of several round trips, in JSON: the whole, and its
//! parts on the way, in the server, in its queue and in this program.

use crate::Failure;
use citer_core::{RemoteToken, TokenId};
use citer_lm::{LlmFiles, LocalVocabulary, Tokenizer, chat::ChatFormat, device, pair};
use citer_remote::{Remote, SharedVocabulary, proxy};
use citer_serve::{LmBackend, ServeConfig, serve};
use citer_tasks::{Split, suite};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most tokens of a conversation.
const CONTEXT: usize = 4096;
/// Longest wait for a token.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub struct Args {
    /// Folder of the pair.
    #[arg(long, default_value = "web/models")]
    models: PathBuf,
    /// Address of a server on this machine to measure, such as 127.0.0.1:8080; by default one is started here.
    #[arg(long)]
    address: Option<SocketAddr>,
    /// Round trips to add, in milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "0,20,50,100")]
    round_trips: Vec<u64>,
    /// Critical tokens at each.
    #[arg(long, default_value_t = 100)]
    tokens: usize,
    /// Every which token of an answer is critical.
    #[arg(long, default_value_t = 8)]
    every: usize,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let model = LlmFiles::read(&args.models, pair::LLM)?.model(&device::cpu())?;
    let (tokenizer, format) = (model.tokenizer.clone(), model.format.clone());
    let vocabulary: SharedVocabulary = Arc::new(LocalVocabulary::new(tokenizer.clone(), &format));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let (address, running) = match args.address {
            Some(address) => (address, None),
            None => {
                let config = ServeConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..ServeConfig::default() };
                let backend = LmBackend::new("citer-llm", model, CONTEXT)?;
                let running = serve(config, backend, async move {
                    // The sender going away ends the server as well.
                    let _ = ended.await;
                })
                .await?;
                (running.address(), Some(running))
            }
        };
        let mut rows = Vec::new();
        for round_trip in &args.round_trips {
            rows.push(row(args, address, *round_trip, &vocabulary, &tokenizer, &format).await?);
        }
        let report = json!({
            "tokens": args.tokens, "every": args.every, "threads": crate::threads(), "round_trips": rows,
            "over_is": "milliseconds of a critical token beyond the injected round trip",
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
        // Nobody listens any more when the server was not started here.
        let _ = end.send(());
        if let Some(running) = running {
            running.finished().await?;
        }
        Ok(())
    })
}

/// Measures over a connection with this round trip, on warm sessions: the first token of each conversation is left out.
async fn row(
    args: &Args,
    address: SocketAddr,
    round_trip: u64,
    vocabulary: &SharedVocabulary,
    tokenizer: &Tokenizer,
    format: &ChatFormat,
) -> Result<Value, Failure> {
    let way = proxy::Way { round_trip: Duration::from_millis(round_trip), ..proxy::Way::default() };
    let proxy = proxy::Proxy::start(address, way).await?;
    let mut remote = Remote::new(&format!("http://{}", proxy.address()), None, LIMIT)?;
    remote.set_vocabulary(vocabulary.clone());
    let dialect = remote.connect().await?.dialect;
    let (mut took, mut answers) = (Vec::new(), Vec::<RemoteToken>::new());
    'questions: for question in suite(Split::Test, 1, args.tokens) {
        let mut prefix = format.question(tokenizer, &question.prompt)?;
        let answer: Vec<TokenId> = format.answer(tokenizer, &question.solution)?;
        let mut cold = true;
        for step in answer.chunks(args.every.max(1)) {
            let begun = Instant::now();
            let token = remote.ask(&prefix, 1).await?.token;
            if !cold {
                took.push(begun.elapsed().as_secs_f64() * 1e3);
                answers.push(token);
            }
            cold = false;
            if took.len() == args.tokens {
                break 'questions;
            }
            prefix.extend(step);
        }
    }
    remote.close().await;
    let part = |value: &dyn Fn(&RemoteToken) -> f64| spread(answers.iter().map(value).collect());
    let beyond: Vec<f64> = took.iter().map(|took| took - round_trip as f64).collect();
    let client = beyond.iter().zip(&answers).map(|(beyond, token)| beyond - token.server_ms - token.queue_ms);
    Ok(json!({
        "round_trip_ms": round_trip, "dialect": dialect, "tokens": took.len(), "total_ms": spread(took.clone()),
        "over_ms": spread(beyond.clone()), "server_ms": part(&|t| t.server_ms), "queue_ms": part(&|t| t.queue_ms),
        "client_ms": spread(client.collect()), "tokens_sent": part(&|t| t.tokens_sent as f64),
        "tokens_cached": part(&|t| t.tokens_cached as f64), "bytes_sent": part(&|t| t.bytes_sent as f64),
        "bytes_received": part(&|t| t.bytes_received as f64),
    }))
}

/// Median and 95th percentile.
fn spread(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1)));
    json!({"median": at(0.5), "p95": at(0.95)})
}
