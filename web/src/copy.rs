//! A button that copies a text and says so.

use crate::strings::answer as words;
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// How long it says what came of it.
const SHOWN: Duration = Duration::from_secs(2);

/// The button.
#[component]
pub fn Copy(text: Signal<String>) -> impl IntoView {
    let said = RwSignal::new(words::COPY);
    let copy = move |_| {
        spawn_local(async move {
            let clipboard = window().navigator().clipboard();
            let copied = JsFuture::from(clipboard.write_text(&text.get_untracked())).await;
            said.set(if copied.is_ok() { words::COPIED } else { words::NOT_COPIED });
            set_timeout(move || said.set(words::COPY), SHOWN);
        });
    };
    view! { <button type="button" class="link" data-action="copy" on:click=copy>{move || said.get()}</button> }
}
