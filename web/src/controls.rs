//! The controls: who may make tokens, and the rest: the router's threshold, how full the context is, what stays here.

use crate::chat::{Chat, mode_name};
use crate::engine::ServerState;
use crate::fold::Fold;
use crate::judge::Judge;
use crate::privacy::LockSwitch;
use crate::settings::{SettingsButton, SettingsDialog};
use crate::strings;
use citer_chat::context::Context;
use citer_core::Mode;
use leptos::prelude::*;

/// Mode and threshold.
#[component]
pub fn Controls() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let help = move || {
        let has_server = !chat.server.with(|server| matches!(server, ServerState::Unavailable(_)));
        let judge = chat.engine.with(|engine| engine.info().map(Judge::of).unwrap_or_default());
        strings::mode_help(chat.mode.get(), has_server, judge)
    };
    let settings_open = RwSignal::new(false);
    let more = Signal::derive(move || match chat.privacy.locked.get() {
        false => strings::MORE.to_owned(),
        true => strings::MORE_LOCKED.to_owned(),
    });
    view! {
        <div class="controls" data-locked=move || chat.privacy.locked.get().to_string()>
            <fieldset class="modes">
                <legend class="hidden">{strings::MODE}</legend>
                {[Mode::LocalOnly, Mode::Router, Mode::RemoteOnly].map(mode_choice).into_iter().collect_view()}
            </fieldset>
            <Fold id="more" name=more sign="⚙">
                <Threshold/>
                <p class="quiet mode-help" aria-live="polite">{help}</p>
                <SettingsButton open=settings_open/>
                <LockSwitch/>
            </Fold>
            <ContextMeter/>
        </div>
        <SettingsDialog open=settings_open/>
    }
}

fn mode_choice(mode: Mode) -> impl IntoView {
    let chat = expect_context::<Chat>();
    view! {
        <label class="mode">
            <input
                type="radio"
                name="mode"
                value=mode_name(mode)
                prop:checked=move || chat.mode.get() == mode
                on:change=move |_| chat.mode.set(mode)
            />
            <span>{strings::mode(mode)}</span>
        </label>
    }
}

#[component]
fn Threshold() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let aim = move || chat.spending.limits.with(|limits| limits.target_share);
    let words = move || match aim() {
        Some(share) => strings::limits::aims(share),
        None => strings::threshold(chat.threshold()),
    };
    let on_input = move |event| {
        if let Ok(threshold) = event_target_value(&event).parse() {
            chat.set_threshold(threshold);
        }
    };
    view! {
        <div class="threshold" title=strings::THRESHOLD_HELP>
            <label for="threshold">{strings::THRESHOLD}</label>
            <input
                type="range"
                id="threshold"
                min="0"
                max="1"
                step="any"
                aria-describedby="threshold-help"
                disabled=move || chat.mode.get() != Mode::Router || aim().is_some()
                prop:value=move || chat.threshold().to_string()
                on:input=on_input
            />
            <output for="threshold">{words}</output>
            <span class="quiet threshold-help" id="threshold-help">{strings::THRESHOLD_HELP}</span>
        </div>
    }
}

/// How full the model's memory is, and what happens at the limit.
#[component]
fn ContextMeter() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let context = Memo::new(move |before: Option<&Option<Context>>| {
        let capacity = chat.engine.with(|engine| engine.info().map(|info| info.context))?;
        let history = chat.model.with(Option::is_some);
        chat.conversation.with(|shown| match before {
            // Tokens that stream in change little, and the record of the answer says it exactly.
            Some(Some(before)) if shown.is_open() => Some(*before),
            _ => Some(chat.draft.with(|draft| Context::new(shown, draft, capacity, history))),
        })
    });
    let room = move || context.get().map(|context| strings::answer::room_name(context.room()));
    view! {
        <Show when=move || context.get().is_some()>
            <p class="quiet context" id="context" data-room=room title=strings::answer::CONTEXT_HELP>
                {move || context.get().map(strings::answer::context)}
            </p>
        </Show>
    }
}
