//! Going ahead while a request flies: the same tokens and sources as waiting, nothing of what was taken back is left, and
//! the times say what it was worth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scripted;

use citer_core::*;
use proptest::prelude::*;
use scripted::*;

const PROMPT: [TokenId; 3] = [9, 10, 11];

fn settings(mode: Mode, threshold: f32, hide_wait: bool) -> Settings {
    Settings { mode, threshold, max_tokens: 40, max_failures: 1_000, hide_wait, ..Settings::default() }
}

/// An answer with the feeds it took, made by a model and an LLM that need up to `slow` turns for an answer.
fn make(seed: u64, script: Script, settings: &Settings, slow: usize) -> (Answer, ScriptedLocal, ScriptedRemote) {
    let mut local = ScriptedLocal::new(seed);
    let mut remote = ScriptedRemote { slow, ..ScriptedRemote::new(script, seed) };
    let (answer, seen) =
        run(&mut RoutedDecoder::new(), &mut local, &mut remote, &PROMPT, settings, &StopFlag::default());
    let answer = answer.unwrap();
    assert_eq!(answer.events, seen);
    verify(&PROMPT, settings, &answer, seed, &remote.log);
    (answer, local, remote)
}

/// Everything but the times.
fn timeless(answer: &Answer) -> Vec<TokenEvent> {
    let still = |event: &TokenEvent| TokenEvent { compute_ms: 0.0, wait_ms: 0.0, hidden_ms: 0.0, ..event.clone() };
    answer.events.iter().map(still).collect()
}

#[test]
fn two_thousand_answers_are_those_of_waiting() {
    let (mut ahead, mut taken_back) = (0, 0);
    for seed in 0..2_000 {
        let mode = [Mode::Router, Mode::RemoteOnly][seed as usize % 2];
        let make = |hide, slow| make(seed, Script::Faulty(seed ^ 0xAB), &settings(mode, 0.4, hide), slow);
        let (waited, still, asked) = make(false, 1);
        let (hidden, gone, asked_ahead) = make(true, 6);
        assert_eq!(timeless(&waited), timeless(&hidden), "seed {seed}");
        assert_eq!((waited.finish, &waited.tail), (hidden.finish, &hidden.tail));
        assert_eq!(asked.log, asked_ahead.log, "seed {seed}: the LLM was asked something else");
        // Contexts that are no beginning of the answer were computed in vain.
        let whole = [&PROMPT[..], &hidden.ids()].concat();
        taken_back += gone.contexts.iter().filter(|context| !whole.starts_with(context)).count();
        ahead += gone.fed.len().saturating_sub(still.fed.len());
    }
    assert!(ahead > 1_000 && taken_back > 1_000, "{ahead} and {taken_back}: the SLM never went ahead");
}

#[test]
fn drawn_tokens_are_those_of_waiting_and_follow_the_seed() {
    let mut different = 0;
    for seed in 0..500 {
        let draw = |draw, hide, slow| {
            let sampling = Sampling { temperature: 0.8, top_p: 0.9, seed: draw };
            let settings = Settings { sampling, ..settings(Mode::Router, 0.4, hide) };
            make(seed, Script::Faulty(seed ^ 0xCD), &settings, slow)
        };
        let (waited, _, asked) = draw(seed, false, 1);
        let (hidden, _, asked_ahead) = draw(seed, true, 6);
        assert_eq!(timeless(&waited), timeless(&hidden), "seed {seed}");
        assert_eq!(asked.log, asked_ahead.log, "seed {seed}: the LLM was asked something else");
        different += usize::from(draw(seed + 1, true, 6).0.ids() != waited.ids());
        let greedy = make(seed, Script::Agreeing, &settings(Mode::LocalOnly, 0.4, true), 1).1;
        assert_eq!(greedy.sampling, Sampling::GREEDY);
    }
    assert!(different > 450, "{different} of 500 answers changed with the seed");
}

#[test]
fn a_conversation_after_tokens_taken_back_reads_the_right_context() {
    for seed in 0..300 {
        let settings = settings(Mode::Router, 0.5, true);
        let mut local = ScriptedLocal::new(seed);
        let mut remote = ScriptedRemote { slow: 5, ..ScriptedRemote::new(Script::Faulty(seed), seed) };
        let mut decoder = RoutedDecoder::new();
        let mut prompt = PROMPT.to_vec();
        for _ in 0..3 {
            remote.log.clear();
            let made = run(&mut decoder, &mut local, &mut remote, &prompt, &settings, &StopFlag::default()).0.unwrap();
            verify(&prompt, &settings, &made, seed, &remote.log);
            prompt.extend(made.ids());
            prompt.push(12);
        }
    }
}

#[test]
fn a_full_context_and_the_token_limit_hold_while_going_ahead() {
    for seed in 0..200 {
        for capacity in 4..12 {
            let settings = Settings { max_tokens: 6, ..settings(Mode::Router, 0.3, true) };
            let make = |hide_wait| {
                let mut local = ScriptedLocal { capacity, ..ScriptedLocal::new(seed) };
                let mut remote = ScriptedRemote { slow: 9, ..ScriptedRemote::new(Script::Agreeing, seed) };
                let settings = Settings { hide_wait, ..settings.clone() };
                let stop = StopFlag::default();
                let made = run(&mut RoutedDecoder::new(), &mut local, &mut remote, &PROMPT, &settings, &stop).0;
                (made.unwrap(), local.fed.len())
            };
            let ((waited, feeds), (hidden, feeds_ahead)) = (make(false), make(true));
            assert_eq!((waited.ids(), waited.finish), (hidden.ids(), hidden.finish));
            // With an LLM that agrees nothing is computed twice or beyond what is needed.
            assert_eq!(feeds, feeds_ahead, "seed {seed}");
        }
    }
}

#[test]
fn a_model_that_fails_ahead_ends_the_answer_after_the_token_that_was_paid_for() {
    let mut failed = 0;
    for seed in 0..200 {
        for fail_at in 1..6 {
            let settings = settings(Mode::Router, 0.6, true);
            let mut local = ScriptedLocal { fail_at: Some(fail_at), ..ScriptedLocal::new(seed) };
            let mut remote = ScriptedRemote { slow: 6, ..ScriptedRemote::new(Script::Faulty(seed), seed) };
            let mut decoder = RoutedDecoder::new();
            let stop = StopFlag::default();
            let (made, seen) = run(&mut decoder, &mut local, &mut remote, &PROMPT, &settings, &stop);
            let Err(DecodeError::Local { events, .. }) = made else { continue };
            failed += 1;
            assert_eq!(events, seen);
            let asked = remote.log.iter().filter(|(_, reply)| *reply != Err(RemoteError::NotConfigured)).count();
            assert_eq!(events.iter().filter(|event| event.source.was_asked()).count(), asked, "a token was lost");
            // The next answer trusts nothing that the model held.
            remote.log.clear();
            let again = run(&mut decoder, &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
            verify(&PROMPT, &settings, &again, seed, &remote.log);
        }
    }
    assert!(failed > 200, "{failed}");
}

#[test]
fn hidden_time_is_part_of_the_wait_and_only_where_the_llm_agreed() {
    let (agreed, ..) = make(3, Script::Agreeing, &settings(Mode::Router, 0.5, true), 6);
    let waits: Waits = agreed.events.iter().collect();
    assert!(waits.hidden_ms > 0.0 && waits.agreement() == Some(1.0), "{waits}");
    for seed in 0..50 {
        let (made, ..) = make(seed, Script::Faulty(seed), &settings(Mode::Router, 0.5, true), 6);
        for event in &made.events {
            assert!(event.hidden_ms <= event.wait_ms);
            assert!(event.hidden_ms == 0.0 || event.source != Source::Remote);
        }
    }
    let (waited, ..) = make(3, Script::Agreeing, &settings(Mode::Router, 0.5, false), 6);
    assert_eq!(waited.events.iter().collect::<Waits>().hidden_ms, 0.0);
}

#[test]
fn tokens_that_come_together_stand_together() {
    for hide_wait in [false, true] {
        let settings = Settings { max_tokens: 9, ..settings(Mode::RemoteOnly, 0.5, hide_wait) };
        let mut local = ScriptedLocal::new(5);
        let mut remote = ScriptedRemote { slow: 4, rest: vec![21, 22], ..ScriptedRemote::new(Script::Saying(20), 5) };
        let stop = StopFlag::default();
        let made = run(&mut RoutedDecoder::new(), &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
        assert_eq!(made.ids(), [20, 21, 22, 20, 21, 22, 20, 21, 22]);
        let split: Split = made.events.iter().collect();
        assert_eq!((remote.log.len(), split.spent.calls, split.spent.remote_tokens), (3, 3, 9));
        assert!(made.events.iter().all(|event| event.source.is_remote() && event.reserved == (event.id > 20)));
        let trace = Trace::new(&PROMPT, &settings, made);
        assert_eq!(Trace::parse(&trace.to_json().unwrap()).unwrap(), trace);
    }
    // One foreign id spoils the whole piece.
    let mut remote = ScriptedRemote { rest: vec![VOCAB as TokenId], ..ScriptedRemote::new(Script::Saying(20), 5) };
    let settings = settings(Mode::RemoteOnly, 0.5, true);
    let stop = StopFlag::default();
    let made =
        run(&mut RoutedDecoder::new(), &mut ScriptedLocal::new(5), &mut remote, &PROMPT, &settings, &stop).0.unwrap();
    assert!(made.events.iter().all(|event| event.source == Source::Forced(ForcedReason::BadAnswer)));
}

#[test]
fn a_wanted_share_is_met_over_answers_and_its_traces_hold() {
    let mut decoder = RoutedDecoder::new();
    let settings = Settings { target_share: Some(0.25), ..settings(Mode::Router, 0.5, true) };
    let (mut tokens, mut asked) = (0, 0);
    for seed in 0..60 {
        let mut local = ScriptedLocal::new(seed);
        let mut remote = ScriptedRemote { slow: 4, ..ScriptedRemote::new(Script::Agreeing, seed) };
        let stop = StopFlag::default();
        let made = run(&mut decoder, &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
        tokens += made.events.len();
        asked += remote.log.len();
        let trace = Trace::new(&PROMPT, &settings, made);
        assert_eq!(Trace::parse(&trace.to_json().unwrap()).unwrap(), trace);
        if tokens >= 200 {
            let share = asked as f32 / tokens as f32;
            assert!((share - 0.25).abs() <= 0.025 + 1e-4, "{share} after {tokens} tokens");
        }
    }
    assert!(tokens > 400);
}

proptest! {
    /// Whatever the budgets of answer, conversation and day: no request starts once one of them is spent.
    #[test]
    fn every_budget_holds(seed: u64, calls in [0u64..9, 0..9, 0..9], before in [0u64..9, 0..9], usd in 0.0f64..2e-3) {
        let limit = |calls| Budget { calls: Some(calls), ..Budget::default() };
        let spent = |calls| Spent { calls, ..Spent::default() };
        let settings = Settings {
            budget: Budget { usd: Some(usd), ..limit(calls[0]) },
            conversation: Allowance { budget: limit(calls[1]), spent: spent(before[0]) },
            day: Allowance { budget: limit(calls[2]), spent: spent(before[1]) },
            prices: Prices { prompt: 10.0, cached: 1.0, output: 100.0 },
            ..settings(Mode::RemoteOnly, 0.5, true)
        };
        let (made, _, remote) = make(seed, Script::Agreeing, &settings, 3);
        let most = calls[0].min(calls[1].saturating_sub(before[0])).min(calls[2].saturating_sub(before[1]));
        prop_assert!(remote.log.len() as u64 <= most);
        let mut spent = Spent::default();
        for event in &made.events {
            let wanted = spent.calls < most && settings.prices.usd(&spent) < usd;
            prop_assert_eq!(event.source.was_asked(), wanted);
            spent.add(event);
        }
    }
}
