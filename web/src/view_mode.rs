//! How answers are shown: plain, by who made each token, or by the router's scores.

use crate::storage;
use crate::strings::answer as words;
use leptos::prelude::*;

/// What is shown of the tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewMode {
    /// The text alone.
    Plain,
    /// Who made each token.
    #[default]
    Source,
    /// The router's scores.
    Heat,
}

impl ViewMode {
    const ALL: [Self; 3] = [Self::Plain, Self::Source, Self::Heat];

    /// The word for the page and for storage.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Source => "source",
            Self::Heat => "heat",
        }
    }

    /// The one chosen earlier.
    pub fn saved() -> Self {
        let name = storage::get(storage::VIEW).unwrap_or_default();
        Self::ALL.into_iter().find(|mode| mode.name() == name).unwrap_or_default()
    }
}

/// The choice.
#[component]
pub fn ViewChoice(mode: RwSignal<ViewMode>) -> impl IntoView {
    Effect::new(move || storage::set(storage::VIEW, mode.get().name()));
    let choice = move |one: ViewMode| {
        view! {
            <label class="mode">
                <input
                    type="radio"
                    name="view"
                    value=one.name()
                    prop:checked=move || mode.get() == one
                    on:change=move |_| mode.set(one)
                />
                <span>{words::view(one)}</span>
            </label>
        }
    };
    view! {
        <section>
            <h2 id="view-title">{words::VIEW}</h2>
            <fieldset class="modes" aria-labelledby="view-title">{ViewMode::ALL.map(choice).into_iter().collect_view()}</fieldset>
            <p class="quiet" class:hidden=move || mode.get() != ViewMode::Heat>
                <span class="heat-scale" aria-hidden="true"></span>
                {words::HEAT_HELP}
            </p>
        </section>
    }
}
