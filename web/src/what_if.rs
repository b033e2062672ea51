//! What if the threshold had been another one: recolours a finished answer from its record, without any request.

use crate::strings::answer as words;
use citer_chat::Exchange;
use citer_chat::counterfactual::WhatIf;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::Element;

/// The slider with what it says.
#[component]
pub fn WhatIfPanel(exchange: Exchange) -> impl IntoView {
    let own = exchange.settings.as_ref().map_or(0.5, |settings| settings.threshold);
    let threshold = RwSignal::new(own);
    let events = StoredValue::new(exchange.events());
    let result = Memo::new(move |_| events.with_value(|events| WhatIf::new(events, threshold.get())));
    let panel = NodeRef::<html::Div>::new();
    let answer = move || panel.get_untracked().and_then(|panel| panel.closest("article").ok().flatten());
    Effect::new(move || {
        let result = result.get();
        if let Some(answer) = panel.get().and_then(|panel| panel.closest("article").ok().flatten()) {
            mark(&answer, Some(&result));
        }
    });
    let last = StoredValue::new_local(None::<Element>);
    Effect::new(move || {
        panel.track();
        last.set_value(answer());
    });
    on_cleanup(move || {
        if let Some(answer) = last.try_get_value().flatten() {
            mark(&answer, None);
        }
    });
    let said = move || {
        let result = result.get();
        let instead = result
            .instead
            .and_then(|own| exchange.tokens.get(result.exact).and_then(|token| token.local_text.get(own).cloned()));
        words::what_if(&result, threshold.get(), instead.as_deref())
    };
    view! {
        <div class="what-if" node_ref=panel>
            <label>
                {words::WHAT_IF_LABEL}
                <input
                    type="range"
                    min="0"
                    max="1"
                    step="any"
                    data-action="what-if-threshold"
                    prop:value=own.to_string()
                    on:input=move |event| {
                        if let Ok(value) = event_target_value(&event).parse() {
                            threshold.set(value);
                        }
                    }
                />
            </label>
            <p role="status" data-what-if-words="">{said}</p>
        </div>
    }
}

/// Marks the answer's tokens, or takes the marks away.
fn mark(answer: &Element, result: Option<&WhatIf>) {
    let Ok(pieces) = answer.query_selector_all("[data-index]") else { return };
    for place in 0..pieces.length() {
        let Some(piece) = pieces.get(place).and_then(|piece| piece.dyn_into::<Element>().ok()) else { continue };
        let index: Option<usize> = piece.get_attribute("data-index").and_then(|index| index.parse().ok());
        let maker = index.and_then(|index| Some((index, result?.makers.get(index)?)));
        // Names of attributes are valid, so this cannot fail.
        let _ = match (maker, result) {
            (Some((index, maker)), Some(result)) => {
                let guess = if index >= result.exact { "guess" } else { "exact" };
                piece
                    .set_attribute("data-what-if", maker.name())
                    .and_then(|()| piece.set_attribute("data-certain", guess))
            }
            _ => piece.remove_attribute("data-what-if").and_then(|()| piece.remove_attribute("data-certain")),
        };
    }
}
