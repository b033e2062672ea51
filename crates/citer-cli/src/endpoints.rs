//! The LLM behind one or several servers, for labels and measurements: asked from many threads, with retries, and with
//! all answers kept on disk.

use crate::Failure;
use citer_core::{RemoteError, TokenId};
use citer_lm::{Tokenizer, hash::sha256};
use citer_remote::{Continuation, Remote};
use citer_train::TrainError;
use citer_train::cost::Prices;
use citer_train::probe::Probe;
use citer_train::responses::{Origin, Responses, Spent};
use citer_train::teacher::{Ask, Reply};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Questions in work at once when servers answer for the LLM.
pub const IN_FLIGHT: usize = 16;

/// Which LLM.
#[derive(clap::Args, Clone)]
pub struct Servers {
    /// Ask this server for the LLM's tokens instead of loading the pair's LLM; may be repeated. It must take and give
    /// token ids of the pair's vocabulary (citer serve, vLLM, llama.cpp, SGLang).
    #[arg(long, value_name = "URL")]
    server: Vec<String>,
    /// Name of the servers' model; their first one by default.
    #[arg(long)]
    model: Option<String>,
    /// Environment variable that holds the servers' API key.
    #[arg(long, value_name = "VARIABLE")]
    key_from: Option<String>,
    /// Folder for the servers' answers, which are asked for once.
    #[arg(long, default_value = "runs/answers")]
    answers: PathBuf,
    /// How often a server that fails is asked again before the run ends.
    #[arg(long, default_value_t = 5)]
    retries: u32,
    /// Seconds to wait for an answer.
    #[arg(long, default_value_t = 60)]
    timeout: u64,
}

/// An LLM behind servers with its answers on disk.
pub struct Served {
    /// How it is asked.
    pub ask: Arc<Responses<Endpoints>>,
}

impl Served {
    /// What it has cost so far, in words.
    pub fn bill(&self, prices: &Prices) -> String {
        let spent = self.ask.spent();
        let Spent { requests, reused, sent, cached, made, .. } = spent;
        format!(
            "LLM: {requests} requests ({reused} answered from disk), {sent} prompt tokens ({cached} cached), {made} tokens \
             made, {:.4} USD so far",
            spent.usd(prices)
        )
    }
}

impl Servers {
    /// The LLM behind the servers, if any are named. All of them must serve one model with the vocabulary in
    /// `tokenizer`, a tokenizer.json.
    pub fn open(&self, tokenizer: &[u8]) -> Result<Option<Served>, Failure> {
        if self.server.is_empty() {
            return Ok(None);
        }
        let tokenizer_sha256 = sha256(tokenizer);
        let prompts = Probe::prompts(&Tokenizer::from_json(tokenizer)?)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut name: Option<String> = None;
        let mut endpoints = Vec::new();
        let mut room: Option<usize> = None;
        let mut probe: Option<Probe> = None;
        for url in &self.server {
            let mut remote = Remote::new(url, self.model.clone().or(name.clone()), Duration::from_secs(self.timeout))?;
            if let Some(variable) = &self.key_from {
                let missing = |_| format!("the environment has no {variable}: set it to the API key");
                remote = remote.with_api_key(std::env::var(variable).map_err(missing)?);
            }
            let found = runtime.block_on(remote.probe()).map_err(|e| format!("{url}: {e}"))?;
            match &found.tokenizer_sha256 {
                Some(theirs) if *theirs != tokenizer_sha256 => {
                    return Err(
                        format!("{url} has another vocabulary than the pair: its token ids mean other text").into()
                    );
                }
                Some(_) => {}
                None => eprintln!("{url} does not say which vocabulary it has: it must be the pair's tokenizer.json"),
            }
            room = found.context.map(|context| context as usize).into_iter().chain(room).min();
            name.get_or_insert(found.name);
            // Two models may have one name.
            let said = |prompt: &[TokenId], most: usize| {
                let wrong = |detail: String| TrainError::Teacher(format!("{url}: {detail}"));
                let found = runtime.block_on(remote.tokens(prompt, most as u32)).map_err(|e| wrong(e.to_string()))?;
                let (read, sent) = (found.tokens_sent, prompt.len());
                if read != sent as u64 {
                    return Err(wrong(format!(
                        "it reads {read} tokens where {sent} were sent: let it add none of its own"
                    )));
                }
                Ok(reply(found))
            };
            let said = Probe::of(&prompts, said)?;
            if probe.as_ref().is_some_and(|first| !first.same(&said)) {
                return Err(
                    format!("{url} answers otherwise than {}: they serve different LLMs", self.server[0]).into()
                );
            }
            probe.get_or_insert(said);
            endpoints.push((url.clone(), remote));
        }
        let name = format!("served as {}", name.unwrap_or_default());
        std::fs::create_dir_all(&self.answers)
            .map_err(|e| format!("{}: {e}; check the folder and its permissions", self.answers.display()))?;
        let endpoints = Endpoints { runtime, endpoints, next: AtomicUsize::new(0), retries: self.retries, room };
        let path = self.answers.join("answers.jsonl");
        let origin = Origin::new(name, tokenizer_sha256, probe.unwrap_or_default());
        Ok(Some(Served { ask: Arc::new(Responses::open(&path, &origin, endpoints)?) }))
    }
}

/// Servers that share the questions.
pub struct Endpoints {
    runtime: tokio::runtime::Runtime,
    endpoints: Vec<(String, Remote)>,
    next: AtomicUsize,
    retries: u32,
    room: Option<usize>,
}

impl Ask for Endpoints {
    fn ask(&self, prefix: &[TokenId], most: usize) -> Result<Reply, TrainError> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut problems = Vec::new();
        for attempt in 0..=self.retries {
            problems.clear();
            let mut wait = Duration::from_millis(250 << attempt.min(5));
            for turn in 0..self.endpoints.len() {
                let (url, remote) = &self.endpoints[(first + turn) % self.endpoints.len()];
                match self.runtime.block_on(remote.tokens(prefix, most as u32)) {
                    Ok(found) => return Ok(reply(found)),
                    // The question itself is refused: asking again would change nothing.
                    Err(e @ RemoteError::Refused { status: 400..=499, .. }) => {
                        return Err(TrainError::Teacher(format!("{url}: {e}")));
                    }
                    Err(e) => {
                        if let RemoteError::Busy(seconds) = e {
                            wait = wait.max(Duration::from_secs(seconds.min(30)));
                        }
                        problems.push(format!("{url}: {e}"));
                    }
                }
            }
            if attempt < self.retries {
                std::thread::sleep(wait);
            }
        }
        Err(TrainError::Teacher(format!("no server answers any more ({})", problems.join("; "))))
    }

    fn room(&self) -> Option<usize> {
        self.room
    }
}

fn reply(found: Continuation) -> Reply {
    let Continuation { tokens, stopped, bytes_sent, bytes_received, tokens_sent, tokens_cached } = found;
    let named = |top: Vec<citer_core::Candidate>| top.into_iter().map(|c| (c.id, c.probability)).collect();
    Reply {
        tokens: tokens.into_iter().map(|token| (token.token, named(token.top))).collect(),
        stopped,
        sent: tokens_sent,
        cached: tokens_cached,
        bytes: bytes_sent + bytes_received,
    }
}
