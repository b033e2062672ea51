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
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

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
            Err(error) => {
                let field = document().get_element_by_id(field_id(error.field));
                wrong.set(Some(error));
                if let Some(field) = field.and_then(|field| field.dyn_into::<HtmlElement>().ok()) {
                    // Focus fails only on elements that are not shown.
                    let _ = field.focus();
                }
            }
        }
    };
    let has_no_place = move || chat.engine.with(|engine| engine.info().is_some_and(|info| !info.has_system));
    let problem = move |field: Field| {
        Signal::derive(move || {
            let found = wrong.get().filter(|wrong| wrong.field == field);
            found.map(|wrong| strings::sentence(&wrong.words))
        })
    };
    let no_system = problem(Field::System);
    view! {
        <p class="quiet">{words::INTRO}</p>
        <form class="settings" novalidate on:submit=save>
            <label for="settings-system">{words::SYSTEM}</label>
            <textarea
                id="settings-system"
                rows="5"
                aria-describedby=move || described("settings-system-help", no_system.with(Option::is_some))
                aria-invalid=move || no_system.with(Option::is_some).to_string()
                prop:value=move || form.with(|form| form.system.clone())
                on:input=move |event| form.update(|form| form.system = event_target_value(&event))
            ></textarea>
            <Problem words=no_system/>
            <p class="quiet" id="settings-system-help">
                {words::SYSTEM_HELP}
                <Show when=has_no_place>" "<span id="settings-no-place">{words::SYSTEM_NONE}</span></Show>
            </p>
            <NumberField
                id="settings-temperature" label=words::TEMPERATURE help=words::TEMPERATURE_HELP
                problem=problem(Field::Temperature)
                value=Signal::derive(move || form.with(|form| form.temperature.clone()))
                set=move |typed| form.update(|form| form.temperature = typed)
            />
            <NumberField
                id="settings-top-p" label=words::TOP_P help=words::TOP_P_HELP
                problem=problem(Field::TopP)
                value=Signal::derive(move || form.with(|form| form.top_p.clone()))
                set=move |typed| form.update(|form| form.top_p = typed)
            />
            <NumberField
                id="settings-seed" label=words::SEED help=words::SEED_HELP placeholder=words::SEED_NONE
                problem=problem(Field::Seed)
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

/// What is wrong with the field above, if anything.
#[component]
fn Problem(words: Signal<Option<String>>) -> impl IntoView {
    let said =
        move || words.get().map(|words| view! { <p class="failure" id="settings-problem" role="alert">{words}</p> });
    view! { {said} }
}

/// What a field is described by: its help, and what is wrong with it.
fn described(help: &str, is_wrong: bool) -> String {
    if is_wrong { format!("settings-problem {help}") } else { help.to_owned() }
}

fn field_id(field: Field) -> &'static str {
    match field {
        Field::System => "settings-system",
        Field::Temperature => "settings-temperature",
        Field::TopP => "settings-top-p",
        Field::Seed => "settings-seed",
    }
}

/// A number as it is typed: anything can be typed, so that what is wrong can be said.
#[component]
fn NumberField(
    id: &'static str,
    label: &'static str,
    help: &'static str,
    #[prop(optional)] placeholder: &'static str,
    problem: Signal<Option<String>>,
    value: Signal<String>,
    set: impl Fn(String) + 'static,
) -> impl IntoView {
    let help_id = format!("{id}-help");
    let help = (help_id.clone(), help);
    let described_by = move || described(&help_id, problem.with(Option::is_some));
    view! {
        <label for=id>{label}</label>
        <input
            type="text"
            id=id
            inputmode="decimal"
            autocomplete="off"
            placeholder=placeholder
            aria-describedby=described_by
            aria-invalid=move || problem.with(Option::is_some).to_string()
            prop:value=move || value.get()
            on:input=move |event| set(event_target_value(&event))
        />
        <Problem words=problem/>
        <p class="quiet" id=help.0>{help.1}</p>
    }
}
