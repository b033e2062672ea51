//! The dialog of limits: how often the large model is asked, and budgets for an answer, a conversation and a day.

use super::Spending;
use crate::chat::Chat;
use crate::dialog::Dialog;
use crate::strings::limits as words;
use crate::{amount, strings};
use citer_core::{Budget, Limits, Mode, Preset, Spent};
use leptos::{ev, prelude::*};

/// Whose budget.
#[derive(Clone, Copy)]
enum Span {
    Answer,
    Conversation,
    Day,
}

impl Span {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Answer, words::ANSWER), (Self::Conversation, words::CONVERSATION), (Self::Day, words::DAY)];

    fn of(self, limits: &mut Limits) -> &mut Budget {
        match self {
            Self::Answer => &mut limits.answer,
            Self::Conversation => &mut limits.conversation,
            Self::Day => &mut limits.day,
        }
    }
}

/// What is limited: its name, its words, and how it is read and written.
type Kind = (&'static str, &'static str, fn(&Budget) -> Option<f64>, fn(&mut Budget, Option<f64>));

const KINDS: [Kind; 5] = [
    ("share", words::SHARE, |b| b.share.map(percent), |b, v| b.share = v.map(share)),
    ("calls", words::CALLS, |b| b.calls.map(|n| n as f64), |b, v| b.calls = v.map(|n| n as u64)),
    ("tokens", words::TOKENS, |b| b.tokens.map(|n| n as f64), |b, v| b.tokens = v.map(|n| n as u64)),
    ("kilobytes", words::KILOBYTES, |b| b.bytes.map(|n| n as f64 / 1e3), |b, v| b.bytes = v.map(|n| (n * 1e3) as u64)),
    ("usd", words::USD, |b| b.usd, |b, v| b.usd = v),
];

fn percent(share: f32) -> f64 {
    (f64::from(share) * 1e6).round() / 1e4
}

fn share(percent: f64) -> f32 {
    (percent / 100.0).min(1.0) as f32
}

/// A limit as it was typed; nothing means none.
fn read(text: &str) -> Result<Option<f64>, ()> {
    let text = text.trim().replace(',', ".");
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0).map(Some).ok_or(())
}

/// The panel's button, with what is in force.
#[component]
pub fn LimitsButton() -> impl IntoView {
    let spending = expect_context::<Spending>();
    let state = move || spending.limits.with(words::in_force);
    view! {
        <p>
            <button
                type="button"
                class="button"
                id="limits-open"
                aria-haspopup="dialog"
                on:click=move |_| spending.open.set(true)
            >
                {words::LIMITS}
            </button>
            " "
            <span class="quiet" id="limits-state">{state}</span>
        </p>
    }
}

/// The dialog.
#[component]
pub fn LimitsDialog() -> impl IntoView {
    let spending = expect_context::<Spending>();
    view! {
        <Dialog id="limits" title=words::TITLE open=spending.open>
            <Contents/>
        </Dialog>
    }
}

#[component]
fn Contents() -> impl IntoView {
    let (chat, spending) = (expect_context::<Chat>(), expect_context::<Spending>());
    // A reset makes all fields anew.
    let made = RwSignal::new(0_u32);
    let reset = move |_| {
        spending.change(|limits| *limits = Limits::default());
        made.update(|made| *made += 1);
    };
    let cell = move |(name, word, get, set): Kind, (span, whose): (Span, &'static str)| {
        let value = move || spending.limits.with_untracked(|limits| get(span.of(&mut limits.clone())));
        let change = move |value| spending.change(|limits| set(span.of(limits), value));
        view! {
            <td>
                <Field
                    id=format!("limit-{name}-{}", whose.to_lowercase())
                    label=words::of(word, whose)
                    value=value()
                    on_value=Callback::new(change)
                />
            </td>
        }
    };
    let row = move |kind: Kind| {
        let cells = Span::ALL.map(|span| cell(kind, span));
        view! { <tr><th scope="row">{kind.1}</th>{cells.into_iter().collect_view()}</tr> }
    };
    let table = move || {
        made.track();
        let heads = Span::ALL.map(|(_, whose)| view! { <th scope="col">{whose}</th> });
        view! {
            <table class="limits-table">
                <thead><tr><td></td>{heads.into_iter().collect_view()}</tr></thead>
                <tbody>{KINDS.map(row).into_iter().collect_view()}</tbody>
            </table>
        }
    };
    let target = move || {
        made.track();
        let value = spending.limits.with_untracked(|limits| limits.target_share.map(percent));
        let change = move |value: Option<f64>| spending.change(|limits| limits.target_share = value.map(share));
        view! { <Field id="limit-target".into() label=words::TARGET.into() value on_value=Callback::new(change)/> }
    };
    let spent = move |whose: &'static str, spent: Spent| {
        let usd = chat.endpoints.prices().usd(&spent);
        let bytes = amount::bytes(spent.bytes());
        view! { <dt>{whose}</dt><dd>{words::spent(&spent, &bytes, (usd > 0.0).then(|| strings::measure::money(usd)))}</dd> }
    };
    view! {
        <section class="limits">
            <label for="limits-preset">{words::PRESET}</label>
            <PresetChoice/>
            <p class="limits-target"><label for="limit-target">{words::TARGET}</label>{target}</p>
            <p class="quiet">{words::TARGET_HELP}</p>
        </section>
        <section class="limits">
            <h3>{words::BUDGETS}</h3>
            <p class="quiet">{words::BUDGETS_HELP}</p>
            {table}
            <button type="button" class="button" id="limits-reset" on:click=reset>{words::RESET}</button>
        </section>
        <section class="limits">
            <h3>{words::SPENT}</h3>
            <dl class="limits-spent" id="limits-spent">
                {move || spent(words::CONVERSATION, chat.conversation.with(|conversation| conversation.spent()))}
                {move || spent(words::DAY, spending.today())}
            </dl>
        </section>
    }
}

/// Who is preferred, as one choice; a threshold of the reader's own is none of them.
#[component]
fn PresetChoice() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let recommended = move || chat.recommended();
    let chosen = move || {
        let now = (chat.mode.get(), chat.threshold());
        Preset::ALL.into_iter().find(|preset| {
            let (mode, threshold) = preset.apply(recommended());
            mode == now.0 && (mode != Mode::Router || threshold == now.1)
        })
    };
    let choose = move |event: ev::Event| {
        let name = event_target_value(&event);
        if let Some(preset) = Preset::ALL.into_iter().find(|preset| words::preset(*preset) == name) {
            let (mode, threshold) = untrack(|| preset.apply(recommended()));
            chat.mode.set(mode);
            if mode == Mode::Router {
                chat.set_threshold(threshold);
            }
        }
    };
    let option = move |preset: Preset| {
        view! {
            <option value=words::preset(preset) prop:selected=move || chosen() == Some(preset)>
                {words::preset(preset)}
            </option>
        }
    };
    view! {
        <select class="field" id="limits-preset" on:change=choose>
            {Preset::ALL.map(option).into_iter().collect_view()}
            <option value="" disabled=true prop:selected=move || chosen().is_none()>{words::OWN}</option>
        </select>
    }
}

/// A field for a limit. What cannot be one is said and changes nothing.
#[component]
fn Field(id: String, label: String, value: Option<f64>, on_value: Callback<Option<f64>>) -> impl IntoView {
    let wrong = RwSignal::new(false);
    let change = move |event: ev::Event| match read(&event_target_value(&event)) {
        Ok(value) => {
            wrong.set(false);
            on_value.run(value);
        }
        Err(()) => wrong.set(true),
    };
    let error = format!("{id}-error");
    view! {
        <input
            class="field"
            type="text"
            inputmode="decimal"
            autocomplete="off"
            id=id
            aria-label=label
            placeholder=words::NO_LIMIT
            value=value.map(|value| value.to_string())
            aria-invalid=move || wrong.get().then_some("true")
            aria-describedby=error.clone()
            on:change=change
        />
        <span class="failure" role="alert" id=error>{move || wrong.get().then_some(words::NO_NUMBER)}</span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_no_limit_either() {
        assert_eq!((read(" "), read("1,5"), read("0")), (Ok(None), Ok(Some(1.5)), Ok(Some(0.0))));
        assert!(["x", "-1", "inf", "NaN", "1 2"].into_iter().all(|text| read(text).is_err()));
    }

    #[test]
    fn a_limit_reads_as_it_was_written() {
        for (_, _, get, set) in KINDS {
            for value in [0.0, 5.0, 33.0] {
                let mut budget = Budget::default();
                set(&mut budget, Some(value));
                assert_eq!(get(&budget), Some(value));
                set(&mut budget, None);
                assert_eq!(budget, Budget::default());
            }
        }
    }
}
