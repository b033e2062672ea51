//! Servers: one LLM behind an ordered list of servers, with the one loop that tries again.
//!
//! The first server that is not being left alone is asked. One that fails is left alone for a while that grows with every
//! failure in a row, or as long as it says, and the next one is asked; with none left, the loop waits and tries again as far as patience goes.
//! An answer that takes much longer than usual is no longer awaited: the local token stands, and what comes late is used
//! only where the answer has come to hold exactly the tokens it follows.

use crate::{
    http::Http,
    latency::Latency,
    remote::{Asked, Remote, SharedVocabulary},
    reserve::Reserve,
    transport::Transport,
};
use citer_core::{Capabilities, RemoteError, RemoteModel, RemoteToken, Sampling, TokenId, message::Turn};
use futures::{
    FutureExt,
    future::{Either, LocalBoxFuture, select},
};
use std::{pin::pin, time::Duration};

/// How failures are met.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Requests beyond the first for one token.
    pub retries: u32,
    /// Longest time for one token over all its requests and the waits between them.
    pub patience: Duration,
    /// How long a server is left alone after its first failure in a row; each further one doubles it.
    pub first_pause: Duration,
    /// Longest time a server is left alone, unless it asks for more.
    pub longest_pause: Duration,
    /// Tokens asked for in one request; those after the first are kept in reserve. 1 is plain CITER.
    pub look_ahead: u32,
    /// Whether answers that take much longer than usual are no longer awaited.
    pub adaptive: bool,
    /// Seed of the jitter on pauses.
    pub seed: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 2,
            patience: Duration::from_secs(5),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(30),
            look_ahead: 1,
            adaptive: true,
            seed: 0,
        }
    }
}

struct Endpoint<T> {
    remote: Remote<T>,
    latency: Latency,
    /// Failures since the last good answer.
    failures: u32,
    /// Left alone until then.
    until: Duration,
    /// Why it cannot be used, if it was looked for.
    problem: Option<RemoteError>,
}

/// A request whose answer is no longer awaited.
struct Late<T> {
    flight: LocalBoxFuture<'static, (Remote<T>, Result<Asked, RemoteError>)>,
    endpoint: usize,
    prefix: Vec<TokenId>,
    since: Duration,
}

/// The LLM behind servers.
pub struct Servers<T: Transport = Http> {
    endpoints: Vec<Endpoint<T>>,
    policy: Policy,
    reserve: Reserve,
    late: Option<Late<T>>,
    requests: u32,
    random: u64,
    sampling: Sampling,
}

impl<T: Transport> Default for Servers<T> {
    fn default() -> Self {
        Self::new(Vec::new(), Policy::default())
    }
}

impl<T: Transport> Servers<T> {
    /// Asks `remotes` in this order. Without any, nothing is asked.
    pub fn new(remotes: Vec<Remote<T>>, policy: Policy) -> Self {
        let endpoint = |remote| Endpoint {
            remote,
            latency: Latency::default(),
            failures: 0,
            until: Duration::ZERO,
            problem: None,
        };
        let random = policy.seed;
        let endpoints = remotes.into_iter().map(endpoint).collect();
        let sampling = Sampling::GREEDY;
        Self { endpoints, policy, reserve: Reserve::default(), late: None, requests: 0, random, sampling }
    }

    /// The local vocabulary, for every server.
    pub fn set_vocabulary(&mut self, vocabulary: &SharedVocabulary) {
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.remote.set_vocabulary(vocabulary.clone()));
    }

    /// Looks for every server, which may be done before the local vocabulary is known.
    pub async fn look(&mut self) {
        let looking = self.endpoints.iter_mut().map(async |endpoint| {
            endpoint.problem = endpoint.remote.probe().await.err();
        });
        futures::future::join_all(looking).await;
    }

    /// Connects to every server. One that cannot be used is left out; what each said is returned in their order.
    pub async fn connect(&mut self) -> Vec<Result<Capabilities, RemoteError>> {
        let connecting = self.endpoints.iter_mut().map(async |endpoint| match endpoint.problem.take() {
            Some(problem) => Err(problem),
            None => endpoint.remote.connect().await,
        });
        let found = futures::future::join_all(connecting).await;
        let mut usable = found.iter().map(Result::is_ok);
        self.endpoints.retain(|_| usable.next().unwrap_or(false));
        self.late = None;
        found
    }

    /// The servers, in order.
    pub fn remotes(&self) -> impl Iterator<Item = &Remote<T>> {
        self.endpoints.iter().map(|endpoint| &endpoint.remote)
    }

    /// The conversation that the next prefixes belong to, and how many tokens its prompt has.
    pub fn begin(&mut self, turns: &[Turn], prompt: usize) {
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.remote.begin(turns, prompt));
    }

    /// The time within which nearly all answers of the first server came.
    pub fn usual_wait(&self) -> Option<Duration> {
        self.endpoints.first()?.latency.quantile(0.95)
    }

    /// The answer is over: what comes late is of no use to the next one.
    pub fn rest(&mut self) {
        self.late = None;
    }

    /// Ends all sessions.
    pub async fn close(&mut self) {
        self.late = None;
        futures::future::join_all(self.endpoints.iter_mut().map(|endpoint| endpoint.remote.close())).await;
    }

    /// The server to ask, and when it may be: the first one that is not left alone, or else the one left alone shortest.
    fn choose(&self, now: Duration) -> Option<(usize, Duration)> {
        let waits = self.endpoints.iter().map(|endpoint| endpoint.until.saturating_sub(now));
        waits.enumerate().min_by_key(|(_, wait)| *wait)
    }

    /// Uses what came of a request that is no longer awaited, and gives it up if nothing did.
    fn settle_late(&mut self) {
        let Some(Late { mut flight, endpoint, prefix, since }) = self.late.take() else { return };
        let Some((remote, outcome)) = (&mut flight).now_or_never() else { return };
        let Some(endpoint) = self.endpoints.get_mut(endpoint) else { return };
        endpoint.latency.add(remote.transport.now().saturating_sub(since));
        endpoint.remote = remote;
        if let Ok(Asked { token, further }) = outcome {
            let mut tokens = vec![(token.token, token.top)];
            tokens.extend(token.rest.into_iter().map(|id| (id, Vec::new())));
            tokens.extend(further);
            self.reserve.fill(prefix, tokens);
        }
    }

    /// Asks one server, as long as it is worth waiting.
    async fn ask(&mut self, at: usize, prefix: &[TokenId], left: Duration) -> Result<RemoteToken, RemoteError> {
        let (count, adaptive) = (self.policy.look_ahead.max(1), self.policy.adaptive);
        let Some(endpoint) = self.endpoints.get_mut(at) else { return Err(RemoteError::NotConfigured) };
        let transport = endpoint.remote.transport.clone();
        let limit = transport.limit();
        let patience = if adaptive { endpoint.latency.patience(limit) } else { limit }.min(left);
        let since = transport.now();
        // The request owns what it needs, so that it can outlive this wait.
        let (mut copy, own) = (endpoint.remote.clone(), prefix.to_vec());
        let flight = async move {
            let outcome = copy.ask(&own, count).await;
            (copy, outcome)
        };
        let mut flight: LocalBoxFuture<'static, _> = Box::pin(flight);
        let timer = transport.clone();
        let done = match select(&mut flight, pin!(timer.sleep(patience))).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        };
        let took = transport.now().saturating_sub(since);
        let Some((remote, outcome)) = done else {
            endpoint.latency.add(took);
            self.requests += 1;
            self.late = Some(Late { flight, endpoint: at, prefix: prefix.to_vec(), since });
            return Err(RemoteError::Timeout(patience.as_millis() as u64));
        };
        self.requests += 1 + remote.retries();
        endpoint.remote = remote;
        let Asked { token, further } = outcome?;
        endpoint.latency.add(took);
        endpoint.failures = 0;
        if !further.is_empty() {
            let mut tokens = vec![(token.token, token.top.clone())];
            tokens.extend(further);
            self.reserve.fill(prefix.to_vec(), tokens);
        }
        Ok(token)
    }

    /// Leaves a server alone after `error`.
    fn pause(&mut self, at: usize, error: &RemoteError) {
        let Policy { first_pause, longest_pause, .. } = self.policy;
        let jitter = 0.5 + self.random();
        let Some(endpoint) = self.endpoints.get_mut(at) else { return };
        let doublings = endpoint.failures.min(16);
        endpoint.failures = endpoint.failures.saturating_add(1);
        let pause = first_pause.saturating_mul(1 << doublings).min(longest_pause).mul_f64(jitter);
        let asked_for = match error {
            RemoteError::Busy(seconds) => Duration::from_secs(*seconds),
            // It refuses the question or the key: time does not help soon.
            RemoteError::Refused { status: 400..=499, .. } => longest_pause,
            _ => Duration::ZERO,
        };
        endpoint.until = endpoint.remote.transport.now() + pause.max(asked_for);
    }

    /// Uniform in 0..1, from the seed (splitmix64).
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl<T: Transport> RemoteModel for Servers<T> {
    fn sample(&mut self, sampling: Sampling) {
        if sampling != self.sampling {
            // What was chosen in another way must not stand.
            (self.sampling, self.reserve, self.late) = (sampling, Reserve::default(), None);
        }
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.remote.sample(sampling));
    }

    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        self.requests = 0;
        self.settle_late();
        if let Some(token) = self.reserve.next(prefix) {
            return Ok(token);
        }
        let Some(transport) = self.endpoints.first().map(|endpoint| endpoint.remote.transport.clone()) else {
            return Err(RemoteError::NotConfigured);
        };
        let begun = transport.now();
        let mut failed: Option<RemoteError> = None;
        for _ in 0..=self.policy.retries {
            let now = transport.now();
            let Some((at, wait)) = self.choose(now) else { break };
            if !wait.is_zero() {
                // A server that failed before is not waited for, and after a slow answer another request would only make
                // the reader wait longer.
                let hopeless = matches!(failed, None | Some(RemoteError::Timeout(_)));
                if hopeless || now.saturating_sub(begun) + wait > self.policy.patience {
                    let cooling = || RemoteError::Cooling(wait.as_millis() as u64);
                    return Err(failed.unwrap_or_else(cooling));
                }
                transport.sleep(wait).await;
            }
            let left = self.policy.patience.saturating_sub(transport.now().saturating_sub(begun));
            match self.ask(at, prefix, left).await {
                Ok(token) => return Ok(token),
                Err(error) => {
                    self.pause(at, &error);
                    failed = Some(error);
                }
            }
        }
        Err(failed.unwrap_or(RemoteError::NotConfigured))
    }

    fn retries(&self) -> u32 {
        self.requests.saturating_sub(1)
    }
}
