//! An answer whose worker dies goes on as if nothing had happened: same tokens, same sources, same budget.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scripted;

use citer_core::*;
use futures::executor::block_on;
use proptest::prelude::*;
use scripted::*;

const PROMPT: [TokenId; 3] = [9, 10, 11];

fn settings() -> impl Strategy<Value = Settings> {
    let modes = vec![Mode::LocalOnly, Mode::Router, Mode::RemoteOnly];
    let limit = |most: u64| prop::option::of(0..most);
    let budget = (prop::option::of(0.0f32..1.0), limit(12), limit(300), limit(500));
    let sampling = (prop::sample::select(vec![0.0f32, 1.0]), any::<u64>());
    (prop::sample::select(modes), 0.0f32..1.0, 0usize..60, budget, 0usize..8, sampling).prop_map(
        |(mode, threshold, max_tokens, (share, calls, tokens, bytes), max_failures, (temperature, seed))| {
            let budget = Budget { share, calls, tokens, bytes, usd: None };
            let sampling = Sampling { temperature, seed, ..Sampling::GREEDY };
            let settings =
                Settings { mode, threshold, max_tokens, budget, max_failures, sampling, ..Settings::default() };
            Settings { hide_wait: false, ..settings }
        },
    )
}

/// What the page knows of a token: what came through the message, without the times.
fn timeless(events: &[TokenEvent]) -> Vec<TokenEvent> {
    events.iter().map(|event| TokenEvent { compute_ms: 0.0, wait_ms: 0.0, hidden_ms: 0.0, ..event.clone() }).collect()
}

/// Goes on after the first `kept` events with a model and a decoder that know nothing.
fn revived(seed: u64, faults: u64, whole: &Answer, kept: usize, log: &[(Vec<TokenId>, Reply)], settings: &Settings) {
    let events = whole.events[..kept].to_vec();
    let asked = events.iter().filter(|event| event.source.was_asked() || is_unset(event)).count();
    let mut remote = ScriptedRemote::new(Script::Faulty(faults), seed);
    remote.log = log[..asked].to_vec();
    let (mut local, mut seen) = (ScriptedLocal::new(seed), Vec::new());
    let mut decoder = RoutedDecoder::new();
    let heard = |event: &TokenEvent| seen.push(event.clone());
    let stop = StopFlag::default();
    let going = decoder.go_on(&mut local, &mut remote, &PROMPT, events, settings, &stop, heard);
    let made = block_on(going).unwrap();
    assert_eq!(timeless(&made.events), timeless(&whole.events));
    assert_eq!((made.finish, &made.tail), (whole.finish, &whole.tail));
    assert_eq!(seen, made.events[kept..], "only new tokens are emitted");
    verify(&PROMPT, settings, &made, seed, &remote.log);
    let trace = Trace::new(&PROMPT, settings, made);
    assert_eq!(Trace::parse(&trace.to_json().unwrap()).unwrap(), trace);
}

/// A request to no server is logged by the script and marked without having been asked.
fn is_unset(event: &TokenEvent) -> bool {
    event.source == Source::Forced(ForcedReason::NoRemote)
}

proptest! {
    #[test]
    fn an_answer_goes_on_from_any_token(seed: u64, faults: u64, settings in settings(), cut in 0usize..60) {
        let (mut local, mut remote) = (ScriptedLocal::new(seed), ScriptedRemote::new(Script::Faulty(faults), seed));
        let stop = StopFlag::default();
        let (answer, _) = run(&mut RoutedDecoder::new(), &mut local, &mut remote, &PROMPT, &settings, &stop);
        let whole = answer.unwrap();
        revived(seed, faults, &whole, cut.min(whole.events.len()), &remote.log, &settings);
    }
}

#[test]
fn an_answer_that_was_only_not_reported_as_ended_is_not_extended() {
    let settings = Settings { mode: Mode::LocalOnly, max_tokens: 1000, ..Settings::default() };
    let seed = (0..).find(|&seed| local(seed, &settings).finish == Finish::End).unwrap();
    let whole = local(seed, &settings);
    let mut model = ScriptedLocal::new(seed);
    let mut remote = ScriptedRemote::new(Script::Saying(20), seed);
    let events = whole.events.clone();
    let mut decoder = RoutedDecoder::new();
    let stop = StopFlag::default();
    let going = decoder.go_on(&mut model, &mut remote, &PROMPT, events, &settings, &stop, |_| panic!("a new token"));
    assert_eq!(block_on(going).unwrap(), whole);
    assert!(model.fed.is_empty() && remote.log.is_empty());
}

#[test]
fn ids_of_another_vocabulary_are_refused_before_the_model_sees_them() {
    let settings = Settings { mode: Mode::LocalOnly, ..Settings::default() };
    let mut events = local(3, &settings).events;
    events[0].id = VOCAB as TokenId;
    let mut model = ScriptedLocal::new(3);
    let mut remote = ScriptedRemote::new(Script::Saying(20), 3);
    let mut decoder = RoutedDecoder::new();
    let stop = StopFlag::default();
    let going = decoder.go_on(&mut model, &mut remote, &PROMPT, events, &settings, &stop, |_| {});
    assert!(matches!(block_on(going), Err(DecodeError::UnknownToken { .. })));
    assert!(model.fed.is_empty());
}

#[test]
fn a_context_that_is_full_ends_the_answer_and_keeps_its_text() {
    let settings = Settings { mode: Mode::LocalOnly, max_tokens: 60, ..Settings::default() };
    let seed = (0..).find(|&seed| local(seed, &settings).events.len() >= 20).unwrap();
    let events = local(seed, &settings).events[..20].to_vec();
    let mut model = ScriptedLocal { capacity: 10, ..ScriptedLocal::new(seed) };
    let mut remote = ScriptedRemote::new(Script::Saying(20), seed);
    let mut decoder = RoutedDecoder::new();
    let stop = StopFlag::default();
    let going = decoder.go_on(&mut model, &mut remote, &PROMPT, events.clone(), &settings, &stop, |_| {});
    let made = block_on(going).unwrap();
    assert_eq!((made.events, made.finish), (events, Finish::Context));
}

fn local(seed: u64, settings: &Settings) -> Answer {
    let (mut model, mut remote) = (ScriptedLocal::new(seed), ScriptedRemote::new(Script::Saying(20), seed));
    let stop = StopFlag::default();
    run(&mut RoutedDecoder::new(), &mut model, &mut remote, &PROMPT, settings, &stop).0.unwrap()
}
