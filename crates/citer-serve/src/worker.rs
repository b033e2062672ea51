//! The worker: a thread that owns the model. Every step takes all generations under way one token (or a piece of a prompt)
//! further; new ones join between steps from a bounded queue.

use crate::{
    backend::Backend,
    error::ApiError,
    generation::{Event, Generation, Prompt, prepare},
    meter::Meter,
    metrics::Metrics,
    options::Options,
    prefix_tree::PrefixTree,
    request_log::{RequestLog, Row as LogRow},
};
use citer_core::TokenId;
use std::{
    io,
    sync::{
        Arc, Weak,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Tokens of one prompt that a step computes; the rest of a long prompt waits while others go on.
const PIECE: usize = 256;
/// Tokens that a step computes in all, so that a step is never long; everybody gets at least one.
const STEP: usize = 1_024;

/// One generation to do.
struct Job {
    endpoint: &'static str,
    prompt: Prompt,
    options: Options,
    events: UnboundedSender<Event>,
    meter: Arc<Meter>,
    asked: Instant,
}

/// How much the worker takes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Requests that wait.
    pub queue: usize,
    /// Generations under way.
    pub batch: usize,
    /// Tokens of a prompt.
    pub max_prompt_tokens: usize,
    /// Bytes of keys and values that are kept.
    pub cache_bytes: usize,
}

/// The way to the worker thread. The thread ends when this is dropped and the queue is empty.
pub(crate) struct Worker {
    jobs: SyncSender<Job>,
    alive: Weak<()>,
}

/// A generation that has begun.
pub(crate) struct Begun {
    pub prompt: Vec<TokenId>,
    pub cached: usize,
    /// How long it waited for its turn.
    pub queued: Duration,
    pub events: UnboundedReceiver<Event>,
}

impl Worker {
    /// Starts the thread.
    pub fn start<B: Backend>(
        backend: B,
        limits: Limits,
        metrics: Arc<Metrics>,
        log: Option<RequestLog>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (jobs, inbox) = sync_channel::<Job>(limits.queue);
        let life = Arc::new(());
        let alive = Arc::downgrade(&life);
        let thread = std::thread::Builder::new().name("citer-model".into()).spawn(move || {
            let _life = life;
            let kept = PrefixTree::new(limits.cache_bytes / backend.block_bytes().max(1));
            let context = backend.info().context;
            Batch { backend, kept, limits, context, metrics, log, running: Vec::new() }.run(&inbox);
        })?;
        Ok((Self { jobs, alive }, thread))
    }

    /// Whether the thread runs; it ends early only when the backend panics.
    pub fn is_alive(&self) -> bool {
        self.alive.strong_count() > 0
    }

    /// Queues a generation and waits until its prompt has been read.
    pub async fn begin(
        &self,
        endpoint: &'static str,
        prompt: Prompt,
        options: Options,
        meter: Arc<Meter>,
    ) -> Result<Begun, ApiError> {
        let (sender, mut events) = unbounded_channel();
        let job = Job { endpoint, prompt, options, events: sender, meter, asked: Instant::now() };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => ApiError::busy(),
            TrySendError::Disconnected(_) => died(),
        })?;
        match events.recv().await {
            Some(Event::Started { prompt, cached, queued }) => Ok(Begun { prompt, cached, queued, events }),
            Some(Event::Failed(error)) => Err(error),
            _ => Err(died()),
        }
    }
}

/// The error of a request whose worker ended without a word.
pub(crate) fn died() -> ApiError {
    ApiError::internal("the model has stopped: restart the server")
}

/// All generations under way.
struct Batch<B: Backend> {
    backend: B,
    kept: PrefixTree<B::Block>,
    limits: Limits,
    context: usize,
    metrics: Arc<Metrics>,
    log: Option<RequestLog>,
    running: Vec<(Generation<B::Block>, LogRow)>,
}

impl<B: Backend> Batch<B> {
    fn run(&mut self, inbox: &Receiver<Job>) {
        loop {
            if self.running.is_empty() {
                let Ok(job) = inbox.recv() else { return };
                self.admit(job);
            }
            while self.running.len() < self.limits.batch.max(1) {
                let Ok(job) = inbox.try_recv() else { break };
                self.admit(job);
            }
            self.step();
        }
    }

    fn admit(&mut self, job: Job) {
        let Job { endpoint, prompt, options, events, meter, asked } = job;
        if events.is_closed() {
            return;
        }
        let row = LogRow::begin(endpoint);
        let prompt = match prepare(&self.backend, &prompt, self.limits.max_prompt_tokens) {
            Ok(prompt) => prompt,
            Err(error) => {
                // The client may be gone; then nobody needs the error.
                let _ = events.send(Event::Failed(error));
                return;
            }
        };
        let (cached, blocks) = self.kept.find(&prompt);
        let one = options.max_tokens == 1;
        let generation = Generation::new(options, events, meter.clone(), prompt.clone(), cached, blocks);
        let (cached, queued) = (generation.record.cached_tokens, asked.elapsed());
        meter.started(prompt.len(), cached, queued, one);
        generation.tell(Event::Started { prompt, cached, queued });
        self.running.push((generation, row));
    }

    /// One step of all; those that end leave.
    fn step(&mut self) {
        for place in (0..self.running.len()).rev() {
            if self.running[place].0.is_cancelled() {
                self.leave(place, "cancelled", None);
            }
        }
        self.metrics.running.set(self.running.len() as i64);
        if self.running.is_empty() {
            return;
        }
        let (mut left, mut waiting) = (STEP.max(self.running.len()), self.running.len());
        let rows = self.running.iter_mut().map(|(generation, _)| {
            waiting -= 1;
            let row = generation.row(PIECE.min(left - waiting));
            left -= row.tokens.len();
            row
        });
        let mut rows: Vec<_> = rows.collect();
        let results = self.backend.step(&mut rows);
        let counts: Vec<usize> = rows.iter().map(|row| row.tokens.len()).collect();
        let outcomes = results.into_iter().zip(counts).enumerate().rev().collect::<Vec<_>>();
        for (place, (result, tokens)) in outcomes {
            match result {
                Ok(step) => {
                    let ended = self.running[place].0.advance(tokens, step, &self.backend, self.context);
                    if let Some(event) = ended {
                        let status = if let Event::Finished { finish, .. } = &event { finish.word() } else { "failed" };
                        self.leave(place, status, Some(event));
                    } else if self.running[place].0.has_begun() {
                        self.keep(place);
                    }
                }
                Err(error) => {
                    let event = Event::Failed(ApiError::internal(error.to_string()));
                    self.leave(place, "failed", Some(event));
                }
            }
        }
    }

    /// Lets others share what a generation has computed.
    fn keep(&mut self, place: usize) {
        let (ids, blocks) = self.running[place].0.computed();
        self.kept.insert(ids, blocks);
        self.metrics.blocks.set(self.kept.len() as i64);
    }

    fn leave(&mut self, place: usize, status: &'static str, event: Option<Event>) {
        if status != "failed" {
            self.keep(place);
        }
        let (mut generation, row) = self.running.remove(place);
        self.metrics.running.set(self.running.len() as i64);
        // The row is written first, so that whoever has the answer finds it in the log.
        if let Some(log) = &mut self.log {
            log.write(row.end(std::mem::take(&mut generation.record), status));
        }
        if let Some(event) = event {
            generation.tell(event);
        }
    }
}
