//! The header: name, engine, server, what was sent, a new conversation, and the rest, in a menu where the window is narrow.

use crate::chat::Chat;
use crate::endpoints::EndpointsButton;
use crate::engine::{EngineState, ServerState};
use crate::fold::Fold;
use crate::ledger::LedgerButton;
use crate::models::ModelsButton;
use crate::offline::AirplaneSwitch;
use crate::theme::ThemeButton;
use crate::{address, amount, strings};
use leptos::prelude::*;

/// The header.
#[component]
pub fn Header(panel_open: RwSignal<bool>, list_open: RwSignal<bool>) -> impl IntoView {
    let chat = expect_context::<Chat>();
    view! {
        <header class="header">
            <button
                type="button"
                class="button icon list-switch"
                id="chats-switch"
                aria-label=strings::chats::LIST
                title=strings::chats::LIST
                aria-controls="chats"
                aria-expanded=move || list_open.get().to_string()
                on:click=move |_| list_open.update(|open| *open = !*open)
            >
                <span aria-hidden="true">"☰"</span>
            </button>
            <h1 class="name">{strings::NAME}</h1>
            <div class="states">
                <EngineStatus/>
                <ServerStatus/>
            </div>
            <LedgerButton/>
            <button
                type="button"
                class="button new-chat"
                id="new-chat"
                aria-label=strings::NEW_CHAT
                title=strings::NEW_CHAT
                on:click=move |_| {
                    list_open.set(false);
                    panel_open.set(false);
                    chat.clear();
                }
            >
                <span class="new-sign" aria-hidden="true">"+"</span>
                <span class="new-words">{strings::NEW_CHAT}</span>
            </button>
            <Fold id="menu" name=strings::MENU sign="⋯">
                <button
                    type="button"
                    class="button icon panel-switch"
                    aria-label=strings::PANEL
                    title=strings::PANEL
                    aria-controls="panel"
                    aria-expanded=move || panel_open.get().to_string()
                    on:click=move |_| panel_open.update(|open| *open = !*open)
                >
                    <span class="panel-icon" aria-hidden="true"></span>
                    <span class="folded-words">{strings::PANEL}</span>
                </button>
                <AirplaneSwitch/>
                <EndpointsButton/>
                <ModelsButton/>
                <ThemeButton/>
            </Fold>
        </header>
    }
}

#[component]
fn EngineStatus() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let words = move || {
        chat.engine.with(|engine| match engine {
            EngineState::Loading { stage, .. } => stage.clone(),
            EngineState::Ready(info) if info.on_processor => strings::processor::READY.to_owned(),
            EngineState::Ready(_) => strings::ENGINE_READY.to_owned(),
            EngineState::Elsewhere => strings::ELSEWHERE.to_owned(),
            EngineState::Failed(_) => strings::ENGINE_FAILED.to_owned(),
        })
    };
    let details = move || {
        chat.engine.with(|engine| match engine {
            EngineState::Ready(info) => {
                let (size, load) = (amount::parameters(info.parameters), amount::time(info.load_ms));
                format!("{}: {size}, {}, {load}", info.model, info.adapter)
            }
            EngineState::Failed(error) => error.clone(),
            EngineState::Loading { .. } | EngineState::Elsewhere => String::new(),
        })
    };
    let progress = Memo::new(move |_| {
        chat.engine.with(|engine| match engine {
            EngineState::Loading { progress, .. } => Some(*progress),
            _ => None,
        })
    });
    view! {
        <div class="state" data-state=move || chat.engine.with(|engine| engine.name()) title=details role="status">
            <span class="dot" aria-hidden="true"></span>
            <span class="state-words">{words}</span>
            {move || {
                progress.get().map(|value| view! { <progress max="1" value=value.to_string() aria-label=words></progress> })
            }}
        </div>
    }
}

#[component]
fn ServerStatus() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let host = move || chat.server_address().and_then(|server| address::foreign_host(&server));
    let words = move || {
        if chat.network.airplane.get() {
            return strings::shell::AIRPLANE_STATE.to_owned();
        }
        chat.server.with(|server| match server {
            ServerState::Unknown => strings::SERVER_UNKNOWN.to_owned(),
            ServerState::Available(name) => strings::server_available(name, host().as_deref()),
            ServerState::Unavailable(_) => strings::SERVER_UNAVAILABLE.to_owned(),
        })
    };
    let details = move || {
        chat.server.with(|server| match server {
            ServerState::Available(detail) | ServerState::Unavailable(detail) => detail.clone(),
            ServerState::Unknown => String::new(),
        })
    };
    let can_probe = move || {
        let is_ready = !chat.network.airplane.get() && chat.engine.with(|engine| engine.info().is_some());
        is_ready && chat.server.with(|server| matches!(server, ServerState::Unavailable(_)))
    };
    view! {
        <div class="server">
        <div class="state" data-state=move || chat.server.with(|server| server.name()) title=details role="status">
            <span class="dot" aria-hidden="true"></span>
            <span class="state-words">{words}</span>
        </div>
        <Show when=can_probe>
            <button
                type="button"
                class="link"
                id="probe"
                aria-label=strings::PROBE
                title=strings::PROBE
                on:click=move |_| chat.probe()
            >
                <span class="probe-sign" aria-hidden="true">"↻"</span>
                <span class="probe-words">{strings::PROBE}</span>
            </button>
        </Show>
        </div>
    }
}
