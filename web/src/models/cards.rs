//! The cards of the shipped pair and its router, as they come with the files: what each is, its licence, how it was trained,
//! its threshold and its accuracy.

use crate::strings::models as words;
use crate::{address, js, layout};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Response;

/// The parts of the pair, each a folder with a card.
const PARTS: [(&str, &str); 3] = [("slm", words::CARD_SLM), ("llm", words::CARD_LLM), ("router", words::CARD_ROUTER)];

/// All cards, each read when it is opened.
#[component]
pub fn Cards() -> impl IntoView {
    let card = |(folder, name): (&'static str, &'static str)| view! { <Card folder name/> };
    view! {
        <div class="model-cards">
            {PARTS.map(card).collect_view()}
            <p class="quiet">{words::CARDS_LICENCE}</p>
        </div>
    }
}

#[component]
fn Card(folder: &'static str, name: &'static str) -> impl IntoView {
    let text = RwSignal::new(None::<Result<String, String>>);
    let asked = StoredValue::new(false);
    let open = move |_| {
        if !asked.get_value() {
            asked.set_value(true);
            spawn_local(async move {
                let read = read(&format!("{}{folder}/README.md", address::models())).await;
                asked.set_value(read.is_ok());
                text.set(Some(read));
            });
        }
    };
    let contents = move || match text.get() {
        None => view! { <p class="quiet">{words::CARD_READING}</p> }.into_any(),
        Some(Ok(text)) => {
            let blocks = Memo::new(move |_| layout::blocks(&[], &text, None));
            view! { <div class="text" tabindex="0"><layout::Blocks blocks/></div> }.into_any()
        }
        Some(Err(error)) => view! { <p class="failure" role="alert">{words::no_card(&error)}</p> }.into_any(),
    };
    view! {
        <details class="model-card" data-card=folder on:toggle=open>
            <summary>{name}</summary>
            {contents}
        </details>
    }
}

async fn read(url: &str) -> Result<String, String> {
    let words = |error| js::message(&error).unwrap_or_else(|| format!("{error:?}"));
    let response = JsFuture::from(window().fetch_with_str(url)).await.map_err(words)?;
    let response: Response = response.unchecked_into();
    if !response.ok() {
        return Err(format!("status {}", response.status()));
    }
    let text = JsFuture::from(response.text().map_err(words)?).await.map_err(words)?;
    text.as_string().ok_or_else(String::new)
}
