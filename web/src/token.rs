//! Tokens on the page: a span each, marked by source; pointer and arrow keys open the token's card.

use crate::chat::Chat;
use crate::strings;
use crate::token_card::Shown;
use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, EventTarget, HtmlElement};

/// One token of an answer.
#[component]
pub fn TokenView(answer: u64, index: usize) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let end = chat.engine.with_untracked(|engine| engine.info().map(|info| info.end_token));
    let event = chat.conversation.with_untracked(|c| c.get(answer)?.tokens.get(index).map(|token| token.event.clone()));
    event.map(|event| {
        let source = strings::source(event.source);
        let is_end = end == Some(event.id);
        view! {
            <span
                class="token"
                class:end=is_end
                tabindex=if index == 0 { "0" } else { "-1" }
                aria-describedby="token-card"
                data-token=event.id.to_string()
                data-index=index.to_string()
                data-source=source
                data-score=format!("{:.4}", event.score)
            >
                {event.text}
            </span>
        }
    })
}

/// The text of an answer: watches pointer and keys for all of its tokens.
#[component]
pub fn TokenText(answer: u64, children: Children) -> impl IntoView {
    let shown = expect_context::<RwSignal<Option<Shown>>>();
    let show = move |token: Option<Element>| shown.set(token.and_then(|token| Shown::at(answer, &token)));
    let on_over = move |event: ev::PointerEvent| {
        if event.pointer_type() != "touch" {
            show(token_at(event.target()));
        }
    };
    let on_leave = move |event: ev::PointerEvent| {
        if event.pointer_type() != "touch" {
            shown.set(None);
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        let Some(from) = token_at(event.target()) else { return };
        let all = from.parent_element();
        let to = match event.key().as_str() {
            "ArrowRight" | "ArrowDown" => next(&from, Element::next_element_sibling),
            "ArrowLeft" | "ArrowUp" => next(&from, Element::previous_element_sibling),
            "Home" => all.and_then(|all| all.first_element_child()),
            "End" => all.and_then(|all| all.last_element_child()),
            _ => return,
        };
        event.prevent_default();
        if let Some(to) = to.as_ref().and_then(JsCast::dyn_ref::<HtmlElement>) {
            // Focus fails only on elements that are not shown.
            let _ = to.focus();
        }
    };
    let on_focus = move |event: ev::FocusEvent| {
        let token = token_at(event.target());
        token.iter().for_each(keep_in_tab_order);
        show(token);
    };
    view! {
        <p
            class="text"
            role="group"
            aria-label=strings::ANSWER_TEXT
            on:pointerover=on_over
            on:pointerleave=on_leave
            on:focusin=on_focus
            on:focusout=move |_| shown.set(None)
            on:keydown=on_key
        >
            {children()}
        </p>
    }
}

fn token_at(target: Option<EventTarget>) -> Option<Element> {
    target?.dyn_into::<Element>().ok()?.closest("[data-token]").ok()?
}

/// The nearest token in one direction that has something to see.
fn next(from: &Element, step: fn(&Element) -> Option<Element>) -> Option<Element> {
    let mut to = step(from)?;
    while to.text_content().unwrap_or_default().is_empty() && !to.class_list().contains("end") {
        to = step(&to)?;
    }
    Some(to)
}

/// Makes `token` the only one of its answer in the page's tab order.
fn keep_in_tab_order(token: &Element) {
    let before = token.parent_element().and_then(|all| all.query_selector("[tabindex='0']").ok().flatten());
    let set = |element: &Element, index| element.dyn_ref::<HtmlElement>().map(|element| element.set_tab_index(index));
    before.and_then(|before| set(&before, -1));
    set(token, 0);
}
