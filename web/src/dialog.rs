//! A dialog: a heading, a way to close it, and what it holds while it is open.

use crate::strings::models as words;
use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// The dialog `id`. What is in it is made when it opens, so a closed one costs nothing.
#[component]
pub fn Dialog(
    id: &'static str,
    title: &'static str,
    open: RwSignal<bool>,
    /// Called when it is closed, however that happens.
    #[prop(optional, into)]
    on_close: Option<Callback<()>>,
    children: ChildrenFn,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    let opener = StoredValue::new_local(None::<Element>);
    Effect::new(move || {
        let Some(dialog) = dialog.get() else { return };
        match (open.get(), dialog.open()) {
            (true, false) => {
                opener.set_value(document().active_element());
                // It fails only where the dialog is open already.
                drop(dialog.show_modal());
            }
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let close = move |_: ev::Event| {
        // It may be open again by now.
        if dialog.get_untracked().is_some_and(|dialog| dialog.open()) {
            return;
        }
        open.set(false);
        give_focus_back(opener.get_value());
        if let Some(on_close) = on_close {
            on_close.run(());
        }
    };
    let (title_id, labelled_by) = (format!("{id}-title"), format!("{id}-title"));
    view! {
        <dialog
            class="dialog"
            id=id
            aria-labelledby=labelled_by
            node_ref=dialog
            on:close=close
            // The page's own use of the key, to stop an answer, is not meant here.
            on:keydown=move |event: ev::KeyboardEvent| {
                if event.key() == "Escape" {
                    event.stop_propagation();
                }
            }
        >
            <header class="dialog-header">
                <h2 id=title_id>{title}</h2>
                <button type="button" class="button" data-close="" on:click=move |_| open.set(false)>
                    {words::CLOSE}
                </button>
            </header>
            <Show when=move || open.get()>{children()}</Show>
        </dialog>
    }
}

/// The browser gives the focus back to what opened the dialog, unless that is folded away by now: then the button that unfolds
/// it takes the focus.
fn give_focus_back(opener: Option<Element>) {
    let hidden = opener.filter(|opener| opener.get_bounding_client_rect().width() == 0.0);
    let fold = hidden.and_then(|opener| opener.closest(".fold").ok().flatten());
    let switch = fold.and_then(|fold| fold.query_selector(".fold-switch").ok().flatten());
    if let Some(switch) = switch.and_then(|switch| switch.dyn_into::<HtmlElement>().ok()) {
        // Focus fails only on elements that are not shown.
        let _ = switch.focus();
    }
}
