//! The routed decoder under any schedule of faults, budgets, stops and conversations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scripted;

use citer_core::*;
use proptest::prelude::*;
use scripted::*;

fn mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::LocalOnly, Mode::Router, Mode::RemoteOnly])
}

fn budget() -> impl Strategy<Value = Budget> {
    let limit = |most: u64| prop::option::of(0..most);
    (prop::option::of(0.0f32..1.0), limit(12), limit(300), limit(500))
        .prop_map(|(share, calls, tokens, bytes)| Budget { share, calls, tokens, bytes, usd: None })
}

fn settings() -> impl Strategy<Value = Settings> {
    (mode(), 0.0f32..1.0, 0usize..60, budget(), 0usize..8).prop_map(
        |(mode, threshold, max_tokens, budget, max_failures)| Settings {
            mode,
            threshold,
            max_tokens,
            budget,
            max_failures,
            hide_wait: false,
            ..Settings::default()
        },
    )
}

/// A conversation of `turns` in which the history now and then changes; every answer is checked.
fn converse(seed: u64, settings: &Settings, script: Script, turns: usize) {
    let mut local = ScriptedLocal::new(seed);
    let mut remote = ScriptedRemote::new(script, seed);
    let mut decoder = RoutedDecoder::new();
    let mut prompt = vec![9, 10 + (seed % 30) as TokenId];
    for turn in 0..turns {
        local.contexts.clear();
        remote.log.clear();
        let (answer, seen) = run(&mut decoder, &mut local, &mut remote, &prompt, settings, &StopFlag::default());
        let answer = answer.unwrap();
        assert_eq!(answer.events, seen);
        verify(&prompt, settings, &answer, seed, &remote.log);
        for (step, context) in local.contexts.iter().enumerate() {
            assert_eq!(context, &[&prompt, &answer.ids()[..step]].concat(), "the cache is not the context");
        }
        let trace = Trace::new(&prompt, settings, answer.clone());
        assert_eq!(Trace::parse(&trace.to_json().unwrap()).unwrap(), trace);
        prompt.extend(answer.ids());
        prompt.extend([9, 11 + turn as TokenId]);
        let random = mix(seed, &prompt);
        if random.is_multiple_of(3) {
            let place = (random >> 8) as usize % prompt.len();
            prompt[place] = 9 + (random >> 32) as TokenId % 30;
        }
    }
}

#[test]
fn a_thousand_fault_schedules_lose_nothing_and_label_everything_right() {
    for seed in 0..1_000 {
        let modes = [Mode::Router, Mode::RemoteOnly];
        let settings = Settings {
            mode: modes[seed as usize % 2],
            threshold: 0.6,
            max_tokens: 40,
            max_failures: [2, 1_000][seed as usize / 2 % 2],
            hide_wait: false,
            ..Settings::default()
        };
        converse(seed, &settings, Script::Faulty(seed ^ 0xFA_17), 3);
    }
}

proptest! {
    #[test]
    fn the_rules_hold_under_any_settings(seed: u64, faults: u64, settings in settings()) {
        converse(seed, &settings, Script::Faulty(faults), 3);
    }

    /// With an LLM that always agrees, whom the budget lets ask must change neither the ids nor the end.
    #[test]
    fn budgets_stop_escalation_and_nothing_else(seed: u64, settings in settings()) {
        let prompt = [9, 10, 11];
        let make = |settings: &Settings| {
            let mut local = ScriptedLocal::new(seed);
            let mut remote = ScriptedRemote::new(Script::Agreeing, seed);
            let mut decoder = RoutedDecoder::new();
            let stop = StopFlag::default();
            let answer = run(&mut decoder, &mut local, &mut remote, &prompt, settings, &stop).0.unwrap();
            verify(&prompt, settings, &answer, seed, &remote.log);
            answer
        };
        let free = make(&Settings { mode: Mode::LocalOnly, ..settings.clone() });
        let limited = make(&settings);
        prop_assert_eq!(limited.ids(), free.ids());
        prop_assert_eq!(limited.finish, free.finish);
        prop_assert_eq!(limited.text(), free.text());

        let budget = &settings.budget;
        let spent = limited.events.iter().collect::<Split>().spent;
        prop_assert!(budget.calls.is_none_or(|limit| spent.calls <= limit));
        // The last request may go over, so all but the last stay below.
        let asked: Vec<_> = limited.events.iter().filter(|event| event.source.was_asked()).collect();
        if let Some((_, before)) = asked.split_last() {
            let sent: u64 = before.iter().map(|event| event.tokens_sent).sum();
            let bytes: u64 = before.iter().map(|event| event.bytes_sent + event.bytes_received).sum();
            prop_assert!(budget.tokens.is_none_or(|limit| sent < limit));
            prop_assert!(budget.bytes.is_none_or(|limit| bytes < limit));
        }
    }

    /// Whatever fails, the answer is the local one, to its own end.
    #[test]
    fn errors_never_become_the_end(seed: u64, kind in 0usize..6, settings in settings()) {
        let errors = [
            RemoteError::NotConfigured,
            RemoteError::Unreachable("gone".into()),
            RemoteError::Timeout(1),
            RemoteError::Busy(1),
            RemoteError::Refused { status: 503, message: "no".into() },
            RemoteError::BadAnswer("?".into()),
        ];
        let make = |settings: &Settings| {
            let mut local = ScriptedLocal::new(seed);
            let mut remote = ScriptedRemote::new(Script::Failing(errors[kind].clone()), seed);
            let stop = StopFlag::default();
            run(&mut RoutedDecoder::new(), &mut local, &mut remote, &[9], settings, &stop).0.unwrap()
        };
        let local = make(&Settings { mode: Mode::LocalOnly, ..settings.clone() });
        let failed = make(&settings);
        prop_assert_eq!((failed.ids(), failed.text(), failed.finish), (local.ids(), local.text(), local.finish));
    }

    /// Stopped anywhere, an answer is a beginning of the unstopped one, and no request starts after the stop.
    #[test]
    fn stop_ends_promptly(seed: u64, faults: u64, at in 0usize..20, remotely: bool, settings in settings()) {
        let prompt = [9, 10];
        let make = |stop_at: Option<usize>| {
            let stop = StopFlag::default();
            let hook = stop_at.map(|at| (at, stop.clone()));
            let mut local = ScriptedLocal::new(seed);
            let mut remote = ScriptedRemote::new(Script::Faulty(faults), seed);
            if remotely { remote.stop_at = hook } else { local.stop_at = hook }
            let mut decoder = RoutedDecoder::new();
            let answer = run(&mut decoder, &mut local, &mut remote, &prompt, &settings, &stop).0.unwrap();
            verify(&prompt, &settings, &answer, seed, &remote.log);
            if stop.is_stopped() {
                let (done, calls) = (answer.events.len(), remote.log.len());
                if remotely { assert_eq!(calls, at + 1) } else { assert_eq!(done, at) }
            }
            answer
        };
        let (whole, cut) = (make(None), make(Some(at)));
        prop_assert!(whole.ids().starts_with(&cut.ids()));
        prop_assert!(cut.events.len() == whole.events.len() || cut.finish == Finish::Stopped);
    }
}
