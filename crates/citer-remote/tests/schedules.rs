//! A thousand seeded schedules of faults over the routed decoder, its servers and its sessions, in virtual time: nothing
//! hangs, no text is lost or doubled, no token has a wrong source, and nothing is kept that is not needed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fakes;
#[path = "../../citer-core/tests/scripted/mod.rs"]
mod scripted;

use citer_core::{
    ForcedReason, LocalModel, LocalStep, Mode, RemoteError, RoutedDecoder, Sampling, Settings, Source, StopFlag,
    TokenId, Trace, Utf8Stream,
};
use citer_remote::{Method, Policy, Remote, Request, Response, Servers};
use fakes::{Clock, Fate, Net, error, ids, ok};
use scripted::{END, Lost, ScriptedLocal, VOCAB, bytes_of, mix, slm_step};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
    time::Duration,
};

/// Every answer a server gave: the context and the token said after it.
type Told = HashSet<(Vec<TokenId>, TokenId)>;

/// A server that agrees with the SLM two times in three, keeps sessions, and meets each request with a fate of its own.
struct Server {
    seed: u64,
    slm: u64,
    sessions: HashMap<String, Vec<TokenId>>,
    requests: u64,
    told: Rc<RefCell<Told>>,
    /// The last good answer, for servers that answer twice.
    before: Option<Response>,
}

impl Server {
    fn token(&self, context: &[TokenId]) -> TokenId {
        let random = mix(self.slm ^ 0x11, context);
        if random.is_multiple_of(3) {
            (random >> 20) as TokenId % VOCAB as TokenId
        } else {
            slm_step(self.slm, Sampling::GREEDY, context).token
        }
    }

    /// `count` tokens after `context`, remembered as told; `shift` makes them wrong.
    fn say(&self, context: &[TokenId], count: usize, shift: TokenId) -> Vec<TokenId> {
        let mut context = context.to_vec();
        let mut made = Vec::new();
        for _ in 0..count {
            let id = self.token(&context) + shift;
            self.told.borrow_mut().insert((context.clone(), id));
            made.push(id);
            context.push(id);
        }
        made
    }

    fn serve(&mut self, request: &Request, shift: TokenId) -> Response {
        let parsed: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let count = parsed["max_tokens"].as_u64().unwrap_or(1) as usize;
        match (request.method, request.path.as_str()) {
            (Method::Get, "/v1/models") => {
                ok(json!({"data": [{"id": "big", "sessions": self.seed.is_multiple_of(2)}]}))
            }
            (Method::Post, "/v1/sessions") => {
                let name = format!("s{}", self.requests);
                self.sessions.insert(name.clone(), Vec::new());
                ok(json!({"session": name, "context": 4096, "expires_in": 60}))
            }
            (Method::Post, "/v1/completions") => {
                let Some(prompt) = ids(&parsed["prompt"]) else { return error(400, "ids only") };
                let made = self.say(&prompt, count, shift);
                ok(
                    json!({"choices": [{"token_ids": made, "finish_reason": "length"}], "usage": {"prompt_tokens": prompt.len()}}),
                )
            }
            (Method::Post, path) => {
                let name = path.strip_prefix("/v1/sessions/").and_then(|rest| rest.strip_suffix("/tokens"));
                let Some(name) = name else { return error(404, "not found") };
                let position = parsed["position"].as_u64().unwrap() as usize;
                let lost = |known: usize| {
                    let body = json!({"error": {"message": "lost", "type": "session_lost", "known": known}});
                    Response { status: 409, retry_after: None, body: body.to_string().into_bytes() }
                };
                let Some(known) = self.sessions.get_mut(name) else { return lost(0) };
                if position > known.len() {
                    return lost(known.len());
                }
                known.truncate(position);
                known.extend(ids(&parsed["ids"]).unwrap());
                let context = known.clone();
                let made = self.say(&context, count, shift);
                ok(
                    json!({"position": context.len(), "ids": made, "finish_reason": "length", "cached": position, "server_ms": 1.0}),
                )
            }
            _ => Response { status: 204, ..Response::default() },
        }
    }

    /// Without a session nothing in an answer says which request it belongs to, so the client may believe this one.
    fn excuse(&self, request: &Request, answer: &Response) {
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let (asked, said) = (read(&request.body), read(&answer.body));
        let (Some(mut context), Some(said)) = (ids(&asked["prompt"]), ids(&said["choices"][0]["token_ids"])) else {
            return;
        };
        for id in said {
            self.told.borrow_mut().insert((context.clone(), id));
            context.push(id);
        }
    }

    /// What becomes of a request.
    fn meet(&mut self, request: &Request) -> Fate {
        self.requests += 1;
        let random = mix(self.seed, &[self.requests as TokenId]);
        let quick = Duration::from_millis(5 + (random >> 8) % 60);
        if self.requests == 1 {
            return (quick, Ok(self.serve(request, 0)));
        }
        let broken = |what: &str| Err(RemoteError::Unreachable(what.into()));
        let body = |bytes: &[u8]| Ok(Response { status: 200, retry_after: None, body: bytes.to_vec() });
        match random % 28 {
            0 => (quick, broken("the connection broke after 0 bytes")),
            1 => (quick, broken("connection reset by peer")),
            // Half-open: the request arrives, the answer never does.
            2 => (self.serve(request, 0), (Duration::MAX, broken("nothing"))).1,
            3 => (quick, Ok(error(400, "what?"))),
            4 => (quick, Ok(error(500, "broken"))),
            5 => (quick, Ok(Response { retry_after: Some(random >> 32 & 3), ..error(429, "slow down") })),
            6 => (quick, Ok(Response { retry_after: None, ..error(503, "starting") })),
            7 => {
                let whole = self.serve(request, 0).body;
                (quick, body(&whole[..whole.len() / 2]))
            }
            8 => (quick, body(b"<html>not here")),
            9 => (quick, body(b"{\"choices\":[{\"token_ids\":[\"\xFF\"]}]}")),
            // Ids of another vocabulary.
            10 => (quick, Ok(self.serve(request, VOCAB as TokenId))),
            // The answer to the request before.
            11 => {
                let before = self.before.clone().unwrap_or_default();
                self.excuse(request, &before);
                (quick, Ok(before))
            }
            // Too late to be awaited; perhaps a slow body.
            12 | 13 => (Duration::from_millis(300 + (random >> 16) % 3_000), Ok(self.serve(request, 0))),
            14 => (quick, broken("invalid peer certificate: UnknownIssuer")),
            15 => (quick, broken("dns error: failed to lookup address")),
            16 => {
                self.sessions.clear();
                (quick, Ok(self.serve(request, 0)))
            }
            17 => (quick, Ok(Response::default())),
            // The server did the work; the answer is lost.
            18 => (self.serve(request, 0), (quick, broken("reset after the work"))).1,
            _ => {
                let answer = self.serve(request, 0);
                self.before = Some(answer.clone());
                (quick, Ok(answer))
            }
        }
    }
}

/// An SLM that takes time, so that servers that are left alone come back.
struct Slow {
    model: ScriptedLocal,
    clock: Clock,
}

/// Time of a step.
const STEP: Duration = Duration::from_millis(50);

impl LocalModel for Slow {
    type Error = Lost;

    fn sample(&mut self, sampling: Sampling) {
        self.model.sample(sampling);
    }

    async fn feed(&mut self, tokens: &[TokenId]) -> Result<LocalStep, Lost> {
        self.clock.sleep(STEP).await;
        self.model.feed(tokens).await
    }

    fn position(&self) -> usize {
        self.model.position()
    }

    fn truncate(&mut self, position: usize) {
        self.model.truncate(position);
    }

    fn capacity(&self) -> usize {
        self.model.capacity()
    }

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.model.is_end(token)
    }

    fn token_bytes(&self, token: TokenId) -> Vec<u8> {
        self.model.token_bytes(token)
    }
}

struct Outcome {
    tokens: usize,
    remote: usize,
    forced: usize,
    reserved: usize,
}

/// A conversation of three answers over two servers.
fn converse(seed: u64) -> Outcome {
    let clock = Clock::default();
    let told = Rc::new(RefCell::new(Told::default()));
    let nets: Vec<Net> = (0..2)
        .map(|place| {
            let mut server = Server {
                seed: mix(seed, &[place]),
                slm: seed,
                sessions: HashMap::new(),
                requests: 0,
                told: told.clone(),
                before: None,
            };
            Net::new(&clock, move |request| server.meet(request))
        })
        .collect();
    let policy = Policy {
        look_ahead: 1 + (seed % 3) as u32,
        retries: (seed / 3 % 4) as u32,
        adaptive: !seed.is_multiple_of(5),
        seed,
        ..Policy::default()
    };
    let patience = policy.patience;
    let remotes = nets.iter().map(|net| Remote::over(net.clone(), None)).collect();
    let mut servers = Servers::new(remotes, policy);
    clock.run(servers.connect());
    let settings = Settings {
        mode: [Mode::Router, Mode::RemoteOnly][seed as usize % 2],
        threshold: 0.7,
        max_tokens: 40,
        max_failures: [3, 1_000][seed as usize / 2 % 2],
        hide_wait: seed % 7 < 5,
        ..Settings::default()
    };
    let mut local = Slow { model: ScriptedLocal::new(seed), clock: clock.clone() };
    let mut decoder = RoutedDecoder::new();
    let mut prompt = vec![9, 10 + (seed % 30) as TokenId];
    let mut outcome = Outcome { tokens: 0, remote: 0, forced: 0, reserved: 0 };
    for _ in 0..3 {
        let mut seen = Vec::new();
        let began = clock.now();
        let answer = clock
            .run(decoder.answer(&mut local, &mut servers, &prompt, &settings, &StopFlag::default(), |event| {
                seen.push(event.clone());
            }))
            .unwrap();
        assert_eq!(answer.events, seen, "seed {seed}: an event was changed or lost");
        // No token takes longer than patience, and none waits for a server that is left alone.
        assert!(
            clock.now() - began <= (patience + 2 * STEP) * (answer.events.len() as u32 + 1),
            "seed {seed}: it waits too long"
        );
        let mut context = prompt.clone();
        let mut text = Utf8Stream::default();
        let mut whole = String::new();
        for event in &answer.events {
            let step = slm_step(seed, Sampling::GREEDY, &context);
            let critical = step.score.is_nan() || step.score < settings.threshold || settings.mode == Mode::RemoteOnly;
            match event.source {
                Source::Local => assert!(!critical && event.id == step.token, "seed {seed}"),
                Source::Forced(reason) => {
                    assert!(critical && event.id == step.token, "seed {seed}");
                    assert_ne!(reason, ForcedReason::Budget);
                    outcome.forced += 1;
                }
                Source::Agreed | Source::Remote => {
                    assert!(critical, "seed {seed}");
                    assert_eq!(event.source == Source::Agreed, event.id == step.token);
                    let said = (context.clone(), event.id);
                    assert!(told.borrow().contains(&said), "seed {seed}: no server said {} there", event.id);
                    outcome.remote += 1;
                    outcome.reserved += usize::from(event.reserved);
                }
            }
            if event.id != END {
                whole += &text.push(&bytes_of(event.id));
            }
            context.push(event.id);
            outcome.tokens += 1;
        }
        whole += &text.finish();
        assert_eq!(answer.text(), whole, "seed {seed}: text lost or doubled");
        let trace = Trace::new(&prompt, &settings, answer.clone());
        assert_eq!(Trace::parse(&trace.to_json().unwrap()).unwrap(), trace);
        // One copy of the transport here, one in each server, and at most one request that is no longer awaited.
        let copies = nets.iter().map(|net| Rc::strong_count(&net.sent)).max().unwrap();
        assert!(copies <= 6, "seed {seed}: {copies} requests are kept");
        prompt.extend(answer.ids());
        prompt.push(12);
    }
    outcome
}

/// Schedules for as long as `CITER_SOAK_SECONDS` says, from the seed after the thousand; the report goes to
/// `CITER_SOAK_REPORT`.
#[test]
#[ignore = "runs for minutes: `cargo xtask soak`"]
fn soak() {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask soak`"));
    let (seconds, report): (u64, String) = (told("CITER_SOAK_SECONDS").parse().unwrap(), told("CITER_SOAK_REPORT"));
    let begun = std::time::Instant::now();
    let mut sums = Outcome { tokens: 0, remote: 0, forced: 0, reserved: 0 };
    let (mut schedules, mut settled) = (0, None);
    while begun.elapsed().as_secs() < seconds {
        for _ in 0..500 {
            let outcome = converse(1_000 + schedules);
            schedules += 1;
            sums.tokens += outcome.tokens;
            sums.remote += outcome.remote;
            sums.forced += outcome.forced;
            sums.reserved += outcome.reserved;
        }
        // Memory after the first thousands must not grow.
        if settled.is_none() && schedules >= 2_000 {
            settled = resident();
        }
    }
    let (first, last) = (settled, resident());
    if let (Some(first), Some(last)) = (first, last) {
        assert!(last <= first + (8 << 10), "memory grew from {first} to {last} KiB");
    }
    let json = json!({
        "schedules": schedules, "answers": 3 * schedules, "tokens": sums.tokens, "remote_tokens": sums.remote,
        "kept_local": sums.forced, "from_the_reserve": sums.reserved, "seconds": begun.elapsed().as_secs(),
        "resident_kib": {"after_2000_schedules": first, "at_the_end": last},
        "checked": "no hang, no lost or doubled text, no wrong source; what breaks one ends the run without a report",
        "command": told("CITER_SOAK_COMMAND"),
        "environment": {"version": env!("CARGO_PKG_VERSION"), "system": std::env::consts::OS, "cpu": cpu(),
            "cores": std::thread::available_parallelism().map_or(1, usize::from)},
    });
    std::fs::write(report, serde_json::to_string_pretty(&json).unwrap() + "\n").unwrap();
}

/// The processor's name, where the system tells.
fn cpu() -> Option<String> {
    let about = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    about.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1.to_owned()))
}

/// Memory of this process that is in use, in KiB, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
}

#[test]
fn a_thousand_schedules_over_the_routed_decoder() {
    let mut sums = Outcome { tokens: 0, remote: 0, forced: 0, reserved: 0 };
    for seed in 0..1_000 {
        let outcome = converse(seed);
        sums.tokens += outcome.tokens;
        sums.remote += outcome.remote;
        sums.forced += outcome.forced;
        sums.reserved += outcome.reserved;
    }
    // The schedules must be neither all calm nor all broken, or they prove nothing.
    let Outcome { tokens, remote, forced, reserved } = sums;
    assert!(
        tokens > 20_000 && remote > tokens / 20 && forced > tokens / 20 && reserved > 100,
        "{tokens} {remote} {forced} {reserved}"
    );
}
