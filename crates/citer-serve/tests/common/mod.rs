//! A server on the loopback over a scripted model, and a client for it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::{Sampling, TokenId, message::Role, message::Turn};
use citer_serve::{Backend, BackendError, ModelInfo, Row, Running, ServeConfig, Step, prefix_tree::BLOCK, serve};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;
use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};
use tokio::sync::oneshot;

pub const END: TokenId = 0;
const USER: TokenId = 1;
const ASSISTANT: TokenId = 2;
/// Token of byte 0; the other bytes follow.
const BYTES: TokenId = 3;
/// Tokens of several bytes after those of one byte.
const PIECES: [&str; 3] = ["EN", "D!", "xD"];
pub const VOCAB: usize = 3 + 256 + PIECES.len();
pub const CONTEXT: usize = 64;

/// Continues a text after its last question mark with the script and the end token; a text without one with letters
/// that depend on the whole sequence (greedy) or on seed and position. A `#` makes it fail, a `~` panic.
pub struct Scripted {
    script: Vec<TokenId>,
    gate: Option<Arc<Gate>>,
    slow: bool,
    fed: Arc<Mutex<Vec<usize>>>,
    batches: Arc<Mutex<Vec<usize>>>,
}

/// Holds every step until it is opened.
#[derive(Default)]
pub struct Gate {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    pub fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    /// Waits until a step waits.
    pub fn wait_entered(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| !state.0).unwrap());
    }

    fn enter(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.1).unwrap());
    }
}

/// Tokens of single bytes.
pub fn bytes(text: &str) -> Vec<TokenId> {
    text.bytes().map(|byte| BYTES + TokenId::from(byte)).collect()
}

/// The token of a piece.
pub fn piece(text: &str) -> TokenId {
    BYTES + 256 + PIECES.iter().position(|piece| *piece == text).unwrap() as TokenId
}

impl Scripted {
    pub fn new(script: Vec<TokenId>) -> Self {
        Self { script, gate: None, slow: false, fed: Arc::default(), batches: Arc::default() }
    }

    pub fn gated(mut self, gate: &Arc<Gate>) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    pub fn slow(mut self) -> Self {
        self.slow = true;
        self
    }

    /// How many tokens each step was fed.
    pub fn fed(&self) -> Arc<Mutex<Vec<usize>>> {
        self.fed.clone()
    }

    /// How many sequences each step took forward.
    pub fn batches(&self) -> Arc<Mutex<Vec<usize>>> {
        self.batches.clone()
    }

    fn choose(&self, cache: &[TokenId], sampling: Sampling) -> TokenId {
        let letter = |number: u64| BYTES + TokenId::from(b'a') + (number % 26) as TokenId;
        let question = cache.iter().rposition(|id| *id == BYTES + TokenId::from(b'?'));
        let after = |place: usize| cache[place + 1..].iter().filter(|id| **id != ASSISTANT).count();
        match question {
            Some(place) => self.script.get(after(place)).copied().unwrap_or(END),
            None if sampling.temperature > 0.0 => {
                let nucleus = u64::from(sampling.top_p.to_bits() ^ 1f32.to_bits());
                letter((sampling.seed ^ cache.len() as u64 ^ nucleus).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32)
            }
            None => letter(cache.iter().fold(7, |sum, id| sum * 31 % 1_000_003 + u64::from(*id))),
        }
    }
}

impl Backend for Scripted {
    /// The ids themselves: a cache that mixed blocks up would change what the model says.
    type Block = Arc<Vec<TokenId>>;

    fn info(&self) -> ModelInfo {
        ModelInfo { name: "scripted".into(), tokenizer_sha256: "ab12".into(), vocab_size: VOCAB, context: CONTEXT }
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, BackendError> {
        Ok(bytes(text))
    }

    fn conversation(&self, turns: &[Turn]) -> Result<Vec<TokenId>, BackendError> {
        let mut ids = Vec::new();
        for turn in turns {
            ids.push(if turn.role == Role::Assistant { ASSISTANT } else { USER });
            ids.extend(bytes(&turn.content));
        }
        ids.push(ASSISTANT);
        Ok(ids)
    }

    fn token_bytes(&self, token: TokenId) -> Vec<u8> {
        match token {
            END | USER | ASSISTANT => Vec::new(),
            _ if token < BYTES + 256 => vec![(token - BYTES) as u8],
            _ => PIECES[(token - BYTES - 256) as usize].into(),
        }
    }

    fn is_end(&self, token: TokenId) -> bool {
        token == END
    }

    fn block_bytes(&self) -> usize {
        1_024
    }

    fn step(&mut self, rows: &mut [Row<'_, Self::Block>]) -> Vec<Result<Step, BackendError>> {
        if let Some(gate) = &self.gate {
            gate.enter();
        }
        if self.slow {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.batches.lock().unwrap().push(rows.len());
        rows.iter_mut().map(|row| self.row(row)).collect()
    }
}

impl Scripted {
    fn row(&self, row: &mut Row<'_, Arc<Vec<TokenId>>>) -> Result<Step, BackendError> {
        let Row { tokens, sampling, top, .. } = *row;
        self.fed.lock().unwrap().push(tokens.len());
        assert_eq!(row.blocks.len(), row.position.div_ceil(BLOCK));
        let mut cache: Vec<TokenId> = row.blocks.iter().flat_map(|block| block.iter().copied()).collect();
        cache.truncate(row.position);
        assert_eq!(cache.len(), row.position);
        cache.extend_from_slice(tokens);
        assert!(!tokens.is_empty() && cache.len() <= CONTEXT, "{tokens:?}");
        *row.blocks = cache.chunks(BLOCK).map(|ids| Arc::new(ids.to_vec())).collect();
        let holds = |byte: u8| cache.contains(&(BYTES + TokenId::from(byte)));
        assert!(!holds(b'~'), "asked to panic");
        if holds(b'#') {
            return Err(BackendError("asked to fail".into()));
        }
        let token = self.choose(&cache, sampling);
        let others = (0..VOCAB as TokenId).filter(|id| *id != token).map(|id| (id, -3.0));
        Ok(Step { token, logprob: -0.25, top: std::iter::once((token, -0.25)).chain(others).take(top).collect() })
    }
}

pub struct Server {
    pub base: String,
    pub client: Client,
    running: Option<Running>,
    stop: Option<oneshot::Sender<()>>,
}

pub fn config() -> ServeConfig {
    ServeConfig { listen: "127.0.0.1:0".parse().unwrap(), max_tokens: 1_000, ..ServeConfig::default() }
}

pub async fn start(backend: Scripted) -> Server {
    start_with(backend, config()).await
}

pub async fn start_with(backend: Scripted, config: ServeConfig) -> Server {
    let (stop, stopped) = oneshot::channel::<()>();
    let running = serve(config, backend, async { drop(stopped.await) }).await.unwrap();
    let base = format!("http://{}", running.address());
    Server { base, client: client(), running: Some(running), stop: Some(stop) }
}

impl Server {
    /// A server that is never asked to end.
    pub fn over(running: Running) -> Self {
        let base = format!("http://{}", running.address());
        Self { base, client: client(), running: Some(running), stop: None }
    }

    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.send(path, body).await;
        (response.status(), response.json().await.unwrap())
    }

    pub async fn send(&self, path: &str, body: &Value) -> Response {
        self.client.post(self.base.clone() + path).json(body).send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.request(Method::GET, self.base.clone() + path).send().await.unwrap()
    }

    /// A 200 answer.
    pub async fn ok(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, &body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The data of a stream, which must end in `[DONE]`.
    pub async fn stream(&self, path: &str, mut body: Value) -> Vec<Value> {
        body["stream"] = true.into();
        let response = self.send(path, &body).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = response.text().await.unwrap();
        let mut data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(data.pop(), Some("[DONE]"), "{text}");
        data.into_iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks the server to end.
    pub fn shut_down(&mut self) -> Running {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.take().unwrap()
    }
}

/// A new path for a file or folder of this test.
pub fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let _ = std::fs::remove_file(&path);
    path
}

/// An HTTP client. It wants to know who does its cryptography, although the tests ask for none.
pub fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}
