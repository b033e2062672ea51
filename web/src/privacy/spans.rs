//! Sensitive text as the reader sees it: what was found in the draft and what that means, the button that marks more, and the
//! lock of a conversation.

use crate::chat::{Chat, LONGEST};
use crate::strings::privacy as words;
use citer_core::sensitive::{Kind, SHORTEST_MARK};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlTextAreaElement;

/// Characters of a found text that are shown.
const SHOWN: usize = 24;

/// What was found in the draft.
#[component]
pub fn Spans() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let privacy = chat.privacy;
    // A pasted book is looked through when it is sent, not at every key.
    let found =
        Memo::new(move |_| chat.draft.with(|draft| if draft.len() > MOST { vec![] } else { privacy.find(draft) }));
    let release = move |part: String, kind: Kind| {
        if kind == Kind::Marked {
            privacy.marks.update(|marks| marks.retain(|mark| mark.trim() != part));
        } else {
            privacy.released.update(|released| released.push(part));
        }
        chat.keep_privacy();
    };
    let marks = move || {
        privacy
            .marks
            .get()
            .into_iter()
            .map(|mark| {
                let part = mark.clone();
                view! {
                    <li>
                        <span>{words::marked(&short(&mark))}</span>
                        <button type="button" class="link" on:click=move |_| release(part.clone(), Kind::Marked)>
                            {words::UNMARK}
                        </button>
                    </li>
                }
            })
            .collect_view()
    };
    let rows = move || {
        let found = found.get().into_iter().filter(|(_, kind)| *kind != Kind::Marked);
        found
            .map(|(part, kind)| {
                let said = words::found(kind, &short(&part));
                view! {
                    <li data-kind=words::kind_name(kind)>
                        <span>{said}</span>
                        <button
                            type="button"
                            class="link"
                            data-action="release"
                            on:click=move |_| release(part.clone(), kind)
                        >
                            {words::RELEASE}
                        </button>
                    </li>
                }
            })
            .collect_view()
    };
    let too_long = move || words::too_long(chat.draft.with(String::len), LONGEST);
    let any =
        Memo::new(move |_| found.with(|found| !found.is_empty()) || privacy.marks.with(|marks| !marks.is_empty()));
    view! {
        <div class="spans" id="spans" role="status">
            <Show when=move || chat.is_too_long()><p class="failure" id="too-long">{too_long}</p></Show>
            <Show when=move || any.get()>
                <ul>{rows}{marks}</ul>
                <p class="quiet">{words::EFFECT}</p>
            </Show>
        </div>
    }
}

/// Longest draft that is looked through while it is typed, in bytes.
const MOST: usize = 20_000;

fn short(part: &str) -> String {
    let letters: String = part.chars().take(SHOWN).collect();
    if letters.len() < part.len() { format!("{letters}…") } else { letters }
}

/// The lock of the conversation, and the button that marks what is selected in the text field.
#[component]
pub fn LockSwitch() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let privacy = chat.privacy;
    let lock = move |_| {
        privacy.locked.update(|locked| *locked = !*locked);
        chat.keep_privacy();
    };
    let said = RwSignal::new("");
    let mark = move |_| {
        let selected = selected().filter(|text| text.trim().chars().count() >= SHORTEST_MARK);
        said.set(if selected.is_none() { words::MARK_HOW } else { "" });
        if let Some(text) = selected {
            privacy.marks.update(|marks| marks.push(text.trim().to_owned()));
            chat.keep_privacy();
        }
    };
    view! {
        <div class="privacy">
            <button
                type="button"
                class="link"
                id="lock"
                aria-pressed=move || privacy.locked.get().to_string()
                title=words::LOCK_HELP
                on:click=lock
            >
                {move || if privacy.locked.get() { words::UNLOCK } else { words::LOCK }}
            </button>
            // The selection must outlive the press.
            <button
                type="button"
                class="link"
                id="mark"
                title=words::MARK_HOW
                on:mousedown=|event| event.prevent_default()
                on:click=mark
            >
                {words::MARK}
            </button>
            <span class="quiet" role="status">{move || said.get()}</span>
        </div>
    }
}

/// What is selected in the text field.
fn selected() -> Option<String> {
    let field: HtmlTextAreaElement = document().get_element_by_id("question")?.dyn_into().ok()?;
    let (start, end) = (field.selection_start().ok()??, field.selection_end().ok()??);
    // The field counts in UTF-16.
    let letters: Vec<u16> = field.value().encode_utf16().collect();
    let range = letters.get(start as usize..end as usize)?;
    Some(String::from_utf16_lossy(range))
}
