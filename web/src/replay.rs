//! Replay: shows a finished answer again as it came, from its record alone.

use crate::strings::answer as words;
use citer_chat::Exchange;
use leptos::html;
use leptos::prelude::*;
use std::time::Duration;
use web_sys::Element;

/// Longest pause before a token, in milliseconds.
const LONGEST: f64 = 1500.0;

/// The button.
#[component]
pub fn Replay(exchange: Exchange) -> impl IntoView {
    let times: Vec<f64> = exchange
        .tokens
        .iter()
        .map(|token| {
            (token.event.compute_ms + (token.event.wait_ms - token.event.hidden_ms).max(0.0)).clamp(1.0, LONGEST)
        })
        .collect();
    let times = StoredValue::new(times);
    let button = NodeRef::<html::Button>::new();
    // Counts replays: a timer of one that was ended does nothing.
    let run = RwSignal::new(0u64);
    let running = RwSignal::new(false);
    let answer = move || button.get_untracked().and_then(|button| button.closest("article").ok().flatten());
    let click = move |_| {
        run.update(|run| *run += 1);
        let Some(answer) = answer() else { return };
        if running.get_untracked() {
            running.set(false);
            show(&answer, None);
        } else {
            running.set(true);
            step(answer, 0, times, run, running, run.get_untracked());
        }
    };
    view! {
        <button type="button" class="link" data-action="replay" node_ref=button title=words::REPLAY_HELP on:click=click>
            {move || if running.get() { words::REPLAY_END } else { words::REPLAY }}
        </button>
    }
}

fn step(
    answer: Element,
    place: usize,
    times: StoredValue<Vec<f64>>,
    run: RwSignal<u64>,
    running: RwSignal<bool>,
    own: u64,
) {
    // The answer may be gone, or another replay begun.
    if run.try_get_untracked() != Some(own) {
        return;
    }
    let Some(wait) = times.try_with_value(|times| times.get(place).copied()) else { return };
    show(&answer, wait.map(|_| place));
    match wait {
        Some(wait) => set_timeout(
            move || step(answer, place + 1, times, run, running, own),
            Duration::from_micros((wait * 1000.0) as u64),
        ),
        None => running.set(false),
    }
}

/// Shows the tokens before `place`, or all.
fn show(answer: &Element, place: Option<usize>) {
    // Names of attributes are valid, so this cannot fail.
    let _ = match place {
        Some(place) => answer.set_attribute("data-replay", &place.to_string()),
        None => answer.remove_attribute("data-replay"),
    };
    let Ok(pieces) = answer.query_selector_all("[data-index]") else { return };
    for at in 0..pieces.length() {
        let Some(piece) = pieces.get(at).map(wasm_bindgen::JsCast::unchecked_into::<Element>) else { continue };
        let index: usize = piece.get_attribute("data-index").and_then(|index| index.parse().ok()).unwrap_or_default();
        let _ = match place {
            Some(place) if index >= place => piece.set_attribute("data-later", ""),
            _ => piece.remove_attribute("data-later"),
        };
    }
}
