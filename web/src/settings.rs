//! A conversation's settings: the dialog for its system prompt and for how tokens are drawn, and what new conversations begin
//! with.

use crate::chat::Chat;
use crate::dialog::Dialog;
use crate::strings::{self, settings as words};
use crate::{chats, storage};
use citer_chat::settings::{Field, Form, HIGHEST_SEED, Wrong};
use citer_chat::{Conversation, ConversationSettings};
use leptos::ev;
use leptos::prelude::*;

/// A conversation that is not begun, with what the reader set for it or for all new ones.
pub fn fresh() -> Conversation {
    let saved = [storage::SETTINGS_OF_NEW, storage::SETTINGS].into_iter().find_map(storage::get);
    let settings = saved.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    Conversation::new(settings)
}

/// A seed for an answer whose conversation has none.
pub fn any_seed() -> u64 {
    (js_sys::Math::random() * HIGHEST_SEED as f64) as u64
}

fn write(key: &str, settings: &ConversationSettings) {
    storage::set(key, &serde_json::to_string(settings).unwrap_or_default());
}

impl Chat {
    /// Changes what holds for the next answers of the conversation that is shown.
    pub fn set_settings(self, settings: ConversationSettings) {
        let is_begun = self.conversation.with_untracked(|conversation| !conversation.id.is_empty());
        if !is_begun {
            write(storage::SETTINGS_OF_NEW, &settings);
        }
        self.conversation.update(|conversation| {
            conversation.settings = settings;
            conversation.updated = chats::now();
        });
        if is_begun {
            self.keep(true);
        }
    }
}

/// What opens the dialog; it says what is not as usual.
#[component]
pub fn SettingsButton(open: RwSignal<bool>) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let said = move || {
        chat.conversation.with(|conversation| {
            let ConversationSettings { system, temperature, .. } = &conversation.settings;
            words::in_force(!system.is_empty(), *temperature)
        })
    };
    view! {
        <button type="button" class="link" id="settings-open" aria-haspopup="dialog" on:click=move |_| open.set(true)>
            {said}
        </button>
    }
}

/// The dialog. What is typed stays until it is saved or reset, or another conversation is shown.
#[component]
pub fn SettingsDialog(open: RwSignal<bool>) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let form = RwSignal::new(Form::default());
    let wrong = RwSignal::new(None::<Wrong>);
    let current = Memo::new(move |_| chat.conversation.with(|c| (c.id.clone(), c.settings.clone())));
    Effect::new(move || {
        current.with(|(_, settings)| form.set(Form::from(settings)));
        wrong.set(None);
    });
    view! {
        <Dialog id="settings" title=words::TITLE open>
            <SettingsForm form wrong open/>
        </Dialog>
    }
}

#[component]
fn SettingsForm(form: RwSignal<Form>, wrong: RwSignal<Option<Wrong>>, open: RwSignal<bool>) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let for_all = RwSignal::new(false);
    let keep = move |settings: ConversationSettings| {
        wrong.set(None);
        form.set(Form::from(&settings));
        if for_all.get_untracked() {
            write(storage::SETTINGS, &settings);
        }
        chat.set_settings(settings);
    };
    let save = move |event: ev::SubmitEvent| {
        event.prevent_default();
        match form.with_untracked(Form::read) {
            Ok(settings) => {
                keep(settings);
                open.set(false);
            }
            Err(error) => wrong.set(Some(error)),
        }
    };
    let has_no_place = move || chat.engine.with(|engine| engine.info().is_some_and(|info| !info.has_system));
    let is_wrong = move |field: Field| wrong.with(|wrong| wrong.as_ref().is_some_and(|wrong| wrong.field == field));
    let problem = move || wrong.with(|wrong| wrong.as_ref().map(|wrong| strings::sentence(&wrong.words)));
    view! {
        <p class="quiet">{words::INTRO}</p>
        <form class="settings" novalidate on:submit=save>
            <label for="settings-system">{words::SYSTEM}</label>
            <textarea
                id="settings-system"
                rows="5"
                aria-describedby="settings-system-help"
                aria-invalid=move || is_wrong(Field::System).to_string()
                prop:value=move || form.with(|form| form.system.clone())
                on:input=move |event| form.update(|form| form.system = event_target_value(&event))
            ></textarea>
            <p class="quiet" id="settings-system-help">
                {words::SYSTEM_HELP}
                <Show when=has_no_place>" "<span id="settings-no-place">{words::SYSTEM_NONE}</span></Show>
            </p>
            <NumberField
                id="settings-temperature" label=words::TEMPERATURE help=words::TEMPERATURE_HELP
                is_wrong=Signal::derive(move || is_wrong(Field::Temperature))
                value=Signal::derive(move || form.with(|form| form.temperature.clone()))
                set=move |typed| form.update(|form| form.temperature = typed)
            />
            <NumberField
                id="settings-top-p" label=words::TOP_P help=words::TOP_P_HELP
                is_wrong=Signal::derive(move || is_wrong(Field::TopP))
                value=Signal::derive(move || form.with(|form| form.top_p.clone()))
                set=move |typed| form.update(|form| form.top_p = typed)
            />
            <NumberField
                id="settings-seed" label=words::SEED help=words::SEED_HELP placeholder=words::SEED_NONE
                is_wrong=Signal::derive(move || is_wrong(Field::Seed))
                value=Signal::derive(move || form.with(|form| form.seed.clone()))
                set=move |typed| form.update(|form| form.seed = typed)
            />
            <label class="settings-all">
                <input
                    type="checkbox"
                    id="settings-defaults"
                    prop:checked=move || for_all.get()
                    on:change=move |event| for_all.set(event_target_checked(&event))
                />
                {words::DEFAULTS}
            </label>
            <p class="failure" id="settings-problem" role="alert" hidden=move || problem().is_none()>{problem}</p>
            <div class="settings-buttons">
                <button
                    type="button"
                    class="button"
                    id="settings-reset"
                    title=words::RESET_HELP
                    on:click=move |_| keep(ConversationSettings::default())
                >
                    {words::RESET}
                </button>
                <button type="submit" class="button primary" id="settings-save">{words::SAVE}</button>
            </div>
        </form>
    }
}

/// A number as it is typed: anything can be typed, so that what is wrong can be said.
#[component]
fn NumberField(
    id: &'static str,
    label: &'static str,
    help: &'static str,
    #[prop(optional)] placeholder: &'static str,
    is_wrong: Signal<bool>,
    value: Signal<String>,
    set: impl Fn(String) + 'static,
) -> impl IntoView {
    let help_id = format!("{id}-help");
    view! {
        <label for=id>{label}</label>
        <input
            type="text"
            id=id
            inputmode="decimal"
            autocomplete="off"
            placeholder=placeholder
            aria-describedby=help_id.clone()
            aria-invalid=move || is_wrong.get().to_string()
            prop:value=move || value.get()
            on:input=move |event| set(event_target_value(&event))
        />
        <p class="quiet" id=help_id>{help}</p>
    }
}
