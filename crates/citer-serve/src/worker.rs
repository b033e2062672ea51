//! The worker: a thread that owns the backend and answers one request after another from a bounded queue.

use crate::{
    backend::Backend,
    error::ApiError,
    generation::{Broken, Event, Prompt, Record, generate, prepare},
    options::Options,
    request_log::{RequestLog, Row},
};
use citer_core::PrefixCache;
use std::{
    io,
    sync::{
        Arc, Weak,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One generation to do.
struct Job {
    endpoint: &'static str,
    prompt: Prompt,
    options: Options,
    events: UnboundedSender<Event>,
}

/// The way to the worker thread. The thread ends when this is dropped and the queue is empty.
pub(crate) struct Worker {
    jobs: SyncSender<Job>,
    alive: Weak<()>,
}

/// A generation that has begun.
pub(crate) struct Begun {
    pub prompt: Vec<citer_core::TokenId>,
    pub cached: usize,
    pub events: UnboundedReceiver<Event>,
}

impl Worker {
    /// Starts the thread. At most `queue` requests wait besides the one being answered.
    pub fn start<B: Backend>(
        mut backend: B,
        queue: usize,
        max_prompt_tokens: usize,
        mut log: Option<RequestLog>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (jobs, inbox) = sync_channel::<Job>(queue);
        let life = Arc::new(());
        let alive = Arc::downgrade(&life);
        let thread = std::thread::Builder::new().name("citer-model".into()).spawn(move || {
            let _life = life;
            let mut cache = PrefixCache::default();
            while let Ok(job) = inbox.recv() {
                answer(&mut backend, &mut cache, job, max_prompt_tokens, log.as_mut());
            }
        })?;
        Ok((Self { jobs, alive }, thread))
    }

    /// Whether the thread runs; it ends early only when the backend panics.
    pub fn is_alive(&self) -> bool {
        self.alive.strong_count() > 0
    }

    /// Queues a generation and waits until its prompt has been read.
    pub async fn begin(&self, endpoint: &'static str, prompt: Prompt, options: Options) -> Result<Begun, ApiError> {
        let (sender, mut events) = unbounded_channel();
        self.jobs.try_send(Job { endpoint, prompt, options, events: sender }).map_err(|error| match error {
            TrySendError::Full(_) => ApiError::busy(),
            TrySendError::Disconnected(_) => died(),
        })?;
        match events.recv().await {
            Some(Event::Started { prompt, cached }) => Ok(Begun { prompt, cached, events }),
            Some(Event::Failed(error)) => Err(error),
            _ => Err(died()),
        }
    }
}

/// The error of a request whose worker ended without a word.
pub(crate) fn died() -> ApiError {
    ApiError::internal("the model has stopped: restart the server")
}

fn answer<B: Backend>(
    backend: &mut B,
    cache: &mut PrefixCache,
    job: Job,
    max_prompt_tokens: usize,
    log: Option<&mut RequestLog>,
) {
    if job.events.is_closed() {
        return;
    }
    let row = Row::begin(job.endpoint);
    let mut record = Record::default();
    let prompt = match prepare(backend, &job.prompt, max_prompt_tokens) {
        Ok(prompt) => prompt,
        Err(error) => {
            // The client may be gone; then nobody needs the error.
            let _ = job.events.send(Event::Failed(error));
            return;
        }
    };
    let outcome = generate(backend, cache, prompt, &job.options, &job.events, &mut record);
    let (status, event) = match outcome {
        Ok((finish, rest)) => (finish.word(), Some(Event::Finished { finish, rest })),
        Err(Broken::Cancelled) => ("cancelled", None),
        Err(Broken::Failed(error)) => ("failed", Some(Event::Failed(error))),
    };
    // The row is written first, so that whoever has the answer finds it in the log.
    if let Some(log) = log {
        log.write(row.end(record, status));
    }
    if let Some(event) = event {
        let _ = job.events.send(event);
    }
}
