//! The list of conversations: search, open, rename, delete.

use super::Chats;
use crate::chat::Chat;
use crate::files;
use crate::strings::chats as words;
use citer_chat::{Conversation, Entry, Record, export, shelf};
use leptos::prelude::*;
use leptos::{ev, html};
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;

/// The list, beside the conversation where there is room, or over it.
#[component]
pub fn ChatList(open: RwSignal<bool>) -> impl IntoView {
    let chats = expect_context::<Chats>();
    let found = Memo::new(move |_| {
        chats.entries.with(|all| chats.search.with(|s| shelf::found(all, s).into_iter().cloned().collect::<Vec<_>>()))
    });
    let none = move || {
        found.with(Vec::is_empty).then(|| {
            let is_searching = chats.search.with(|search| !search.trim().is_empty());
            view! { <p class="quiet">{if is_searching { words::NOT_FOUND } else { words::NONE }}</p> }
        })
    };
    view! {
        <nav class="chats" id="chats" aria-label=words::LIST class:open=move || open.get()>
            <label class="hidden" for="chats-search">{words::SEARCH}</label>
            <input
                type="search"
                id="chats-search"
                class="field"
                placeholder=words::SEARCH
                autocomplete="off"
                prop:value=move || chats.search.get()
                on:input=move |event| chats.search.set(event_target_value(&event))
            />
            <ul class="chats-list">
                <For each=move || found.get() key=|entry| (entry.id.clone(), entry.title.clone()) let:entry>
                    <Row entry open/>
                </For>
            </ul>
            {none}
            <Files/>
            <p class="chats-problem" role="status" id="chats-problem">{move || chats.problem.get()}</p>
        </nav>
    }
}

/// Opening and saving files.
#[component]
fn Files() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let chats = expect_context::<Chats>();
    let import = move |event: ev::Event| {
        let Some(input) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) else { return };
        let files = files::all(input.files());
        // The same file can be chosen again.
        input.set_value("");
        chats.import(chat, files);
    };
    let is_empty = move || chat.conversation.with(Conversation::is_empty);
    let save_markdown = move |_| {
        chat.conversation.with_untracked(|shown| {
            files::save(&export::markdown(shown), &export::file_name(&shown.title(), "md"), "text/markdown");
        });
    };
    let save_json = move |_| {
        chat.conversation.with_untracked(|shown| {
            if let Ok(json) = Record::from(shown).to_json() {
                files::save(&json, &export::file_name(&shown.title(), "json"), "application/json");
            }
        });
    };
    view! {
        <div class="chats-files">
            <label class="button small models-import" title=words::IMPORT_HELP>
                {words::IMPORT}
                <input type="file" class="hidden" id="chats-import" multiple accept=".json,.md" on:change=import/>
            </label>
            <details>
                <summary>{words::EXPORT}</summary>
                <button type="button" class="link" data-action="export-markdown" disabled=is_empty on:click=save_markdown>
                    {words::EXPORT_MARKDOWN}
                </button>
                <button type="button" class="link" data-action="export-json" disabled=is_empty on:click=save_json>
                    {words::EXPORT_JSON}
                </button>
                <button type="button" class="link" data-action="export-all" on:click=move |_| chats.export_all()>
                    {words::EXPORT_ALL}
                </button>
            </details>
        </div>
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Doing {
    Nothing,
    Renaming,
    Deleting,
}

#[component]
fn Row(entry: Entry, open: RwSignal<bool>) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let chats = expect_context::<Chats>();
    let doing = RwSignal::new(Doing::Nothing);
    let name = NodeRef::<html::Input>::new();
    let (id, title) = (StoredValue::new(entry.id), StoredValue::new(entry.title));
    let is_shown = move || chat.conversation.with(|shown| id.with_value(|id| shown.id == *id));
    let rename = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if let Some(field) = name.get_untracked() {
            chats.rename(chat, id.get_value(), field.value().trim().to_owned());
        }
        doing.set(Doing::Nothing);
    };
    Effect::new(move || {
        if let (Doing::Renaming, Some(field)) = (doing.get(), name.get()) {
            // Focus fails only on elements that are not shown.
            let _ = field.focus();
            field.select();
        }
    });
    let contents = move || {
        match doing.get() {
        Doing::Nothing => view! {
            <button
                type="button"
                class="chats-open"
                aria-current=move || is_shown().then_some("true")
                on:click=move |_| {
                    chats.open(chat, id.get_value());
                    open.set(false);
                }
            >
                {title.get_value()}
            </button>
            <button
                type="button"
                class="button icon small"
                data-action="rename"
                aria-label=title.with_value(|title| words::rename(title))
                title=words::RENAME
                on:click=move |_| doing.set(Doing::Renaming)
            >
                <span aria-hidden="true">"✎"</span>
            </button>
            <button
                type="button"
                class="button icon small"
                data-action="delete"
                aria-label=title.with_value(|title| words::delete(title))
                title=words::DELETE
                on:click=move |_| doing.set(Doing::Deleting)
            >
                <span aria-hidden="true">"✕"</span>
            </button>
        }
        .into_any(),
        Doing::Renaming => view! {
            <form class="chats-rename" on:submit=rename>
                <input
                    class="field"
                    aria-label=words::NAME
                    node_ref=name
                    prop:value=title.get_value()
                    on:keydown=move |event| {
                        if event.key() == "Escape" {
                            event.stop_propagation();
                            doing.set(Doing::Nothing);
                        }
                    }
                />
                <button type="submit" class="button small">{words::KEEP_NAME}</button>
            </form>
        }
        .into_any(),
        Doing::Deleting => view! {
            <p class="chats-sure">{words::SURE}</p>
            <button
                type="button"
                class="button small"
                data-action="delete-now"
                on:click=move |_| chats.delete(chat, id.get_value())
            >
                {words::DELETE}
            </button>
            <button type="button" class="button small" on:click=move |_| doing.set(Doing::Nothing)>{words::KEEP}</button>
        }
        .into_any(),
    }
    };
    view! { <li class="chats-row" data-chat=id.get_value() class:shown=is_shown>{contents}</li> }
}
