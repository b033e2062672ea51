//! The empty state: what this is, and sample questions to send.

use crate::chat::Chat;
use crate::strings;
use citer_tasks::{Family, samples};
use leptos::prelude::*;

/// Shown while the conversation is empty.
#[component]
pub fn Samples() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let questions = samples();
    let groups = Family::ALL.into_iter().map(|family| {
        let buttons = questions.iter().filter(|question| question.family == family).map(|question| {
            let prompt = question.prompt.clone();
            let ask = move |_| {
                chat.draft.set(prompt.clone());
                chat.send();
            };
            view! { <li><button type="button" class="sample" on:click=ask>{question.prompt.clone()}</button></li> }
        });
        view! {
            <section class="sample-group">
                <h3>{strings::family(family)}</h3>
                <ul>{buttons.collect_view()}</ul>
            </section>
        }
    });
    view! {
        <section class="empty">
            <h2>{strings::EMPTY_TITLE}</h2>
            <p>{strings::EMPTY_TEXT}</p>
            <div class="sample-groups">{groups.collect_view()}</div>
        </section>
    }
}
