//! One model in the dialog: what it is, how far it is, whether it runs here, and what can be done with it.

use super::cards::Cards;
use super::shelf::{Models, is_busy};
use crate::chat::Chat;
use crate::judge::Judge;
use crate::strings::models as words;
use citer_core::library::{LibraryRequest, ModelState, StoredModel};
use leptos::prelude::*;

/// The model that comes with the page.
#[component]
pub fn Shipped() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let in_use = Memo::new(move |_| chat.model.with(Option::is_none));
    view! {
        <li class="model" data-model="">
            <div class="model-name">
                <strong>{words::SHIPPED}</strong>
                <span class="quiet">{words::SHIPPED_ORIGIN}</span>
            </div>
            <div class="model-buttons">
                {move || match in_use.get() {
                    true => view! { <span class="quiet">{words::IN_USE}</span> }.into_any(),
                    false => button(words::USE, "use", move || chat.use_model(None)).into_any(),
                }}
            </div>
            <Cards/>
        </li>
    }
}

/// The stored model `id`.
#[component]
pub fn Row(id: String) -> impl IntoView {
    let (models, chat) = (expect_context::<Models>(), expect_context::<Chat>());
    let id = StoredValue::new(id);
    let model = Memo::new(move |_| {
        models.models.with(|all| id.with_value(|id| all.iter().find(|model| model.id == *id).cloned()))
    });
    let state = Memo::new(move |_| model.with(|model| model.as_ref().map(|model| model.state)));
    let said = move || {
        let own = |said: &(Option<String>, String)| id.with_value(|id| said.0.as_deref() == Some(id.as_str()));
        models.words.with(|said| said.clone().filter(own).map(|said| said.1))
    };
    let read = move |look: fn(&StoredModel) -> String| model.with(|model| model.as_ref().map(look));
    let verdict = move || model.with(|model| model.as_ref().and_then(|model| model.verdict.clone()));
    let progress = move || {
        let busy = state.get().is_some_and(is_busy);
        model.get().filter(|_| busy).map(|model| {
            let share = model.stored as f64 / model.bytes.max(1) as f64;
            let label = words::progress(&model.name);
            view! { <progress max="1" value=share.to_string() aria-label=label></progress> }
        })
    };
    let judge = Memo::new(move |_| {
        let in_use = chat.model.with(|used| id.with_value(|id| used.as_ref() == Some(id)));
        chat.engine.with(|engine| engine.info().filter(|_| in_use).map(Judge::of))
    });
    let router =
        move || judge.get().and_then(words::judge).map(|words| view! { <p class="quiet model-judge">{words}</p> });
    view! {
        <li
            class="model"
            data-model=id.get_value()
            data-model-state=move || state.get().map(words::state_name)
            data-stored=move || read(|model| model.stored.to_string())
            data-bytes=move || read(|model| model.bytes.to_string())
        >
            <div class="model-name">
                <strong>{move || read(|model| model.name.clone())}</strong>
                <span class="quiet">{move || read(|model| model.origin.clone())}</span>
            </div>
            <div class="model-buttons">{move || state.get().map(|state| buttons(id.get_value(), state))}</div>
            <p class="quiet model-state">
                {move || read(|model| words::state(model.state, model.stored, model.bytes))}
            </p>
            {progress}
            {router}
            <p
                class="model-verdict"
                data-verdict=move || verdict().map(|verdict| words::verdict_name(&verdict))
                data-speed=move || verdict().as_ref().and_then(words::speed).map(|speed| speed.to_string())
            >
                {move || verdict().map_or_else(|| words::UNKNOWN_FIT.to_owned(), |verdict| words::verdict(&verdict))}
            </p>
            <p class="model-words" role="status">{said}</p>
        </li>
    }
}

fn buttons(id: String, state: ModelState) -> impl IntoView {
    let (chat, models) = (expect_context::<Chat>(), expect_context::<Models>());
    let ask = move |make: fn(String) -> LibraryRequest, id: &str| models.ask(make(id.to_owned()));
    let asks = |make: fn(String) -> LibraryRequest| {
        let id = id.clone();
        move || ask(make, &id)
    };
    let sure = RwSignal::new(false);
    let in_use = chat.model.with(|model| model.as_deref() == Some(id.as_str()));
    let first = match state {
        ModelState::Complete if in_use => Some(view! { <span class="quiet">{words::IN_USE}</span> }.into_any()),
        ModelState::Complete => {
            let id = id.clone();
            Some(button(words::USE, "use", move || chat.use_model(Some(id.clone()))).into_any())
        }
        ModelState::Partial => {
            Some(button(words::RESUME, "resume", asks(|model| LibraryRequest::Resume { model })).into_any())
        }
        ModelState::Downloading | ModelState::Checking => {
            Some(button(words::PAUSE, "pause", asks(|model| LibraryRequest::Pause { model })).into_any())
        }
        ModelState::Damaged => None,
    };
    let check = matches!(state, ModelState::Complete | ModelState::Partial).then(|| {
        view! { <span title=words::CHECK_HELP>{button(words::CHECK, "check", asks(|model| LibraryRequest::Check { model }))}</span> }
    });
    // Removing takes two presses.
    let remove = asks(|model| LibraryRequest::Remove { model });
    let press = move |_| if sure.get_untracked() { remove() } else { sure.set(true) };
    let label = move || if sure.get() { words::REALLY_REMOVE } else { words::REMOVE };
    let remove = (!in_use).then(|| {
        view! {
            <button type="button" class="button" data-action="remove" on:click=press on:blur=move |_| sure.set(false)>
                {label}
            </button>
        }
    });
    view! { {first} {check} {remove} }
}

fn button(label: &'static str, action: &'static str, press: impl Fn() + 'static) -> impl IntoView {
    view! {
        <button type="button" class="button" data-action=action on:click=move |_| press()>
            {label}
        </button>
    }
}
