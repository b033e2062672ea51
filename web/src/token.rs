//! The tokens of an answer: pointer and arrow keys open a token's card.

use crate::strings;
use crate::token_card::Shown;
use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, EventTarget, HtmlElement};

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
        let all = tokens_beside(&from);
        // A token may have several pieces; the first one stands for it.
        let index = from.get_attribute("data-index");
        let here = all.iter().position(|token| token.get_attribute("data-index") == index).unwrap_or_default();
        let to = match event.key().as_str() {
            "ArrowRight" | "ArrowDown" => all[here..].iter().skip(1).find(|token| is_seen(token)),
            "ArrowLeft" | "ArrowUp" => all[..here].iter().rev().find(|token| is_seen(token)),
            "Home" => all.iter().find(|token| is_seen(token)),
            "End" => all.iter().rev().find(|token| is_seen(token)),
            _ => return,
        };
        event.prevent_default();
        if let Some(to) = to.and_then(JsCast::dyn_ref::<HtmlElement>) {
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
        <div
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
        </div>
    }
}

fn token_at(target: Option<EventTarget>) -> Option<Element> {
    target?.dyn_into::<Element>().ok()?.closest("[data-index]").ok()?
}

/// All tokens of the answer, in order.
fn tokens_beside(token: &Element) -> Vec<Element> {
    let text = token.closest(".text").ok().flatten();
    let list = text.and_then(|text| text.query_selector_all("[data-token]").ok());
    let Some(list) = list else { return Vec::new() };
    (0..list.length()).filter_map(|at| list.get(at)?.dyn_into().ok()).collect()
}

/// Whether there is something to see of a token.
fn is_seen(token: &Element) -> bool {
    !token.text_content().unwrap_or_default().is_empty() || token.class_list().contains("end")
}

/// Makes `token` the only one of its answer in the page's tab order.
fn keep_in_tab_order(token: &Element) {
    let before =
        token.closest(".text").ok().flatten().and_then(|all| all.query_selector(".token[tabindex='0']").ok().flatten());
    let set = |element: &Element, index| element.dyn_ref::<HtmlElement>().map(|element| element.set_tab_index(index));
    before.and_then(|before| set(&before, -1));
    set(token, 0);
}
