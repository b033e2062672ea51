//! Tests of the conversation.

use super::*;
use citer_core::{Answer, Source};

pub(crate) fn token(index: usize, text: &str, source: Source) -> Token {
    let event = TokenEvent {
        index,
        id: 7,
        text: text.into(),
        source,
        score: if source == Source::Local { 0.75 } else { 0.25 },
        threshold: 0.5,
        own: None,
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
    Token { event, local_text: vec![], remote_text: vec![], server: None }
}

fn trace(tokens: &[Token], finish: Finish) -> Trace {
    let events = tokens.iter().map(|token| token.event.clone()).collect();
    Trace::new(&[1], &Settings::default(), Answer { events, tail: String::new(), finish })
}

fn answered(chat: &mut Conversation, id: u64, tokens: &[Token]) {
    chat.begin(id, Settings::default());
    tokens.iter().for_each(|token| chat.add_token(id, token.clone()));
    chat.finish(id, Finish::End, trace(tokens, Finish::End), 5);
}

/// Two questions, the second of them asked in two ways.
pub(crate) fn branched() -> Conversation {
    let mut chat = Conversation::default();
    chat.ask(1, "The first?", 1);
    answered(&mut chat, 1, &[token(0, "One", Source::Local), token(1, ".", Source::Remote)]);
    chat.ask(2, "The second?", 2);
    answered(&mut chat, 2, &[token(0, "Two", Source::Local)]);
    chat.ask_instead(2, 3, "Another second?", 3);
    answered(&mut chat, 3, &[token(0, "Other", Source::Agreed)]);
    chat
}

#[test]
fn an_answer_waits_streams_and_ends() {
    let mut chat = Conversation::default();
    chat.ask(1, "1 + 1?", 1);
    assert_eq!(chat.waiting(false).map(|request| request.id), Some(1));
    answered(&mut chat, 1, &[token(0, "x", Source::Local), token(1, "y", Source::Remote)]);
    assert!(chat.waiting(false).is_none() && !chat.is_open());
    let exchange = chat.get(1).unwrap();
    assert_eq!((exchange.split.local, exchange.split.remote, exchange.text()), (1, 1, "xy".into()));
    assert_eq!(exchange.state, State::Finished(Finish::End));
    assert!(exchange.trace.is_some());
}

#[test]
fn a_conversation_counts_the_answers_that_are_shown() {
    let mut chat = branched();
    assert_eq!((chat.ids(), chat.split().tokens(), chat.split().agreed), (vec![1, 3], 3, 1));
    assert_eq!(chat.versions(3), [2, 3]);
    chat.choose(2);
    assert_eq!((chat.ids(), chat.split().agreed), (vec![1, 2], 0));
    chat.ask(4, "More?", 9);
    chat.choose(3);
    assert_eq!(chat.ids(), [1, 3]);
    chat.choose(2);
    assert_eq!(chat.ids(), [1, 2, 4], "what came after a branch comes back with it");
}

#[test]
fn a_failure_keeps_the_text_and_gives_the_question_back() {
    let mut chat = Conversation::default();
    chat.ask(1, "why?", 1);
    chat.begin(1, Settings::default());
    chat.add_token(1, token(0, "x", Source::Local));
    assert_eq!(chat.fail(Some(1), "broken").as_deref(), Some("why?"));
    assert_eq!(chat.get(1).unwrap().tokens.len(), 1);
    assert_eq!(chat.get(1).unwrap().state, State::Failed("broken".into()));
    assert_eq!(chat.fail(None, "again"), None, "an answer fails once");
}

#[test]
fn a_crash_fails_the_open_answer_and_no_other() {
    let mut chat = branched();
    assert_eq!(chat.fail(None, "crash"), None);
    chat.ask(9, "last", 9);
    assert_eq!(chat.fail(None, "crash").as_deref(), Some("last"));
    assert_eq!(chat.get(3).unwrap().state, State::Finished(Finish::End));
}

#[test]
fn messages_about_answers_that_ended_or_are_not_here_change_nothing() {
    let mut chat = branched();
    let before = chat.clone();
    chat.add_token(3, token(1, "late", Source::Local));
    chat.add_token(99, token(0, "lost", Source::Local));
    chat.finish(99, Finish::Stopped, trace(&[], Finish::Stopped), 8);
    assert_eq!(chat, before);
}

#[test]
fn a_waiting_question_can_be_taken_back_and_a_running_one_not() {
    let mut chat = Conversation::default();
    chat.ask(1, "later", 1);
    assert_eq!(chat.take_back().as_deref(), Some("later"));
    assert!(chat.is_empty());
    chat.ask(2, "now", 1);
    chat.begin(2, Settings::default());
    assert_eq!(chat.take_back(), None);
}

#[test]
fn what_was_asked_again_and_is_taken_back_leaves_the_answer_before() {
    let mut chat = branched();
    chat.ask_instead(3, 4, "Another second?", 9);
    assert_eq!(chat.take_back(), None, "the question is still there");
    assert_eq!(chat.ids(), [1, 3]);
    chat.ask_instead(3, 5, "A third way?", 9);
    assert_eq!(chat.take_back().as_deref(), Some("A third way?"));
    assert_eq!(chat.ids(), [1, 3]);
}

#[test]
fn history_is_sent_only_where_the_model_knows_it() {
    let chat = {
        let mut chat = branched();
        chat.ask(4, "And?", 9);
        chat
    };
    let words = |history| -> Vec<String> {
        chat.waiting(history).unwrap().turns.into_iter().map(|turn| turn.content).collect()
    };
    assert_eq!(words(false), ["And?"]);
    assert_eq!(words(true), ["The first?", "One.", "Another second?", "Other", "And?"]);
}

#[test]
fn a_stopped_answer_goes_on_after_its_tokens_as_it_was_begun() {
    let mut chat = Conversation::default();
    chat.ask(1, "1 + 1?", 1);
    let settings = Settings { threshold: 0.5, max_tokens: 2, ..Settings::default() };
    chat.begin(1, settings.clone());
    let tokens = [token(0, "x", Source::Local), token(1, "y", Source::Remote)];
    tokens.iter().for_each(|token| chat.add_token(1, token.clone()));
    assert_eq!(chat.interrupted(false).unwrap().events.len(), 2);
    chat.finish(1, Finish::Length, trace(&tokens, Finish::Length), 2);
    assert!(chat.go_on(1));
    let request = chat.waiting(false).unwrap();
    assert_eq!((request.events.len(), request.settings.unwrap().max_tokens), (2, 2 + MORE));
    assert!(!chat.go_on(1), "it waits already");
    chat.take_back();
    assert_eq!(chat.get(1).unwrap().state, State::Interrupted);
    assert!(chat.go_on(1));
    chat.begin(1, settings);
    chat.add_token(1, token(2, "", Source::Local));
    chat.finish(1, Finish::End, trace(&tokens, Finish::End), 3);
    assert!(!chat.go_on(1), "it ended by itself");
}

#[test]
fn titles_are_the_first_question_cut_short_or_the_given_name() {
    let mut chat = Conversation::default();
    assert_eq!(chat.title(), "");
    chat.ask(1, &format!("  {}\nmore", "wörd ".repeat(30)), 1);
    assert!(chat.title().chars().count() <= TITLE + 1 && chat.title().ends_with('…'), "{}", chat.title());
    chat.name = "Mine".into();
    assert_eq!(chat.title(), "Mine");
}

#[test]
fn a_system_prompt_comes_first_and_an_answer_keeps_the_one_it_began_with() {
    let mut chat = Conversation::default();
    chat.settings.system = " Be brief.\n".into();
    chat.ask(1, "why?", 1);
    let roles = |request: &Request| request.turns.iter().map(|turn| turn.role).collect::<Vec<_>>();
    let waiting = chat.waiting(true).unwrap();
    assert_eq!((roles(&waiting), waiting.turns[0].content.trim()), (vec![Role::System, Role::User], "Be brief."));
    answered(&mut chat, 1, &[token(0, "so", Source::Local)]);
    assert_eq!(chat.last().unwrap().system, "Be brief.");
    chat.ask(2, "and?", 2);
    assert_eq!(
        roles(&chat.waiting(true).unwrap()),
        [Role::System, Role::User, Role::Assistant, Role::User],
        "it is told once"
    );
    assert_eq!(roles(&chat.waiting(false).unwrap()), [Role::System, Role::User]);
    chat.begin(2, Settings::default());
    chat.settings.system = "Rhyme.".into();
    let interrupted = chat.interrupted(false).unwrap();
    assert_eq!(interrupted.turns[0].content, "Be brief.", "it goes on as it was begun");
    chat.finish(2, Finish::Stopped, trace(&[token(0, "x", Source::Local)], Finish::Stopped), 3);
    assert!(chat.go_on(2));
    assert_eq!(chat.waiting(false).unwrap().turns[0].content, "Be brief.");
    chat.begin(2, Settings::default());
    assert_eq!(chat.last().unwrap().system, "Be brief.");
    chat.finish(2, Finish::End, trace(&[token(0, "x", Source::Local)], Finish::End), 3);
    chat.ask_instead(2, 3, "and?", 4);
    assert_eq!(chat.waiting(false).unwrap().turns[0].content, "Rhyme.");
    chat.settings.system = "  ".into();
    assert_eq!(roles(&chat.waiting(false).unwrap()), [Role::User]);
}
