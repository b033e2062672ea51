//! One exchange: the question, and the answer as it streams, with its notices and its summary.

use crate::chat::{Chat, is_streaming};
use crate::layout;
use crate::replay::Replay;
use crate::strings::answer as words;
use crate::token::TokenText;
use crate::what_if::WhatIfPanel;
use crate::{copy, files, meter, strings};
use citer_chat::{Conversation, Exchange, State, export};
use citer_core::waits::Waits;
use citer_core::{Finish, Sampling};
use leptos::prelude::*;
use leptos::{ev, html};

/// The exchange `id`.
#[component]
pub fn Message(id: u64) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let count = Memo::new(move |_| chat.conversation.with(|c| c.get(id).map_or(0, |e| e.tokens.len())));
    let notices = Memo::new(move |_| chat.conversation.with(|c| c.get(id).map_or(vec![], |e| e.notices.clone())));
    let state = Memo::new(move |_| {
        chat.conversation.with(|c| c.get(id).map_or(State::Failed(String::new()), |exchange| exchange.state.clone()))
    });
    let share_read = Memo::new(move |_| chat.conversation.with(|c| c.get(id).and_then(|exchange| exchange.read)));
    let blocks = Memo::new(move |_| {
        let end = chat.engine.with_untracked(|engine| engine.info().map(|info| info.end_token));
        state.track();
        count.track();
        chat.conversation.with_untracked(|conversation| {
            conversation.get(id).map_or_else(Vec::new, |exchange| match &exchange.plain {
                Some(text) => layout::blocks(&[], text, end),
                None => {
                    let tail = exchange.trace.as_ref().map_or("", |trace| trace.tail.as_str());
                    // A trace that is opened before the engine is there knows its own end.
                    let ended = exchange.state == State::Finished(Finish::End);
                    let last = exchange.tokens.last().filter(|_| ended).map(|token| token.event.id);
                    layout::blocks(&exchange.tokens, tail, end.or(last))
                }
            })
        })
    });
    let state_name = move || match state.get() {
        State::Waiting | State::Streaming => "streaming",
        State::Finished(_) => "finished",
        State::Failed(_) => "failed",
        State::Interrupted => "interrupted",
    };
    let finish = move || match state.get() {
        State::Finished(finish) => Some(strings::finish_name(finish)),
        _ => None,
    };
    view! {
        <Question id/>
        <article
            class="answer"
            aria-label=strings::ANSWER
            data-answer=id.to_string()
            data-state=state_name
            data-finish=finish
            aria-busy=move || state.with(is_streaming).to_string()
        >
            <TokenText answer=id>
                <layout::Blocks blocks/>
            </TokenText>
            {move || (state.with(is_streaming) && count.get() == 0).then(|| {
                let words = match (state.get(), share_read.get()) {
                    (State::Waiting, _) => strings::WAITING.to_owned(),
                    (_, Some(share)) if share < 1.0 => strings::reading(share),
                    _ => strings::THINKING.to_owned(),
                };
                view! { <p class="quiet pending">{words}</p> }
            })}
            <For each=move || notices.get() key=|notice| notice.clone() let:notice>
                <p class="notice" data-notice="" role="status">{notice}</p>
            </For>
            {move || end_words(chat, state.get())}
            {move || (!state.with(is_streaming)).then(|| view! { <Summary id/> })}
        </article>
    }
}

fn end_words(chat: Chat, state: State) -> Option<AnyView> {
    match state {
        State::Finished(finish) => {
            strings::finish(finish).map(|words| view! { <p class="notice">{words}</p> }.into_any())
        }
        State::Failed(error) => {
            let words = if error.is_empty() { strings::ANSWER_CUT.to_owned() } else { strings::sentence(&error) };
            let is_ready = move || chat.engine.with(|engine| engine.info().is_some());
            let failure = view! {
                <p class="failure" role="alert">
                    <strong>{strings::ANSWER_FAILED}</strong>
                    " "
                    {words}
                    " "
                    <Show when=is_ready>
                        <button type="button" class="link" on:click=move |_| chat.restart()>{strings::RESTART}</button>
                    </Show>
                </p>
            };
            Some(failure.into_any())
        }
        State::Interrupted => Some(view! { <p class="notice">{words::INTERRUPTED}</p> }.into_any()),
        State::Waiting | State::Streaming => None,
    }
}

/// The question, which can be asked in other words, and the versions of it.
#[component]
fn Question(id: u64) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let question = chat.conversation.with_untracked(|c| c.get(id).map(|e| e.question.clone()).unwrap_or_default());
    let question = StoredValue::new(question);
    let editing = RwSignal::new(false);
    let field = NodeRef::<html::Textarea>::new();
    let send = move || {
        if let Some(field) = field.get_untracked() {
            chat.ask_instead(id, &field.value());
        }
        editing.set(false);
    };
    Effect::new(move || {
        if let (true, Some(field)) = (editing.get(), field.get()) {
            // Focus fails only on elements that are not shown.
            let _ = field.focus();
        }
    });
    let on_key = move |event: ev::KeyboardEvent| match event.key().as_str() {
        "Enter" if !event.shift_key() && !event.is_composing() => {
            event.prevent_default();
            send();
        }
        "Escape" => {
            event.stop_propagation();
            editing.set(false);
        }
        _ => {}
    };
    let contents = move || match editing.get() {
        false => view! { <p dir="auto">{question.get_value()}</p> }.into_any(),
        true => view! {
            <form class="question-edit" on:submit=move |event: ev::SubmitEvent| { event.prevent_default(); send(); }>
                <textarea
                    class="field"
                    rows="3"
                    aria-label=words::EDIT
                    node_ref=field
                    prop:value=question.get_value()
                    on:keydown=on_key
                ></textarea>
                <button type="submit" class="button small primary" disabled=move || !chat.can_send()>
                    {strings::SEND}
                </button>
                <button type="button" class="button small" on:click=move |_| editing.set(false)>{words::CANCEL}</button>
            </form>
        }
        .into_any(),
    };
    view! {
        <div class="question" data-question=id.to_string()>
            <h2 class="hidden">{strings::YOU}</h2>
            {contents}
            <div class="question-actions">
                <Versions id/>
                <button
                    type="button"
                    class="link"
                    data-action="edit"
                    title=words::EDIT_HELP
                    on:click=move |_| editing.set(true)
                >
                    {words::EDIT}
                </button>
            </div>
        </div>
    }
}

/// Goes between what was asked in this place.
#[component]
fn Versions(id: u64) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let versions = Memo::new(move |_| chat.conversation.with(|conversation| conversation.versions(id)));
    let place = move || versions.with(|all| all.iter().position(|version| *version == id).unwrap_or_default());
    let go = move |to: Option<usize>| {
        if let Some(version) = to.and_then(|to| versions.with_untracked(|all| all.get(to).copied())) {
            chat.choose(version);
        }
    };
    let is_open = move || chat.conversation.with(Conversation::is_open);
    view! {
        <Show when=move || versions.with(|all| all.len() > 1)>
            <span class="versions">
                <button
                    type="button"
                    class="link"
                    data-action="version-before"
                    aria-label=words::VERSION_BEFORE
                    disabled=move || place() == 0 || is_open()
                    on:click=move |_| go(place().checked_sub(1))
                >
                    <span aria-hidden="true">"‹"</span>
                </button>
                {move || words::version(place() + 1, versions.with(Vec::len))}
                <button
                    type="button"
                    class="link"
                    data-action="version-after"
                    aria-label=words::VERSION_AFTER
                    disabled=move || place() + 1 == versions.with(Vec::len) || is_open()
                    on:click=move |_| go(Some(place() + 1))
                >
                    <span aria-hidden="true">"›"</span>
                </button>
            </span>
        </Show>
    }
}

#[component]
fn Summary(id: u64) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let exchange = chat.conversation.with_untracked(|c| c.get(id).cloned());
    let exchange = StoredValue::new(exchange);
    let read = move |find: fn(&Exchange) -> bool| exchange.with_value(|exchange| exchange.as_ref().is_some_and(find));
    let split = exchange.with_value(|exchange| exchange.as_ref().map(|e| e.split.clone()).unwrap_or_default());
    let waits: Waits = exchange.with_value(|e| e.iter().flat_map(|e| &e.tokens).map(|token| &token.event).collect());
    let what_if = RwSignal::new(false);
    let sampling =
        exchange.with_value(|e| e.as_ref().and_then(|e| e.settings.as_ref().map(|settings| settings.sampling)));
    let drawn = sampling.filter(Sampling::draws);
    let is_last = move || chat.conversation.with(|c| c.last().is_some_and(|last| last.id == id && !last.is_open()));
    let can_continue = move || is_last() && read(Exchange::can_continue);
    let has_tokens = read(|exchange| !exchange.tokens.is_empty());
    let again = move |_| {
        if let Some(question) = exchange.with_value(|exchange| exchange.as_ref().map(|e| e.question.clone())) {
            chat.ask_instead(id, &question);
        }
    };
    let save = move |_| {
        if let Some(json) = exchange.with_value(|exchange| exchange.as_ref().and_then(export::trace)) {
            files::save(&json, &format!("citer-trace-{id}.json"), "application/json");
        }
    };
    view! {
        <footer class="summary">
            {has_tokens.then(|| meter::summary(&split, &waits, &untrack(|| chat.endpoints.prices())))}
            {drawn.map(|sampling| view! {
                <span class="quiet" data-seed=sampling.seed.to_string()>{strings::settings::drawn(&sampling)}</span>
            })}
            <Show when=move || read(|exchange| !exchange.text().is_empty())>
                <copy::Copy text=Signal::derive(move || exchange.with_value(|e| e.as_ref().map(Exchange::text)).unwrap_or_default())/>
            </Show>
            <Show when=can_continue>
                <button type="button" class="link" data-action="continue" on:click=move |_| chat.continue_answer(id)>
                    {words::CONTINUE}
                </button>
            </Show>
            <button
                type="button"
                class="link"
                data-action="again"
                title=words::AGAIN_HELP
                disabled=move || !chat.can_send()
                on:click=again
            >
                {words::AGAIN}
            </button>
            <Show when=move || has_tokens>
                <button
                    type="button"
                    class="link"
                    data-action="what-if"
                    title=words::WHAT_IF_HELP
                    aria-expanded=move || what_if.get().to_string()
                    on:click=move |_| what_if.update(|open| *open = !*open)
                >
                    {words::WHAT_IF}
                </button>
                {exchange.get_value().map(|exchange| view! { <Replay exchange/> })}
            </Show>
            <Show when=move || read(|exchange| exchange.trace.is_some())>
                <button type="button" class="link" title=strings::SAVE_TRACE_HELP on:click=save>
                    {strings::SAVE_TRACE}
                </button>
            </Show>
        </footer>
        <Show when=move || what_if.get()>
            {exchange.get_value().map(|exchange| view! { <WhatIfPanel exchange/> })}
        </Show>
    }
}
