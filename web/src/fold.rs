//! Controls that stand in line where there is room, and behind a button where the window is small.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{EventTarget, Node};

/// The controls `id`, with the button that unfolds them. Styles say where the window is small.
#[component]
pub fn Fold(
    id: &'static str,
    /// What the button is called.
    #[prop(into)]
    name: Signal<String>,
    /// What stands on it.
    sign: &'static str,
    children: Children,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let place = NodeRef::<html::Div>::new();
    let switch = NodeRef::<html::Button>::new();
    let is_inside = move |target: Option<EventTarget>| {
        let target = target.and_then(|target| target.dyn_into::<Node>().ok());
        place.get_untracked().is_some_and(|place| place.contains(target.as_ref()))
    };
    let pressed = window_event_listener(ev::pointerdown, move |event| {
        if open.get_untracked() && !is_inside(event.target()) {
            open.set(false);
        }
    });
    on_cleanup(move || pressed.remove());
    let left = move |event: ev::FocusEvent| {
        if let Some(to) = event.related_target() {
            open.update(|open| *open &= is_inside(Some(to)));
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        if event.key() == "Escape" && open.get_untracked() {
            // The page's own use of the key, to stop an answer, is not meant here.
            event.stop_propagation();
            open.set(false);
            if let Some(switch) = switch.get_untracked() {
                // Focus fails only on elements that are not shown.
                let _ = switch.focus();
            }
        }
    };
    view! {
        <div class="fold" node_ref=place on:focusout=left on:keydown=on_key>
            <button
                type="button"
                class="button icon fold-switch"
                id=format!("{id}-open")
                aria-label=move || name.get()
                title=move || name.get()
                aria-controls=id
                aria-expanded=move || open.get().to_string()
                node_ref=switch
                on:click=move |_| open.update(|open| *open = !*open)
            >
                <span aria-hidden="true">{sign}</span>
            </button>
            <div class="folded" id=id class:open=move || open.get()>{children()}</div>
        </div>
    }
}
