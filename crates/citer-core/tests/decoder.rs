//! The routed decoder's rules, one at a time, with scripted models.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scripted;

use citer_core::*;
use scripted::*;

const PROMPT: [TokenId; 4] = [9, 10, 11, 12];

fn settings(mode: Mode) -> Settings {
    Settings { mode, max_tokens: 30, max_failures: 1_000, hide_wait: false, ..Settings::default() }
}

fn answer(seed: u64, settings: &Settings, remote: &mut ScriptedRemote) -> Answer {
    let mut local = ScriptedLocal::new(seed);
    let (answer, seen) = run(&mut RoutedDecoder::new(), &mut local, remote, &PROMPT, settings, &StopFlag::default());
    let answer = answer.unwrap();
    assert_eq!(answer.events, seen);
    verify(&PROMPT, settings, &answer, seed, &remote.log);
    answer
}

/// A seed whose SLM does not end within `tokens`.
fn long_seed(tokens: usize) -> u64 {
    let settings = Settings { max_tokens: tokens, ..settings(Mode::LocalOnly) };
    (0..).find(|&seed| local_answer(seed, &settings).finish == Finish::Length).unwrap()
}

fn local_answer(seed: u64, settings: &Settings) -> Answer {
    let settings = Settings { mode: Mode::LocalOnly, ..settings.clone() };
    answer(seed, &settings, &mut ScriptedRemote::new(Script::Failing(RemoteError::NotConfigured), seed))
}

#[test]
fn local_only_makes_no_request() {
    let mut remote = ScriptedRemote::new(Script::Saying(20), 1);
    let answer = answer(1, &settings(Mode::LocalOnly), &mut remote);
    assert!(remote.log.is_empty());
    assert!(!answer.events.is_empty());
}

#[test]
fn remote_only_asks_for_every_token() {
    let mut remote = ScriptedRemote::new(Script::Saying(20), 1);
    let answer = answer(1, &settings(Mode::RemoteOnly), &mut remote);
    assert_eq!((remote.log.len(), answer.finish), (30, Finish::Length));
    assert!(answer.ids().iter().all(|&id| id == 20));
}

#[test]
fn the_router_asks_below_the_threshold_and_for_scores_that_are_not_numbers() {
    let asked = |threshold| {
        let settings = Settings { threshold, ..settings(Mode::Router) };
        let events =
            (0..40).flat_map(|seed| answer(seed, &settings, &mut ScriptedRemote::new(Script::Agreeing, seed)).events);
        events.map(|event| usize::from(event.source == Source::Agreed)).collect::<Vec<_>>()
    };
    // At threshold 0 only the scores that are not numbers are critical.
    let (none, half, all) = (asked(0.0), asked(0.5), asked(1.1));
    let count = |asked: &[usize]| asked.iter().sum::<usize>();
    assert!(0 < count(&none) && count(&none) < count(&half) && count(&half) < count(&all));
    assert_eq!(count(&all), all.len());
}

#[test]
fn the_remote_end_token_ends_the_turn_with_its_true_source() {
    let seed = long_seed(30);
    let answer = answer(seed, &settings(Mode::RemoteOnly), &mut ScriptedRemote::new(Script::Saying(END), seed));
    assert_eq!((answer.finish, answer.events.len()), (Finish::End, 1));
    let last = &answer.events[0];
    assert_eq!((last.id, last.source, last.text.as_str()), (END, Source::Remote, ""));
}

#[test]
fn every_error_keeps_the_local_answer_and_says_why() {
    let errors = [
        (RemoteError::NotConfigured, ForcedReason::NoRemote),
        (RemoteError::Unreachable("x".into()), ForcedReason::Unreachable),
        (RemoteError::Timeout(5), ForcedReason::Timeout),
        (RemoteError::Busy(1), ForcedReason::Busy),
        (RemoteError::Refused { status: 401, message: "key".into() }, ForcedReason::Unreachable),
        (RemoteError::BadAnswer("?".into()), ForcedReason::BadAnswer),
    ];
    for (error, reason) in errors {
        for seed in 0..20 {
            let settings = settings(Mode::RemoteOnly);
            let made = answer(seed, &settings, &mut ScriptedRemote::new(Script::Failing(error.clone()), seed));
            let local = local_answer(seed, &settings);
            assert_eq!((made.ids(), made.finish, made.text()), (local.ids(), local.finish, local.text()));
            assert!(made.events.iter().all(|event| event.source == Source::Forced(reason)));
        }
    }
}

#[test]
fn a_token_outside_the_vocabulary_is_a_bad_answer_that_still_cost_bytes() {
    let seed = long_seed(30);
    let mut remote = ScriptedRemote::new(Script::Saying(VOCAB as TokenId), seed);
    let answer = answer(seed, &settings(Mode::RemoteOnly), &mut remote);
    assert_eq!(answer.finish, Finish::Length);
    let event = &answer.events[3];
    assert_eq!(event.source, Source::Forced(ForcedReason::BadAnswer));
    assert_eq!((event.bytes_sent, event.bytes_received, event.remote.len()), (20, 30, 0));
}

#[test]
fn after_too_many_failures_no_request_is_made_until_the_next_answer() {
    let seed = long_seed(30);
    let mut remote = ScriptedRemote::new(Script::Failing(RemoteError::Timeout(9)), seed);
    let settings = Settings { max_failures: 3, ..settings(Mode::RemoteOnly) };
    let events = answer(seed, &settings, &mut remote).events;
    assert_eq!(remote.log.len(), 3);
    assert!(events[..3].iter().all(|event| event.source == Source::Forced(ForcedReason::Timeout)));
    assert!(events[3..].iter().all(|event| event.source == Source::Forced(ForcedReason::Cooldown)));
    remote.log.clear();
    answer(seed, &settings, &mut remote);
    assert_eq!(remote.log.len(), 3);
}

#[test]
fn a_missing_remote_is_never_called_a_cooldown() {
    let seed = long_seed(30);
    let settings = Settings { max_failures: 1, ..settings(Mode::RemoteOnly) };
    let mut remote = ScriptedRemote::new(Script::Failing(RemoteError::NotConfigured), seed);
    let events = answer(seed, &settings, &mut remote).events;
    assert!(events.iter().all(|event| event.source == Source::Forced(ForcedReason::NoRemote)));
    assert_eq!(events.iter().collect::<Split>().spent.calls, 0);
}

#[test]
fn a_full_context_ends_the_answer_at_its_last_possible_token() {
    let seed = long_seed(30);
    let mut local = ScriptedLocal { capacity: PROMPT.len() + 5, ..ScriptedLocal::new(seed) };
    let mut remote = ScriptedRemote::new(Script::Saying(20), seed);
    let settings = settings(Mode::LocalOnly);
    let stop = StopFlag::default();
    let answer = run(&mut RoutedDecoder::new(), &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
    assert_eq!((answer.finish, answer.events.len()), (Finish::Context, 6));
}

#[test]
fn bad_prompts_and_settings_are_refused_before_any_work() {
    let mut local = ScriptedLocal::new(1);
    let mut attempt = |prompt: &[TokenId], settings: &Settings| {
        let mut remote = ScriptedRemote::new(Script::Saying(20), 1);
        let (result, seen) =
            run(&mut RoutedDecoder::new(), &mut local, &mut remote, prompt, settings, &StopFlag::default());
        assert!(seen.is_empty() && local.fed.is_empty());
        result.unwrap_err()
    };
    let good = settings(Mode::Router);
    let share = Budget { share: Some(f32::NAN), ..Budget::default() };
    assert!(matches!(attempt(&[], &good), DecodeError::EmptyPrompt));
    let long = attempt(&[9; 401], &good);
    assert!(matches!(long, DecodeError::PromptTooLong { tokens: 401, capacity: 400 }));
    assert!(long.to_string().contains("start a new chat"));
    assert!(matches!(attempt(&[9, 48], &good), DecodeError::UnknownToken { token: 48, vocab: VOCAB }));
    let infinite = Settings { threshold: f32::INFINITY, ..good.clone() };
    assert!(matches!(attempt(&PROMPT, &infinite), DecodeError::NotANumber));
    let hot = Sampling { temperature: 3.0, ..Sampling::GREEDY };
    let hot = attempt(&PROMPT, &Settings { sampling: hot, ..good.clone() });
    assert!(matches!(hot, DecodeError::Sampling(SamplingError::Temperature(3.0))), "{hot}");
    assert!(matches!(attempt(&PROMPT, &Settings { budget: share, ..good }), DecodeError::NotANumber));
}

#[test]
fn no_tokens_wanted_means_no_work() {
    let answer = local_answer(1, &Settings { max_tokens: 0, ..Settings::default() });
    assert_eq!(answer, Answer { events: vec![], tail: String::new(), finish: Finish::Length });
}

#[test]
fn a_local_failure_returns_the_text_so_far_and_the_next_answer_starts_clean() {
    let seed = long_seed(30);
    let settings = settings(Mode::LocalOnly);
    let whole = local_answer(seed, &settings);
    let mut local = ScriptedLocal { fail_at: Some(10), ..ScriptedLocal::new(seed) };
    let mut remote = ScriptedRemote::new(Script::Saying(20), seed);
    let mut decoder = RoutedDecoder::new();
    let stop = StopFlag::default();
    let (result, seen) = run(&mut decoder, &mut local, &mut remote, &PROMPT, &settings, &stop);
    let Err(DecodeError::Local { events, tail, .. }) = result else { panic!("the failure was swallowed") };
    assert_eq!((events.len(), &events), (10, &seen));
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, whole.ids()[..10]);
    let text: String = events.iter().map(|event| event.text.clone()).chain([tail]).collect();
    let bytes: Vec<u8> = ids.iter().flat_map(|&id| bytes_of(id)).collect();
    assert_eq!(text, String::from_utf8_lossy(&bytes));

    let again = run(&mut decoder, &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
    assert_eq!(again.ids(), whole.ids());
    assert_eq!(local.contexts[10], PROMPT);
}

#[test]
fn stop_before_the_answer_makes_nothing() {
    let stop = StopFlag::default();
    stop.clone().stop();
    let mut local = ScriptedLocal::new(1);
    let mut remote = ScriptedRemote::new(Script::Saying(20), 1);
    let settings = settings(Mode::RemoteOnly);
    let answer = run(&mut RoutedDecoder::new(), &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
    assert_eq!((answer.finish, answer.events.len(), local.fed.len()), (Finish::Stopped, 0, 0));
}

#[test]
fn stop_during_local_compute_drops_the_unseen_token_and_sends_no_request() {
    let seed = long_seed(30);
    let stop = StopFlag::default();
    let mut local = ScriptedLocal { stop_at: Some((4, stop.clone())), ..ScriptedLocal::new(seed) };
    let mut remote = ScriptedRemote::new(Script::Saying(20), seed);
    let settings = settings(Mode::RemoteOnly);
    let answer = run(&mut RoutedDecoder::new(), &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
    assert_eq!((answer.finish, answer.events.len(), remote.log.len()), (Finish::Stopped, 4, 4));
    verify(&PROMPT, &settings, &answer, seed, &remote.log);
}

#[test]
fn a_feed_that_ends_early_because_of_the_stop_ends_the_answer_and_nothing_cached_is_trusted() {
    let seed = long_seed(30);
    let stop = StopFlag::default();
    let mut local = ScriptedLocal { stop_at: Some((3, stop.clone())), fail_at: Some(3), ..ScriptedLocal::new(seed) };
    let mut remote = ScriptedRemote::new(Script::Saying(20), seed);
    let settings = settings(Mode::LocalOnly);
    let mut decoder = RoutedDecoder::new();
    let answer = run(&mut decoder, &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
    assert_eq!((answer.finish, answer.events.len()), (Finish::Stopped, 3));
    let again = run(&mut decoder, &mut local, &mut remote, &PROMPT, &settings, &StopFlag::default()).0.unwrap();
    assert_eq!(local.fed[4], PROMPT.len(), "the prompt is computed anew");
    verify(&PROMPT, &settings, &again, seed, &remote.log);
}

#[test]
fn stop_during_a_request_keeps_the_token_that_was_paid_for() {
    let seed = long_seed(30);
    for script in [Script::Saying(20), Script::Failing(RemoteError::Timeout(1))] {
        let stop = StopFlag::default();
        let mut local = ScriptedLocal::new(seed);
        let mut remote = ScriptedRemote { stop_at: Some((4, stop.clone())), ..ScriptedRemote::new(script, seed) };
        let settings = settings(Mode::RemoteOnly);
        let answer = run(&mut RoutedDecoder::new(), &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
        assert_eq!((answer.finish, answer.events.len(), local.fed.len()), (Finish::Stopped, 5, 5));
        verify(&PROMPT, &settings, &answer, seed, &remote.log);
    }
}

#[test]
fn stop_from_the_event_callback_ends_after_that_token() {
    let seed = long_seed(30);
    let stop = StopFlag::default();
    let mut local = ScriptedLocal::new(seed);
    let mut remote = ScriptedRemote::new(Script::Saying(20), seed);
    let settings = settings(Mode::LocalOnly);
    let mut decoder = RoutedDecoder::new();
    let answer = decoder.answer(&mut local, &mut remote, &PROMPT, &settings, &stop, |event| {
        if event.index == 6 {
            stop.stop();
        }
    });
    let answer = futures::executor::block_on(answer).unwrap();
    assert_eq!((answer.finish, answer.events.len()), (Finish::Stopped, 7));
}

#[test]
fn a_growing_conversation_feeds_only_what_is_new() {
    let seed = long_seed(30);
    let mut local = ScriptedLocal::new(seed);
    let mut remote = ScriptedRemote::new(Script::Saying(20), seed);
    let mut decoder = RoutedDecoder::new();
    let settings = Settings { max_tokens: 5, ..settings(Mode::LocalOnly) };
    let mut turn = |local: &mut ScriptedLocal, prompt: &[TokenId]| {
        local.fed.clear();
        local.contexts.clear();
        let answer = run(&mut decoder, local, &mut remote, prompt, &settings, &StopFlag::default()).0.unwrap();
        verify(prompt, &settings, &answer, seed, &[]);
        for (step, context) in local.contexts.iter().enumerate() {
            assert_eq!(context, &[prompt, &answer.ids()[..step]].concat(), "the cache is not the context");
        }
        (answer.ids(), local.fed[0])
    };
    let (first, fed) = turn(&mut local, &PROMPT);
    assert_eq!(fed, 4);
    // The last token of the answer was never fed, so it comes with the next prompt.
    let longer = [&PROMPT[..], &first, &[13, 14]].concat();
    assert_eq!(turn(&mut local, &longer).1, 3);
    // The same prompt again: one token must be fed to have a step.
    assert_eq!(turn(&mut local, &longer).1, 1);
    // An edited history keeps the part before the edit.
    let mut edited = longer.clone();
    edited[2] = 30;
    assert_eq!(turn(&mut local, &edited).1, edited.len() - 2);
    // A prompt that is a part of the cache.
    assert_eq!(turn(&mut local, &edited[..3]).1, 1);
    // A model that was reset behind the decoder's back.
    local.cache.clear();
    assert_eq!(turn(&mut local, &edited).1, edited.len());
}

#[test]
fn a_dropped_answer_does_not_spoil_the_next_one() {
    let seed = long_seed(30);
    let settings = settings(Mode::LocalOnly);
    let whole = local_answer(seed, &settings);
    for polls in 1..12 {
        let mut local = ScriptedLocal::new(seed);
        let mut remote = ScriptedRemote::new(Script::Saying(20), seed);
        let mut decoder = RoutedDecoder::new();
        let stop = StopFlag::default();
        {
            let answer = decoder.answer(&mut local, &mut remote, &PROMPT, &settings, &stop, |_| {});
            let mut answer = std::pin::pin!(answer);
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            for _ in 0..polls {
                assert!(answer.as_mut().poll(&mut context).is_pending());
            }
        }
        let again = run(&mut decoder, &mut local, &mut remote, &PROMPT, &settings, &stop).0.unwrap();
        assert_eq!(again.ids(), whole.ids());
    }
}

#[test]
fn notices_speak_once_for_each_reason() {
    let seed = long_seed(30);
    let settings = Settings { max_failures: 2, ..settings(Mode::RemoteOnly) };
    let mut remote = ScriptedRemote::new(Script::Failing(RemoteError::Unreachable("gone".into())), seed);
    let events = answer(seed, &settings, &mut remote).events;
    let mut notices = Notices::default();
    let due: Vec<_> = events.iter().filter_map(|event| Some((event.index, notices.due(event)?))).collect();
    assert_eq!(due.len(), 2);
    assert_eq!(due[0], (0, "The server cannot be reached: the answer goes on locally."));
    assert_eq!(due[1].0, 2);
    let local = local_answer(seed, &settings).events;
    assert!(local.iter().all(|event| Notices::default().due(event).is_none()));
}
