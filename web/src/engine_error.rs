//! The panel that says why the engine is not running and starts it again.

use crate::chat::Chat;
use crate::engine::EngineState;
use crate::strings;
use leptos::prelude::*;

/// Shown while the engine has failed.
#[component]
pub fn EngineError() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let error = Memo::new(move |_| {
        chat.engine.with(|engine| match engine {
            EngineState::Failed(error) => Some(error.clone()),
            _ => None,
        })
    });
    move || {
        error.get().map(|error| {
            view! {
                <section class="engine-error" id="engine-error" role="alert">
                    <h2>{strings::ENGINE_ERROR_TITLE}</h2>
                    <p>{strings::sentence(&error)}</p>
                    <p class="quiet">{strings::ENGINE_ERROR_KEPT}</p>
                    <button type="button" class="button primary" id="restart" on:click=move |_| chat.restart()>
                        {strings::RESTART}
                    </button>
                </section>
            }
        })
    }
}
