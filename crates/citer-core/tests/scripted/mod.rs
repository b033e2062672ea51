//! Scripted models: deterministic, seeded stand-ins for the SLM and the LLM that log everything they are asked,
//! and the one check that compares a finished answer with those logs.
#![allow(dead_code)]

use citer_core::*;
use std::future::poll_fn;
use std::task::Poll;

pub const VOCAB: usize = 48;
pub const END: TokenId = 0;
const PIECES: [&[u8]; 8] = [b"\xC3", b"\xA9", b"\xF0\x9F", b"\x98\x80", b"\xFF", b"", "é".as_bytes(), b" the"];

/// Plain letters, and pieces that cut or break UTF-8 characters. The end token has bytes that must never show.
pub fn bytes_of(id: TokenId) -> Vec<u8> {
    match id {
        END => b"<end>".to_vec(),
        1..=8 => PIECES[id as usize - 1].to_vec(),
        _ => vec![b'a' + (id % 26) as u8],
    }
}

/// A number that depends on the seed and every id (splitmix64 over the sequence).
pub fn mix(seed: u64, ids: &[TokenId]) -> u64 {
    ids.iter().fold(scramble(seed), |state, &id| scramble(state ^ u64::from(id)))
}

fn scramble(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Gives the executor a turn, as a GPU read or a request would.
async fn pause() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What the SLM of `seed` says after `context`.
pub fn slm_step(seed: u64, sampling: Sampling, context: &[TokenId]) -> LocalStep {
    let random = mix(seed, context);
    // What is drawn depends on the context, the seed and the place.
    let drawn = if sampling.draws() { mix(sampling.seed, &[context.len() as TokenId]) } else { 0 };
    let token = ((random ^ drawn) % VOCAB as u64) as TokenId;
    let score = match random >> 60 {
        0 => f32::NAN,
        _ => ((random >> 40) & 0xFF) as f32 / 255.0,
    };
    let doubtful = Candidate { id: token + 1, probability: f32::NAN };
    LocalStep { token, score, top: vec![Candidate { id: token, probability: 0.5 }, doubtful] }
}

#[derive(Debug, thiserror::Error)]
#[error("the device is lost")]
pub struct Lost;

pub struct ScriptedLocal {
    pub seed: u64,
    pub sampling: Sampling,
    pub capacity: usize,
    /// What was really fed, and forgotten by `truncate`.
    pub cache: Vec<TokenId>,
    /// The cache after each feed.
    pub contexts: Vec<Vec<TokenId>>,
    /// Number of tokens in each feed.
    pub fed: Vec<usize>,
    /// The feed (counted from 0) that fails and loses the cache's contents.
    pub fail_at: Option<usize>,
    /// Raise the flag during this feed (counted from 0).
    pub stop_at: Option<(usize, StopFlag)>,
}

impl ScriptedLocal {
    pub fn new(seed: u64) -> Self {
        let sampling = Sampling::GREEDY;
        Self {
            seed,
            sampling,
            capacity: 400,
            cache: vec![],
            contexts: vec![],
            fed: vec![],
            fail_at: None,
            stop_at: None,
        }
    }
}

impl LocalModel for ScriptedLocal {
    type Error = Lost;

    fn sample(&mut self, sampling: Sampling) {
        self.sampling = sampling;
    }

    async fn feed(&mut self, tokens: &[TokenId]) -> Result<LocalStep, Lost> {
        assert!(!tokens.is_empty(), "a feed needs a token");
        pause().await;
        let turn = self.fed.len();
        self.fed.push(tokens.len());
        if let Some((_, flag)) = self.stop_at.as_ref().filter(|(at, _)| *at == turn) {
            flag.stop();
        }
        if self.fail_at == Some(turn) {
            // Same length, other contents: only a decoder that starts over is safe.
            self.cache.fill(TokenId::MAX);
            return Err(Lost);
        }
        self.cache.extend(tokens);
        assert!(self.cache.len() <= self.capacity, "more tokens than the cache holds");
        self.contexts.push(self.cache.clone());
        Ok(slm_step(self.seed, self.sampling, &self.cache))
    }

    fn position(&self) -> usize {
        self.cache.len()
    }

    fn truncate(&mut self, position: usize) {
        assert!(position <= self.cache.len(), "truncate past the end");
        self.cache.truncate(position);
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn vocab_size(&self) -> usize {
        VOCAB
    }

    fn is_end(&self, token: TokenId) -> bool {
        token == END
    }

    fn token_bytes(&self, token: TokenId) -> Vec<u8> {
        bytes_of(token)
    }
}

/// How the LLM behaves.
pub enum Script {
    /// Answers, agrees, ends and fails in every way, drawn from the seed and the request's number.
    Faulty(u64),
    /// Always the SLM's own choice, so that the ids do not depend on who was asked.
    Agreeing,
    /// Always this error.
    Failing(RemoteError),
    /// Always this token.
    Saying(TokenId),
}

pub type Reply = Result<RemoteToken, RemoteError>;

pub struct ScriptedRemote {
    pub script: Script,
    /// The SLM's seed, for answers that agree.
    pub slm: u64,
    pub sampling: Sampling,
    /// Each request's prefix and what came back.
    pub log: Vec<(Vec<TokenId>, Reply)>,
    /// Raise the flag while this request (counted from 0) is under way.
    pub stop_at: Option<(usize, StopFlag)>,
    /// How often the executor goes round until an answer comes, drawn from the seed up to this.
    pub slow: usize,
    /// Tokens that come with each answer, for servers of another vocabulary.
    pub rest: Vec<TokenId>,
}

impl ScriptedRemote {
    pub fn new(script: Script, slm: u64) -> Self {
        Self { script, slm, sampling: Sampling::GREEDY, log: vec![], stop_at: None, slow: 1, rest: vec![] }
    }

    fn reply(&self, prefix: &[TokenId]) -> Reply {
        let say = |token| {
            let known = Candidate { id: token, probability: 0.9 };
            let foreign = Candidate { id: VOCAB as TokenId, probability: 0.1 };
            Ok(RemoteToken {
                token,
                top: vec![known, foreign],
                bytes_sent: 20,
                bytes_received: 30,
                tokens_sent: prefix.len() as u64,
                tokens_cached: prefix.len() as u64 - 1,
                tokens_received: 1,
                rest: self.rest.clone(),
                ..RemoteToken::default()
            })
        };
        let agreed = slm_step(self.slm, self.sampling, prefix).token;
        match &self.script {
            Script::Agreeing => say(agreed),
            Script::Failing(error) => Err(error.clone()),
            Script::Saying(token) => say(*token),
            Script::Faulty(seed) => {
                let random = mix(seed.wrapping_add(self.log.len() as u64), prefix);
                match random % 16 {
                    0 => Err(RemoteError::Unreachable("connection closed".into())),
                    1 => Err(RemoteError::Timeout(500)),
                    2 => Err(RemoteError::Busy(1)),
                    3 => Err(RemoteError::Refused { status: 500, message: "broken".into() }),
                    4 => Err(RemoteError::BadAnswer("not JSON".into())),
                    5 => Err(RemoteError::NotConfigured),
                    6 => say(VOCAB as TokenId + (random >> 50) as TokenId),
                    7 => say(TokenId::MAX),
                    8..=11 => say(agreed),
                    _ => say(((random >> 32) % VOCAB as u64) as TokenId),
                }
            }
        }
    }
}

impl RemoteModel for ScriptedRemote {
    fn sample(&mut self, sampling: Sampling) {
        self.sampling = sampling;
    }

    async fn next_token(&mut self, prefix: &[TokenId]) -> Reply {
        if let Some((_, flag)) = self.stop_at.as_ref().filter(|(at, _)| *at == self.log.len()) {
            flag.stop();
        }
        for _ in 0..1 + mix(self.slm, prefix) as usize % self.slow {
            pause().await;
        }
        let reply = self.reply(prefix);
        self.log.push((prefix.to_vec(), reply.clone()));
        reply
    }
}

/// One answer, made to the end, with the events that were emitted.
pub fn run(
    decoder: &mut RoutedDecoder,
    local: &mut ScriptedLocal,
    remote: &mut ScriptedRemote,
    prompt: &[TokenId],
    settings: &Settings,
    stop: &StopFlag,
) -> (Result<Answer, DecodeError<Lost>>, Vec<TokenEvent>) {
    let mut seen = Vec::new();
    let answer = decoder.answer(local, remote, prompt, settings, stop, |event| seen.push(event.clone()));
    (futures::executor::block_on(answer), seen)
}

/// Compares the answer with what the models logged for it: every event's token and source is the one the rules
/// demand, each request belongs to exactly one event, no text is lost, and the end was chosen by a model.
pub fn verify(prompt: &[TokenId], settings: &Settings, answer: &Answer, slm: u64, log: &[(Vec<TokenId>, Reply)]) {
    let mut requests = log.iter();
    let mut context = prompt.to_vec();
    let (mut failures, mut answered) = (0, 0);
    let mut bytes = Vec::new();
    for (place, event) in answer.events.iter().enumerate() {
        let step = slm_step(slm, settings.sampling, &context);
        let critical = match settings.mode {
            Mode::LocalOnly => false,
            Mode::Router => step.score.is_nan() || step.score < settings.threshold,
            Mode::RemoteOnly => true,
        };
        assert_eq!(event.index, place);
        assert_eq!(event.source != Source::Local, critical, "event {place}");
        let (id, source) = match event.source {
            Source::Local => (step.token, Source::Local),
            Source::Forced(ForcedReason::Cooldown) => {
                assert!(failures >= settings.max_failures, "cooldown after {failures} failures");
                (step.token, event.source)
            }
            Source::Forced(ForcedReason::Budget) => {
                assert_ne!(settings.budget, Budget::default());
                (step.token, event.source)
            }
            _ => {
                assert!(failures < settings.max_failures, "request after {failures} failures");
                let (prefix, reply) = requests.next().expect("an event claims a request that was not made");
                assert_eq!(prefix, &context, "the LLM saw another context");
                match reply {
                    Ok(reply) if reply.token < VOCAB as TokenId => {
                        answered += 1;
                        assert_eq!(event.remote, reply.top[..1]);
                        assert_eq!((event.bytes_sent, event.tokens_sent), (reply.bytes_sent, reply.tokens_sent));
                        let agreed = reply.token == step.token;
                        (reply.token, if agreed { Source::Agreed } else { Source::Remote })
                    }
                    Ok(_) => {
                        failures += 1;
                        (step.token, Source::Forced(ForcedReason::BadAnswer))
                    }
                    Err(error) => {
                        failures += usize::from(*error != RemoteError::NotConfigured);
                        (step.token, Source::Forced(error.reason()))
                    }
                }
            }
        };
        assert_eq!((event.id, event.source), (id, source), "event {place}");
        assert!(event.score.is_finite() && event.local.iter().all(|c| c.probability.is_finite()));
        let last = place + 1 == answer.events.len();
        assert_eq!(event.id == END, last && answer.finish == Finish::End, "event {place}");
        if event.id == END {
            assert_eq!(event.text, "");
        } else {
            bytes.extend(bytes_of(event.id));
        }
        context.push(event.id);
        if let Some(share) = settings.budget.share {
            assert!(answered as f32 / (place + 1) as f32 <= share, "share exceeded at {place}");
        }
    }
    assert!(requests.next().is_none(), "a request left no event");
    assert_eq!(answer.text(), String::from_utf8_lossy(&bytes), "text lost");
    match answer.finish {
        Finish::End => assert_eq!(context.last(), Some(&END)),
        Finish::Length => assert_eq!(answer.events.len(), settings.max_tokens),
        Finish::Context | Finish::Stopped => {}
    }
}
