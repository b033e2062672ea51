//! Measuring the split: a dialog with figures of this conversation or all of them, and batches of questions.

mod batch;
mod charts;
mod kept;

use crate::amount;
use crate::chat::Chat;
use crate::chats::Chats;
use crate::dialog::Dialog;
use crate::strings::measure as words;
pub use kept::KeptBatch;

use batch::BatchPanel;
use charts::{Histogram, Shares};
use citer_chat::statistics::Statistics;
use citer_core::prices::Prices;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// What the dialog shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Conversation,
    All,
    Batch,
}

/// Whether the dialog is open.
#[derive(Clone, Copy)]
pub struct Measure(pub RwSignal<bool>);

/// The button that opens the dialog.
#[component]
pub fn MeasureButton() -> impl IntoView {
    let Measure(open) = expect_context::<Measure>();
    view! {
        <button type="button" class="button" id="measure-open" aria-haspopup="dialog" on:click=move |_| open.set(true)>
            {words::MEASURE}
        </button>
    }
}

/// The dialog.
#[component]
pub fn MeasureDialog() -> impl IntoView {
    let Measure(open) = expect_context::<Measure>();
    let chat = expect_context::<Chat>();
    let chats = expect_context::<Chats>();
    let scope = RwSignal::new(Scope::Conversation);
    let all = RwSignal::new(Statistics::default());
    Effect::new(move || {
        if open.get() && scope.get() == Scope::All {
            let entries = chats.entries.get_untracked();
            spawn_local(async move {
                let mut sum = Statistics::default();
                for entry in entries {
                    if let Some(conversation) = chats.read(&entry.id).await {
                        sum.extend(Statistics::of(&conversation));
                    }
                }
                all.set(sum);
            });
        }
    });
    // Nobody sees the figures while the dialog is closed.
    let statistics = Memo::new(move |_| match (open.get(), scope.get()) {
        (true, Scope::Conversation) => chat.conversation.with(Statistics::of),
        (true, Scope::All) => all.get(),
        _ => Statistics::default(),
    });
    let choice = move |one: Scope| {
        view! {
            <label class="mode">
                <input
                    type="radio"
                    name="scope"
                    value=words::scope_name(one as u8)
                    prop:checked=move || scope.get() == one
                    on:change=move |_| scope.set(one)
                />
                <span>{words::scope(one as u8)}</span>
            </label>
        }
    };
    view! {
        <Dialog id="measure" title=words::TITLE open>
            <fieldset class="modes">
                <legend class="hidden">{words::SCOPE}</legend>
                {[Scope::Conversation, Scope::All, Scope::Batch].map(choice).into_iter().collect_view()}
            </fieldset>
            <Show
                when=move || scope.get() == Scope::Batch
                fallback=move || view! { <Figures statistics/> }
            >
                <BatchPanel/>
            </Show>
        </Dialog>
    }
}

#[component]
fn Figures(statistics: Memo<Statistics>) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let is_empty = move || statistics.with(|statistics| statistics.answers.is_empty());
    let rows = move || {
        statistics.with(|statistics| {
            let waits = statistics.waits();
            let spent = statistics.spent();
            let (agreed, answered) = statistics.wasted();
            let prices = chat.endpoints.prices();
            let bill = statistics.bill(&prices);
            let has_prices = prices != Prices::default();
            let mut rows = vec![
                (words::ANSWERS, words::answers(statistics.answers.len(), statistics.tokens())),
                (words::REMOTE, amount::share(spent.remote_tokens, statistics.tokens())),
                (words::REQUESTS, words::requests(spent.calls, spent.failures)),
                (words::WASTED, words::wasted(agreed, answered)),
                (words::WAIT, words::waits(waits.paid_ms, waits.hidden_ms)),
            ];
            rows.extend(statistics.call_times().map(|(median, high)| (words::CALL, words::call(median, high))));
            if statistics.tokens() > 0 {
                rows.push((words::LOCAL_TIME, amount::time(waits.compute_ms / statistics.tokens() as f64)));
            }
            rows.push((words::SENT, words::sent(spent.bytes_sent, spent.tokens_sent, spent.tokens_cached)));
            if has_prices {
                rows.push((words::BILL, words::bill(bill.routed, bill.llm_only)));
                rows.extend(bill.break_even.map(|share| (words::BREAK_EVEN_MONEY, words::percent(share))));
            } else {
                rows.push((words::BILL, words::NO_PRICES.into()));
            }
            rows.extend(waits.break_even_share().map(|share| (words::BREAK_EVEN_TIME, words::percent(share))));
            rows.into_iter()
                .map(|(name, value)| view! { <tr><th scope="row">{name}</th><td>{value}</td></tr> })
                .collect_view()
        })
    };
    view! {
        <Show when=move || !is_empty() fallback=|| view! { <p class="quiet measure-none">{words::NONE}</p> }>
            <table class="figures" id="figures"><tbody>{rows}</tbody></table>
            <Shares statistics/>
            <Histogram statistics/>
        </Show>
    }
}
