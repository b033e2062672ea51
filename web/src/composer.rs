//! The composer: where a question is typed, sent and stopped.

use crate::chat::Chat;
use crate::strings;
use citer_chat::Conversation;
use leptos::prelude::*;
use leptos::{ev, html};

/// The text field with its button.
#[component]
pub fn Composer() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let field = NodeRef::<html::Textarea>::new();
    let is_open = Memo::new(move |_| chat.conversation.with(Conversation::is_open));
    let cannot_send = move || !chat.can_send() || chat.draft.with(|draft| draft.trim().is_empty());
    let send = move || {
        chat.send();
        focus(field);
    };
    let on_key = move |event: ev::KeyboardEvent| {
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            send();
        }
    };
    Effect::new(move || focus(field));
    view! {
        <form class="composer" on:submit=move |event: ev::SubmitEvent| { event.prevent_default(); send(); }>
            <label class="hidden" for="question">{strings::QUESTION}</label>
            // The copy behind the field makes it as high as its text.
            <div class="grow" data-copy=move || chat.draft.get()>
                <textarea
                    id="question"
                    rows="1"
                    node_ref=field
                    placeholder=strings::PLACEHOLDER
                    aria-describedby="keys"
                    autocomplete="off"
                    prop:value=move || chat.draft.get()
                    on:input=move |event| chat.draft.set(event_target_value(&event))
                    on:keydown=on_key
                ></textarea>
            </div>
            <Show
                when=move || is_open.get()
                fallback=move || view! {
                    <button type="submit" class="button primary" id="send" disabled=cannot_send>{strings::SEND}</button>
                }
            >
                <button
                    type="button"
                    class="button primary"
                    id="stop"
                    disabled=move || chat.stopping.get()
                    on:click=move |_| { chat.stop(); focus(field); }
                >
                    {move || if chat.stopping.get() { strings::STOPPING } else { strings::STOP }}
                </button>
            </Show>
            <p class="hidden" id="keys">{strings::KEYS}</p>
        </form>
    }
}

fn focus(field: NodeRef<html::Textarea>) {
    if let Some(field) = field.get_untracked() {
        // Focus fails only on elements that are not shown.
        let _ = field.focus();
    }
}
