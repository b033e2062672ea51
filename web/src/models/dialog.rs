//! The dialog: all models, the form that adds one, and how much storage they take.

use super::row::{Row, Shipped};
use super::shelf::Models;
use crate::dialog::Dialog;
use crate::strings::models as words;
use citer_core::library::LibraryRequest;
use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{File, HtmlInputElement};

/// The header's button that opens the dialog.
#[component]
pub fn ModelsButton() -> impl IntoView {
    let models = expect_context::<Models>();
    view! {
        <button
            type="button"
            class="button"
            id="models-open"
            aria-haspopup="dialog"
            on:click=move |_| {
                models.open.set(true);
                models.ask(LibraryRequest::List);
            }
        >
            {words::MODELS}
        </button>
    }
}

/// The dialog.
#[component]
pub fn ModelsDialog() -> impl IntoView {
    let models = expect_context::<Models>();
    view! {
        <Dialog id="models" title=words::MODELS open=models.open>
            <Contents/>
        </Dialog>
    }
}

#[component]
fn Contents() -> impl IntoView {
    let models = expect_context::<Models>();
    let ids = Memo::new(move |_| models.models.with(|all| all.iter().map(|m| m.id.clone()).collect::<Vec<_>>()));
    let general = move || models.words.with(|w| w.as_ref().filter(|w| w.0.is_none()).map(|w| w.1.clone()));
    view! {
        <p class="quiet">{words::INTRO}</p>
        <ul class="models-list">
            <Shipped/>
            <For each=move || ids.get() key=|id| id.clone() let:id>
                <Row id/>
            </For>
        </ul>
        <Show when=move || ids.with(Vec::is_empty)>
            <p class="quiet">{words::NONE}</p>
        </Show>
        <Add/>
        <p class="models-words" id="models-words" role="status">{general}</p>
        <p class="quiet" id="models-storage" data-memory=move || models.memory.get().to_string()>
            {move || models.storage.get().map(|storage| words::storage(&storage))}
        </p>
    }
}

#[component]
fn Add() -> impl IntoView {
    let models = expect_context::<Models>();
    let source = RwSignal::new(String::new());
    let add = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let text = source.get_untracked().trim().to_owned();
        if !text.is_empty() {
            models.ask(LibraryRequest::Add { source: text });
        }
    };
    let import = move |event: ev::Event| {
        let Some(input) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) else { return };
        let files = chosen(&input);
        // The same file can be chosen again.
        input.set_value("");
        if let Some(name) = name_of(&files) {
            models.ask_with(LibraryRequest::Import { name }, files);
        }
    };
    view! {
        <form class="models-add" on:submit=add>
            <label for="models-source">{words::ADD_LABEL}</label>
            <div class="models-line">
                <input
                    type="text"
                    id="models-source"
                    autocomplete="off"
                    spellcheck="false"
                    placeholder=words::ADD_PLACEHOLDER
                    aria-describedby="models-add-help"
                    prop:value=move || source.get()
                    on:input=move |event| source.set(event_target_value(&event))
                />
                <button type="submit" class="button primary" id="models-add" disabled=move || models.looking.get()>
                    {words::ADD}
                </button>
            </div>
            <p class="quiet" id="models-add-help">
                {move || if models.looking.get() { words::LOOKING } else { words::ADD_HELP }}
            </p>
            <label class="button models-import" title=words::IMPORT_HELP>
                {words::IMPORT}
                <input type="file" class="hidden" id="models-file" multiple on:change=import/>
            </label>
            <span class="quiet">{words::IMPORT_HELP}</span>
        </form>
    }
}

fn chosen(input: &HtmlInputElement) -> Vec<File> {
    let list = input.files();
    list.map(|list| (0..list.length()).filter_map(|index| list.get(index)).collect()).unwrap_or_default()
}

/// A model of several files is called after its weights.
fn name_of(files: &[File]) -> Option<String> {
    let names: Vec<String> = files.iter().map(File::name).collect();
    let weights = names.iter().find(|name| name.ends_with(".gguf") || name.ends_with(".safetensors"));
    weights.or(names.first()).cloned()
}
