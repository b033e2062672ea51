//! A dialog: a heading, a way to close it, and what it holds while it is open.

use crate::strings::models as words;
use leptos::{ev, html, prelude::*};

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
    Effect::new(move || {
        let Some(dialog) = dialog.get() else { return };
        match (open.get(), dialog.open()) {
            // It fails only where the dialog is open already.
            (true, false) => drop(dialog.show_modal()),
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
