//! Messages between the page and its engine worker: JSON, one enum each way.

use crate::{
    answer::Finish,
    connection::{Capabilities, Dialect},
    event::{TokenEvent, TokenId},
    ledger::RequestNews,
    library::{LibraryNews, LibraryRequest},
    revival::{Death, Fault},
    settings::Settings,
    trace::Trace,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A server to ask.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerAddress {
    /// Base address, absolute.
    pub url: String,
    /// The model; the server's first one when absent.
    #[serde(default)]
    pub model: Option<String>,
    /// API key.
    #[serde(default)]
    pub key: Option<String>,
    /// How to ask; found out when absent.
    #[serde(default)]
    pub dialect: Option<Dialect>,
}

impl ServerAddress {
    /// The server at `url`, of which nothing else is known.
    pub fn at(url: String) -> Self {
        Self { url, model: None, key: None, dialect: None }
    }
}

impl fmt::Debug for ServerAddress {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, model, key, dialect } = self;
        let key = key.as_ref().map(|_| "hidden");
        f.debug_struct("ServerAddress")
            .field("url", url)
            .field("model", model)
            .field("key", &key)
            .field("dialect", dialect)
            .finish()
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// `system`, `user` or `assistant`.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What holds for the whole conversation: the system prompt, before the first question.
    System,
    /// The person.
    User,
    /// The assistant.
    Assistant,
}

/// What the page asks of the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToWorker {
    /// Load the shipped pair's SLM and router from `models_url`, and look for a server at `server_url`.
    Load {
        /// Folder that holds the SLM, the tokenizer and the router, absolute.
        models_url: String,
        /// Base address of the LLM server, absolute; `None` means never ask the network.
        server_url: Option<String>,
        /// A model of the library to run in place of the shipped one.
        #[serde(default)]
        model: Option<String>,
    },
    /// Ask the server again whether it is there.
    Probe,
    /// Use these servers from now on, the first one first and the others where it fails.
    Connect {
        /// The servers; none means never ask the network.
        servers: Vec<ServerAddress>,
        /// Tokens asked for in a request; those after the first are kept in reserve. 1 is plain CITER.
        look_ahead: u32,
    },
    /// Answer the last user turn.
    Answer {
        /// The page's number for this answer; every message about it carries it back.
        answer: u64,
        /// The conversation, ending in a user turn.
        turns: Vec<Turn>,
        /// How to answer.
        settings: Settings,
    },
    /// Go on with an answer whose worker died: answer as before, after the tokens that the page has.
    Continue {
        /// The page's number for this answer.
        answer: u64,
        /// The conversation, ending in a user turn.
        turns: Vec<Turn>,
        /// The answer so far.
        events: Vec<TokenEvent>,
        /// How to answer, as before.
        settings: Settings,
    },
    /// End the running answer after the token in progress.
    Stop,
    /// A request is noted and may leave.
    Noted {
        /// Its number.
        request: u64,
    },
    /// Run the engine here although another tab does; that one stops.
    TakeOver,
    /// For tests of the page: fail on purpose in the next answer.
    Fault(Fault),
    /// Something about the model library.
    Library(LibraryRequest),
    /// Measure the engine's speed.
    Bench {
        /// Folder that holds the shipped models, absolute.
        models_url: String,
        /// A GGUF file to measure; the shipped SLM when absent.
        model_url: Option<String>,
        /// Tokens in the cache before decoding starts.
        contexts: Vec<usize>,
        /// Tokens decoded at each context.
        decode: usize,
        /// Whether the KV cache holds 16-bit floats where the adapter has them.
        half_cache: bool,
    },
}

/// What the worker tells the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "a message lives as long as it takes to read it")]
pub enum FromWorker {
    /// The worker runs and takes messages.
    Started,
    /// Loading goes on.
    Loading {
        /// What is being done, for people.
        stage: String,
        /// 0 to 1.
        progress: f32,
    },
    /// The kernel variants that were tried on this device.
    Kernels {
        /// All of them; only those in use where they were known from an earlier visit.
        kernels: Vec<Kernel>,
        /// Whether the fastest were known from an earlier visit.
        #[serde(default)]
        remembered: bool,
    },
    /// The SLM and the router are ready.
    Ready(EngineInfo),
    /// Whether the server answered the last probe.
    Server {
        /// Whether critical tokens can be asked now.
        available: bool,
        /// The LLM's name when available, otherwise why not.
        detail: String,
        /// What each server that answered can do, in the order they are asked.
        #[serde(default)]
        servers: Vec<Capabilities>,
    },
    /// The question is being read: so many of its tokens are computed.
    Reading {
        /// The page's number for the answer.
        answer: u64,
        /// Tokens that are computed.
        done: usize,
        /// All tokens.
        total: usize,
    },
    /// The answer has a new token.
    Token {
        /// The page's number for the answer.
        answer: u64,
        /// The token.
        event: TokenEvent,
        /// The local candidates' texts, in the order of `event.local`.
        local_text: Vec<String>,
        /// The remote candidates' texts, in the order of `event.remote`.
        remote_text: Vec<String>,
        /// The requests that were made for it, by number.
        #[serde(default)]
        requests: Vec<u64>,
        /// Who was asked last: the address of the server that answered, where one did.
        #[serde(default)]
        server: Option<String>,
    },
    /// A request begins, goes on or ends. One that begins waits until it is [noted](ToWorker::Noted).
    Request(RequestNews),
    /// Something the reader should know about the answer in progress (the server went away, say).
    Notice {
        /// The page's number for the answer.
        answer: u64,
        /// For people.
        text: String,
    },
    /// The answer is finished.
    Finished {
        /// The page's number for the answer.
        answer: u64,
        /// Why it ended.
        finish: Finish,
        /// The answer's full record.
        trace: Trace,
    },
    /// The request failed; nothing typed is lost.
    Failed {
        /// The page's number for the answer; `None` when loading failed.
        answer: Option<u64>,
        /// What is wrong and what to do.
        error: String,
    },
    /// This worker's device cannot run the engine; the processor can.
    NoDevice {
        /// What is wrong.
        error: String,
    },
    /// The worker cannot go on; a new one can.
    Died(Death),
    /// Another tab runs the engine; this one waits until it ends, or takes over when told to.
    Elsewhere,
    /// Something about the model library.
    Library(LibraryNews),
    /// The benchmark's report, as JSON.
    Bench {
        /// The report.
        report: String,
    },
}

/// A variant of a kernel as it was tried on this device, for the page's device report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// What it computes.
    pub kernel: String,
    /// How.
    pub variant: String,
    /// Largest difference from the known answer as a share of what rounding may add up to; above 1 it is wrong.
    pub error: f32,
    /// Microseconds a run; `None` where it was not timed.
    pub micros: Option<f64>,
    /// Whether it is used.
    pub chosen: bool,
}

/// What runs in the worker, for the page's "about" panel and the tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Name of the SLM.
    pub model: String,
    /// Number of its parameters.
    pub parameters: u64,
    /// The graphics adapter, as the browser names it, and its backend (`WebGpu`), or the processor.
    pub adapter: String,
    /// Whether it runs on the processor, because there is no WebGPU or it failed.
    #[serde(default)]
    pub on_processor: bool,
    /// The threshold recommended by the router's card.
    pub threshold: f32,
    /// Milliseconds to load and warm up.
    pub load_ms: f64,
    /// Most tokens in a conversation.
    pub context: usize,
    /// The end-of-turn token.
    pub end_token: TokenId,
    /// Whether a router that was trained for this model runs beside it; without one and without what
    /// stands in for it, it makes every token itself.
    pub has_router: bool,
    /// Whether the entropy of its next token, calibrated on the shipped pair, stands in for a router.
    #[serde(default)]
    pub by_entropy: bool,
    /// Whether the model has a place of its own for a system prompt; otherwise it stands before the first question.
    #[serde(default)]
    pub has_system: bool,
    /// Bytes of the worker's memory after loading; it never shrinks, so this is its peak.
    pub memory: u64,
}
