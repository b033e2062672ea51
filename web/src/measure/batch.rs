//! A batch in the page: a file of questions is answered at several thresholds, with progress, and summed up.

use super::charts::Curve;
use crate::chat::Chat;
use crate::files;
use crate::strings::measure as words;
use citer_chat::batch::{self, Batch, Setting};
use citer_chat::export::file_name;
use citer_core::Mode;
use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{File, HtmlInputElement};

/// The panel.
#[component]
pub fn BatchPanel() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let thresholds = RwSignal::new(String::new());
    let slm = RwSignal::new(true);
    let llm = RwSignal::new(true);
    let over = RwSignal::new(false);
    let open = move |file: File| {
        spawn_local(async move {
            chat.stop_batch();
            chat.kept_batch.words.set(None);
            match files::text(&file).await.and_then(|text| read(&file.name(), &text)) {
                Ok((batch, skipped)) => {
                    chat.batch_words.set(skipped);
                    // The one that is kept stays so until another one begins.
                    chat.kept_batch.waits.set(false);
                    chat.batch.set(Some(batch));
                }
                Err(error) => chat.batch_words.set(Some(error)),
            }
        });
    };
    let on_choose = move |event: ev::Event| {
        let Some(input) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) else { return };
        let chosen = files::all(input.files());
        input.set_value("");
        chosen.into_iter().take(1).for_each(open);
    };
    let on_drop = move |event: ev::DragEvent| {
        event.prevent_default();
        over.set(false);
        let dropped = files::all(event.data_transfer().and_then(|data| data.files()));
        dropped.into_iter().take(1).for_each(open);
    };
    let run = move |_| {
        let settings = settings(
            slm.get_untracked(),
            llm.get_untracked(),
            &thresholds.get_untracked(),
            untrack(|| chat.threshold()),
        );
        match settings {
            Ok(settings) => chat.run_batch(settings),
            Err(error) => chat.batch_words.set(Some(error)),
        }
    };
    let points = Signal::derive(move || chat.batch.with(|batch| batch.as_ref().map(Batch::points).unwrap_or_default()));
    let progress = move || chat.batch.with(|batch| batch.as_ref().map(Batch::progress).unwrap_or_default());
    let loaded =
        move || chat.batch.with(|batch| batch.as_ref().map(|batch| words::loaded(&batch.name, batch.questions.len())));
    let has_begun = move || progress().0 > 0;
    let save = move |_| {
        let saved = chat.batch.with_untracked(|batch| {
            let batch = batch.as_ref()?;
            Some((serde_json::to_string(batch).ok()?, file_name(&batch.name, "batch.json")))
        });
        if let Some((json, name)) = saved {
            files::save(&json, &name, "application/json");
        }
    };
    let table = move || {
        points
            .get()
            .into_iter()
            .map(|point| {
                view! {
                    <tr data-mode=crate::chat::mode_name(point.setting.mode)>
                        <th scope="row">{words::setting(&point.setting)}</th>
                        <td data-accuracy=point.accuracy.value.to_string()>{point.accuracy.to_string()}</td>
                        <td data-share=point.remote.value.to_string()>{point.remote.to_string()}</td>
                        <td>{crate::amount::bytes(point.bytes_sent)}</td>
                    </tr>
                }
            })
            .collect_view()
    };
    view! {
        <section
            class="batch"
            class:over=move || over.get()
            on:dragover=move |event: ev::DragEvent| { event.prevent_default(); over.set(true); }
            on:dragleave=move |_| over.set(false)
            on:drop=on_drop
        >
            <p class="quiet">{words::BATCH_HELP}</p>
            <label class="button models-import">
                {words::CHOOSE}
                <input type="file" class="hidden" id="batch-file" accept=".jsonl,.json,.csv,.tsv" on:change=on_choose/>
            </label>
            <p id="batch-loaded">{loaded}</p>
            <div class="batch-settings">
                <label><input type="checkbox" prop:checked=move || slm.get() on:change=move |event| slm.set(event_target_checked(&event))/>{words::SLM}</label>
                <label><input type="checkbox" prop:checked=move || llm.get() on:change=move |event| llm.set(event_target_checked(&event))/>{words::LLM}</label>
                <label>
                    {words::THRESHOLDS}
                    <input
                        class="field"
                        id="batch-thresholds"
                        placeholder=move || crate::strings::threshold(chat.threshold())
                        prop:value=move || thresholds.get()
                        on:input=move |event| thresholds.set(event_target_value(&event))
                    />
                </label>
            </div>
            <Show when=move || chat.kept_batch.waits.get()>
                <p id="batch-kept">{words::KEPT}</p>
                <div class="buttons">
                    <button
                        type="button"
                        class="button primary"
                        id="batch-resume"
                        disabled=move || !chat.is_ready()
                        on:click=move |_| chat.resume_batch()
                    >
                        {words::GO_ON}
                    </button>
                    <button type="button" class="button" id="batch-discard" on:click=move |_| chat.discard_batch()>
                        {words::DISCARD}
                    </button>
                </div>
            </Show>
            <Show
                when=move || chat.batch_runs.get()
                fallback=move || view! {
                    <button
                        type="button"
                        class="button primary"
                        id="batch-run"
                        class:hidden=move || chat.kept_batch.waits.get()
                        disabled=move || loaded().is_none() || !chat.is_ready()
                        on:click=run
                    >
                        {move || { let (done, all) = progress(); if done > 0 && done < all { words::GO_ON } else { words::RUN } }}
                    </button>
                }
            >
                <button type="button" class="button primary" id="batch-stop" on:click=move |_| chat.stop_batch()>
                    {crate::strings::STOP}
                </button>
            </Show>
            <progress
                class:hidden=move || !has_begun()
                aria-label=words::PROGRESS
                max=move || progress().1.max(1).to_string()
                value=move || progress().0.to_string()
            ></progress>
            <p role="status" id="batch-words" data-done=move || { let (done, all) = progress(); (all > 0 && done == all).to_string() }>
                {move || chat.batch_words.get()}
            </p>
            <p role="status" class="failure" id="batch-kept-words" hidden=move || chat.kept_batch.words.with(Option::is_none)>
                {move || chat.kept_batch.words.get()}
            </p>
            <Show when=has_begun>
                <table class="figures" id="batch-table">
                    <thead>
                        <tr>{words::COLUMNS.map(|name| view! { <th scope="col">{name}</th> }).collect_view()}</tr>
                    </thead>
                    <tbody>{table}</tbody>
                </table>
                <Curve points/>
                <button type="button" class="button small" id="batch-save" on:click=save>{words::SAVE}</button>
            </Show>
        </section>
    }
}

/// A saved batch goes on; other files are questions.
fn read(name: &str, text: &str) -> Result<(Batch, Option<String>), String> {
    if let Ok(batch) = serde_json::from_str::<Batch>(text) {
        return Ok((batch, None));
    }
    let (questions, skipped) = batch::questions(name, text)?;
    Ok((Batch::new(name.to_owned(), questions, Vec::new()), skipped))
}

fn settings(slm: bool, llm: bool, thresholds: &str, own: f32) -> Result<Vec<Setting>, String> {
    let mut settings = Vec::new();
    let router = |threshold| Setting { mode: Mode::Router, threshold };
    if slm {
        settings.push(Setting { mode: Mode::LocalOnly, threshold: own });
    }
    for part in thresholds.split([',', ' ', ';']).filter(|part| !part.is_empty()) {
        let threshold: f32 = part.parse().map_err(|_| words::no_threshold(part))?;
        if !(0.0..=1.0).contains(&threshold) {
            return Err(words::no_threshold(part));
        }
        settings.push(router(threshold));
    }
    if thresholds.trim().is_empty() {
        settings.push(router(own));
    }
    if llm {
        settings.push(Setting { mode: Mode::RemoteOnly, threshold: own });
    }
    Ok(settings)
}
