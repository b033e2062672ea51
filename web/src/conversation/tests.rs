//! Tests of the conversation.

use super::*;
use citer_core::{Answer, Settings, Source};

fn token(index: usize, source: Source) -> Token {
    let event = TokenEvent {
        index,
        id: 7,
        text: "x".into(),
        source,
        score: 0.5,
        threshold: 0.5,
        local: vec![],
        remote: vec![],
        compute_ms: 1.0,
        wait_ms: 0.0,
        hidden_ms: 0.0,
        server_ms: 0.0,
        retries: 0,
        reserved: false,
        tokens_received: 0,
        bytes_sent: 0,
        bytes_received: 0,
        tokens_sent: 0,
        tokens_cached: 0,
    };
    Token { event, local_text: vec![], remote_text: vec![] }
}

fn trace(finish: Finish) -> Trace {
    Trace::new(&[1], &Settings::default(), Answer { events: vec![], tail: String::new(), finish })
}

#[test]
fn an_answer_waits_streams_and_ends() {
    let mut chat = Conversation::default();
    let id = chat.ask("1 + 1?");
    assert_eq!(chat.waiting(), Some((id, "1 + 1?")));
    chat.begin(id, Settings::default());
    assert!(chat.waiting().is_none() && chat.is_open());
    chat.add_token(id, token(0, Source::Local));
    chat.add_token(id, token(1, Source::Remote));
    chat.add_notice(id, "slow".into());
    chat.finish(id, Finish::End, trace(Finish::End));
    let exchange = chat.get(id).unwrap();
    assert_eq!((exchange.tokens.len(), exchange.notices.len()), (2, 1));
    assert_eq!((exchange.split.local, exchange.split.remote), (1, 1));
    assert_eq!(exchange.state, State::Finished(Finish::End));
    assert!(exchange.trace.is_some() && !chat.is_open());
}

#[test]
fn the_conversation_counts_all_answers() {
    let mut chat = Conversation::default();
    for _ in 0..2 {
        let id = chat.ask("?");
        chat.add_token(id, token(0, Source::Agreed));
        chat.finish(id, Finish::End, trace(Finish::End));
    }
    assert_eq!((chat.split().agreed, chat.last().map(|exchange| exchange.split.agreed)), (2, Some(1)));
}

#[test]
fn a_failure_keeps_the_text_and_gives_the_question_back() {
    let mut chat = Conversation::default();
    let id = chat.ask("why?");
    chat.begin(id, Settings::default());
    chat.add_token(id, token(0, Source::Local));
    assert_eq!(chat.fail(Some(id), "broken").as_deref(), Some("why?"));
    assert_eq!(chat.get(id).unwrap().tokens.len(), 1);
    assert_eq!(chat.get(id).unwrap().state, State::Failed("broken".into()));
    assert_eq!(chat.fail(None, "again"), None, "an answer fails once");
}

#[test]
fn a_crash_fails_the_open_answer_and_no_other() {
    let mut chat = Conversation::default();
    assert_eq!(chat.fail(None, "crash"), None);
    let first = chat.ask("first");
    chat.finish(first, Finish::End, trace(Finish::End));
    assert_eq!(chat.fail(None, "crash"), None);
    chat.ask("second");
    assert_eq!(chat.fail(None, "crash").as_deref(), Some("second"));
    assert_eq!(chat.get(first).unwrap().state, State::Finished(Finish::End));
}

#[test]
fn late_messages_about_a_cleared_conversation_change_nothing() {
    let mut chat = Conversation::default();
    let old = chat.ask("old");
    chat.begin(old, Settings::default());
    chat.clear();
    let new = chat.ask("new");
    assert_ne!(old, new);
    chat.add_token(old, token(0, Source::Local));
    chat.finish(old, Finish::Stopped, trace(Finish::Stopped));
    assert_eq!(chat.waiting(), Some((new, "new")));
    assert_eq!(chat.split().tokens(), 0);
}

#[test]
fn a_waiting_question_can_be_taken_back_and_a_running_one_not() {
    let mut chat = Conversation::default();
    let id = chat.ask("later");
    assert_eq!(chat.take_back().as_deref(), Some("later"));
    assert!(chat.ids().is_empty());
    let next = chat.ask("now");
    assert_ne!(id, next);
    chat.begin(next, Settings::default());
    assert_eq!(chat.take_back(), None);
}

#[test]
fn only_the_current_question_is_sent() {
    assert_eq!(turns("2?"), [Turn { role: Role::User, content: "2?".into() }]);
}

#[test]
fn an_interrupted_answer_goes_on_after_its_tokens_as_it_was_begun() {
    let mut chat = Conversation::default();
    let id = chat.ask("1 + 1?");
    assert_eq!(chat.interrupted(), None, "a waiting question was not begun");
    let settings = Settings { threshold: 0.25, ..Settings::default() };
    chat.begin(id, settings.clone());
    chat.add_token(id, token(0, Source::Local));
    chat.add_token(id, token(1, Source::Remote));
    let found = chat.interrupted().unwrap();
    assert_eq!((found.id, &found.settings, found.events.len()), (id, &settings, 2));
    assert_eq!(found.turns, turns("1 + 1?"));
    chat.add_token(id, token(2, Source::Local));
    chat.finish(id, Finish::End, trace(Finish::End));
    assert_eq!(chat.interrupted(), None);
}
