//! One exchange: the question, and the answer as it streams, with its notices and its summary.

use crate::chat::{Chat, is_streaming};
use crate::conversation::{Exchange, State};
use crate::token::{TokenText, TokenView};
use crate::{meter, strings};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

/// The exchange `id`.
#[component]
pub fn Message(id: u64) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let read = move |exchange: &dyn Fn(&Exchange) -> Option<String>| {
        chat.conversation.with(|conversation| conversation.get(id).and_then(exchange))
    };
    let question = untrack(|| read(&|exchange| Some(exchange.question.clone())));
    let count = Memo::new(move |_| chat.conversation.with(|c| c.get(id).map_or(0, |e| e.tokens.len())));
    let notices = Memo::new(move |_| chat.conversation.with(|c| c.get(id).map_or(vec![], |e| e.notices.clone())));
    let state = Memo::new(move |_| {
        chat.conversation.with(|c| c.get(id).map_or(State::Failed(String::new()), |exchange| exchange.state.clone()))
    });
    let share_read = Memo::new(move |_| chat.conversation.with(|c| c.get(id).and_then(|exchange| exchange.read)));
    let tail = move || state.with(|_| untrack(|| read(&|e| e.trace.as_ref().map(|trace| trace.tail.clone()))));
    let state_name = move || match state.get() {
        State::Waiting | State::Streaming => "streaming",
        State::Finished(_) => "finished",
        State::Failed(_) => "failed",
    };
    let finish = move || match state.get() {
        State::Finished(finish) => Some(strings::finish_name(finish)),
        _ => None,
    };
    view! {
        <div class="question"><h3 class="hidden">{strings::YOU}</h3><p>{question}</p></div>
        <article
            class="answer"
            aria-label=strings::ANSWER
            data-answer=id.to_string()
            data-state=state_name
            data-finish=finish
            aria-busy=move || state.with(is_streaming).to_string()
        >
            <TokenText answer=id>
                <For each=move || 0..count.get() key=|index| *index let:index>
                    <TokenView answer=id index/>
                </For>
                {tail}
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
            {move || (!state.with(is_streaming) && count.get() > 0).then(|| view! { <Summary id/> })}
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
        State::Waiting | State::Streaming => None,
    }
}

#[component]
fn Summary(id: u64) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let split = chat.conversation.with_untracked(|c| c.get(id).map(|e| e.split.clone()).unwrap_or_default());
    let has_trace = chat.conversation.with_untracked(|c| c.get(id).is_some_and(|e| e.trace.is_some()));
    let save = move |_| {
        let trace = chat.conversation.with_untracked(|c| c.get(id).and_then(|e| e.trace.as_ref()?.to_json().ok()));
        if let Some(json) = trace {
            // A browser that refuses downloads says so itself.
            let _ = download(&json, &format!("citer-trace-{id}.json"));
        }
    };
    view! {
        <footer class="summary">
            {meter::summary(&split)}
            <Show when=move || has_trace>
                <button type="button" class="link" title=strings::SAVE_TRACE_HELP on:click=save>
                    {strings::SAVE_TRACE}
                </button>
            </Show>
        </footer>
    }
}

fn download(json: &str, name: &str) -> Result<(), JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type("application/json");
    let blob = Blob::new_with_str_sequence_and_options(&js_sys::Array::of1(&json.into()), &options)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    Url::revoke_object_url(&url)
}
