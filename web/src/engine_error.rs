//! The panel that says why the engine is not running, and what to do.

use crate::chat::Chat;
use crate::engine::EngineState;
use crate::strings;
use leptos::prelude::*;

/// Shown while the engine has failed, or runs in another tab.
#[component]
pub fn EngineError() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let error = Memo::new(move |_| {
        chat.engine.with(|engine| match engine {
            EngineState::Failed(error) => Some(error.clone()),
            _ => None,
        })
    });
    let elsewhere = Memo::new(move |_| chat.engine.with(|engine| *engine == EngineState::Elsewhere));
    let failure = move || {
        error.get().map(|error| {
            view! {
                <section class="engine-error" id="engine-error" role="alert">
                    <h2>{strings::ENGINE_ERROR_TITLE}</h2>
                    <p>{strings::sentence(&error)}</p>
                    <p class="quiet">{strings::ENGINE_ERROR_KEPT}</p>
                    <button type="button" class="button primary" id="restart" on:click=move |_| chat.restart()>
                        {strings::RESTART}
                    </button>
                    <Show when=move || chat.model.with(Option::is_some)>
                        <button type="button" class="button" id="use-shipped" on:click=move |_| chat.use_model(None)>
                            {strings::USE_SHIPPED}
                        </button>
                    </Show>
                </section>
            }
        })
    };
    view! {
        {failure}
        <Show when=move || elsewhere.get()>
            <section class="engine-elsewhere" id="engine-elsewhere" role="status">
                <h2>{strings::ELSEWHERE_TITLE}</h2>
                <p>{strings::ELSEWHERE_TEXT}</p>
                <button type="button" class="button" id="take-over" on:click=move |_| chat.take_over()>
                    {strings::TAKE_OVER}
                </button>
            </section>
        </Show>
    }
}
