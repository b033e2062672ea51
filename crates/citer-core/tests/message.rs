//! Messages between the page and the worker survive JSON, and their wire names stay what they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::ledger::{Outcome, Purpose, RequestNews};
use citer_core::library::*;
use citer_core::message::{EngineInfo, FromWorker, Role, ServerAddress, ToWorker, Turn};
use citer_core::revival::{Cause, Fault};
use citer_core::*;
use serde::{Serialize, de::DeserializeOwned};

/// Checks that `message` comes back and that its JSON holds `tag`.
fn round<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: T, tag: &str) {
    let json = serde_json::to_string(&message).unwrap();
    assert!(json.contains(&format!(r#""type":"{tag}""#)), "{json}");
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), message);
}

fn event(source: Source) -> TokenEvent {
    TokenEvent {
        index: 0,
        id: 17,
        text: " \"é\u{FFFD}\n".into(),
        source,
        score: 0.1,
        threshold: 0.3,
        own: None,
        local: vec![Candidate { id: 17, probability: 1e-30 }],
        remote: vec![],
        compute_ms: 0.1 + 0.2,
        wait_ms: 1.0 / 3.0,
        hidden_ms: 0.25,
        server_ms: 1e-3,
        retries: 1,
        reserved: true,
        tokens_received: 4,
        bytes_sent: u64::MAX,
        bytes_received: 1,
        tokens_sent: 2,
        tokens_cached: 1,
    }
}

#[test]
fn page_to_worker() {
    round(ToWorker::Load { models_url: "http://x/m/".into(), server_url: None, model: Some("m-1".into()) }, "load");
    round(
        ToWorker::Load { models_url: "http://x/m/".into(), server_url: Some("http://y".into()), model: None },
        "load",
    );
    round(ToWorker::TakeOver, "take-over");
    round(ToWorker::Fault(Fault { cause: Cause::DeviceLost, at: 7 }), "fault");
    round(ToWorker::Probe, "probe");
    let server =
        ServerAddress { url: "http://y".into(), model: None, key: Some("s3cret".into()), dialect: Some(Dialect::Text) };
    assert!(!format!("{server:?}").contains("s3cret"));
    round(ToWorker::Connect { servers: vec![server], look_ahead: 1 }, "connect");
    round(ToWorker::Stop, "stop");
    let turns = vec![
        Turn { role: Role::User, content: "2+2?\u{1F600}".into() },
        Turn { role: Role::Assistant, content: String::new() },
    ];
    let budget = Budget { share: Some(0.1), calls: Some(3), tokens: None, bytes: Some(u64::MAX), usd: Some(0.1) };
    let settings = Settings { mode: Mode::RemoteOnly, threshold: 0.7, budget, ..Settings::default() };
    round(ToWorker::Answer { answer: 7, turns: turns.clone(), settings: settings.clone() }, "answer");
    let events = vec![event(Source::Local), event(Source::Agreed)];
    round(ToWorker::Continue { answer: 7, turns, events, settings }, "continue");
}

#[test]
fn library_messages() {
    use LibraryRequest::*;
    let (source, name, model) = ("o/n".to_owned(), "m".to_owned(), "m-1".to_owned());
    let of = |make: fn(String) -> LibraryRequest| make(model.clone());
    let requests = [
        List,
        Add { source },
        Import { name },
        of(|model| Resume { model }),
        of(|model| Pause { model }),
        of(|model| Check { model }),
        of(|model| Remove { model }),
    ];
    for request in requests {
        round(ToWorker::Library(request), "library");
    }
    let verdicts = [
        None,
        Some(Verdict::Runs { tokens_per_second: None }),
        Some(Verdict::Slowly { tokens_per_second: 1.5 }),
        Some(Verdict::DoesNotFit(Obstacle::Memory { needed: u64::MAX, available: 0 })),
        Some(Verdict::DoesNotFit(Obstacle::Unsupported { detail: "mamba".into() })),
    ];
    for verdict in verdicts {
        let state = ModelState::Partial;
        let stored = StoredModel {
            id: "m-1".into(),
            name: "m".into(),
            origin: "o/n".into(),
            bytes: 9,
            stored: 3,
            state,
            verdict,
        };
        let storage = StorageUse { used: 3, quota: Some(1), persistent: true };
        assert_eq!(storage.free(), Some(0), "used over quota is no negative room");
        round(FromWorker::Library(LibraryNews::Models { models: vec![stored], storage, memory: 1 }), "library");
    }
    round(FromWorker::Library(LibraryNews::Failed { model: None, error: "full".into() }), "library");
}

#[test]
fn worker_to_page() {
    round(FromWorker::Started, "started");
    round(FromWorker::Loading { stage: "weights".into(), progress: 0.3 }, "loading");
    let info = EngineInfo {
        on_processor: false,
        model: "small".into(),
        parameters: 1_000_000,
        adapter: "any (WebGpu)".into(),
        threshold: 0.4,
        load_ms: 12.5,
        context: 512,
        end_token: 2,
        has_router: true,
        by_entropy: false,
        has_system: true,
        memory: 1 << 24,
    };
    round(FromWorker::Ready(info), "ready");
    let servers = vec![Capabilities {
        model: "big".into(),
        dialect: Dialect::Session,
        exact_tokens: true,
        ids_back: true,
        logprobs: true,
        cached_counts: true,
        same_tokenizer: Some(true),
        context: None,
    }];
    round(FromWorker::Server { available: false, detail: "no server".into(), servers }, "server");
    // What a page or a worker of an earlier version says is still understood.
    let old: FromWorker = serde_json::from_str(r#"{"type":"server","available":true,"detail":"big"}"#).unwrap();
    assert_eq!(old, FromWorker::Server { available: true, detail: "big".into(), servers: vec![] });
    round(FromWorker::Notice { answer: 1, text: "gone".into() }, "notice");
    let address = "https://llm.example".to_owned();
    let began =
        RequestNews::Began { request: 3, address, purpose: Purpose::Token, answer: Some(1), bytes_sent: Some(9) };
    round(FromWorker::Request(began), "request");
    let ended = RequestNews::Ended { request: 3, status: "ok".into(), outcome: Outcome::Done, bytes_received: None };
    round(FromWorker::Request(ended), "request");
    round(ToWorker::Noted { request: 3 }, "noted");
    round(FromWorker::Died(Death::of("device lost")), "died");
    round(FromWorker::Elsewhere, "elsewhere");
    round(FromWorker::Failed { answer: None, error: "no WebGPU".into() }, "failed");
    round(FromWorker::Failed { answer: Some(3), error: "device lost".into() }, "failed");
}

#[test]
fn tokens_of_every_source_and_the_finished_trace() {
    use ForcedReason::*;
    let forced = [NoRemote, Unreachable, Timeout, Busy, BadAnswer, Budget, Cooldown].map(Source::Forced);
    for source in [Source::Local, Source::Remote, Source::Agreed].into_iter().chain(forced) {
        let event = event(source);
        let (requests, server) = (vec![3], Some("https://llm.example".into()));
        let (local_text, remote_text) = (vec!["a".into()], vec![]);
        round(FromWorker::Token { answer: 1, event, local_text, remote_text, requests, server }, "token");
    }
    for finish in [Finish::End, Finish::Length, Finish::Context, Finish::Stopped] {
        let answer = Answer { events: vec![event(Source::Agreed)], tail: "\u{FFFD}".into(), finish };
        let trace = Trace::new(&[1, 2], &Settings::default(), answer);
        round(FromWorker::Finished { answer: 1, finish, trace }, "finished");
    }
}

#[test]
fn names_on_the_wire() {
    fn name(value: impl Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }
    assert_eq!(name(Mode::LocalOnly), r#""local-only""#);
    assert_eq!(name(Source::Forced(ForcedReason::BadAnswer)), r#"{"forced":"bad-answer"}"#);
    assert_eq!(name(Finish::Stopped), r#""stopped""#);
    assert_eq!(name(Role::Assistant), r#""assistant""#);
    assert!(serde_json::from_str::<ToWorker>(r#"{"type":"fly"}"#).is_err());
}
