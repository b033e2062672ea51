//! The dialog of the ledger: what left the device, row by row, with filters, sums and exports.

use super::Sent;
use crate::chat::Chat;
use crate::dialog::Dialog;
use crate::strings::ledger as words;
use crate::{amount, files};
use citer_core::ledger::{Disclosure, Filter, Ledger, Outcome, Purpose, Row, disclosure, is_bad};
use leptos::prelude::*;

/// Most rows shown at once.
const SHOWN: usize = 200;

/// The header's button: how many requests were made, and the light.
#[component]
pub fn LedgerButton() -> impl IntoView {
    let sent = expect_context::<Sent>();
    let count = Memo::new(move |_| sent.ledger.with(Ledger::requests));
    view! {
        <button
            type="button"
            class="button sent"
            id="sent-open"
            aria-haspopup="dialog"
            title=words::BUTTON_HELP
            data-live=move || sent.live.get().to_string()
            on:click=move |_| sent.open.set(true)
        >
            <span class="live" aria-hidden="true"></span>
            <span><span class="sent-word">{words::SENT}" "</span><span id="sent-count">{move || count.get()}</span></span>
        </button>
    }
}

/// The dialog.
#[component]
pub fn LedgerDialog() -> impl IntoView {
    let sent = expect_context::<Sent>();
    view! {
        <Dialog id="sent" title=words::TITLE open=sent.open>
            <Contents/>
        </Dialog>
    }
}

#[component]
fn Contents() -> impl IntoView {
    let (sent, chat) = (expect_context::<Sent>(), expect_context::<Chat>());
    let purpose = RwSignal::new(None::<Purpose>);
    let (here, failures) = (RwSignal::new(false), RwSignal::new(false));
    let filter = Memo::new(move |_| Filter {
        purpose: purpose.get(),
        conversation: here.get().then(|| chat.conversation.with(|conversation| conversation.id.clone())),
        failures: failures.get(),
    });
    let totals = move || filter.with(|filter| sent.ledger.with(|ledger| ledger.totals(filter)));
    let seen = Memo::new(move |_| disclosed(chat, sent));
    let rows = move || {
        filter.with(|filter| sent.ledger.with(|ledger| ledger.shown(filter).take(SHOWN).map(row_view).collect_view()))
    };
    let more = move || {
        let count = filter.with(|filter| sent.ledger.with(|ledger| ledger.shown(filter).count()));
        let forgotten = sent.ledger.with(Ledger::forgotten);
        words::more(count.saturating_sub(SHOWN), forgotten)
    };
    let choose = move |event| {
        let name = event_target_value(&event);
        purpose.set(Purpose::ALL.into_iter().find(|purpose| purpose.name() == name));
    };
    let sure = RwSignal::new(false);
    let clear = move |_| {
        if sure.get_untracked() {
            sent.clear();
        }
        sure.update(|sure| *sure = !*sure);
    };
    let json = move |_| {
        if let Ok(json) = sent.ledger.with_untracked(Ledger::to_json) {
            files::save(&json, "citer-ledger.json", "application/json");
        }
    };
    let csv = move |_| files::save(&sent.ledger.with_untracked(Ledger::to_csv), "citer-ledger.csv", "text/csv");
    view! {
        <p id="disclosed" data-seen=move || seen.get().seen.to_string() data-all=move || seen.get().all.to_string()>
            {move || words::disclosed(seen.get())}
        </p>
        <p class="quiet">{words::INTRO}</p>
        <p class="failure" id="sent-problem" role="alert" hidden=move || sent.problem.with(Option::is_none)>
            {move || sent.problem.get()}
        </p>
        <div class="filters">
            <label>
                {words::PURPOSE}
                <select id="sent-purpose" on:change=choose>
                    <option value="">{words::ALL}</option>
                    {Purpose::ALL.map(|purpose| view! { <option value=purpose.name()>{words::purpose(purpose)}</option> })
                        .into_iter()
                        .collect_view()}
                </select>
            </label>
            <label>
                <input type="checkbox" id="sent-here" on:change=move |event| here.set(event_target_checked(&event))/>
                {words::HERE}
            </label>
            <label>
                <input type="checkbox" id="sent-failed" on:change=move |event| failures.set(event_target_checked(&event))/>
                {words::FAILURES}
            </label>
        </div>
        <p class="quiet" id="sent-totals" role="status">{move || words::totals(&totals())}</p>
        <div class="rows" tabindex="0" role="region" aria-label=words::TITLE>
            <table>
                <thead>
                    <tr>{words::COLUMNS.map(|name| view! { <th scope="col">{name}</th> }).into_iter().collect_view()}</tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="quiet">{more}</p>
        <div class="buttons">
            <button type="button" class="button" id="sent-json" on:click=json>{words::JSON}</button>
            <button type="button" class="button" id="sent-csv" on:click=csv>{words::CSV}</button>
            <button type="button" class="button" id="sent-clear" on:click=clear on:blur=move |_| sure.set(false)>
                {move || if sure.get() { words::REALLY_CLEAR } else { words::CLEAR }}
            </button>
        </div>
    }
}

fn row_view(row: &Row) -> impl IntoView + use<> {
    let bytes = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), amount::bytes);
    let tokens = match row.purpose {
        Purpose::Token if row.tokens_sent > 0 => {
            format!("{} / {} / {}", row.tokens_sent, row.tokens_cached, row.tokens_computed())
        }
        _ => String::new(),
    };
    let cells = [
        clock(row.time),
        row.endpoint.clone(),
        words::purpose(row.purpose).to_owned(),
        bytes(row.bytes_sent),
        bytes(row.bytes_received),
        tokens,
        if row.outcome == Outcome::Started { String::new() } else { amount::time(row.ms) },
        row.status.clone(),
        words::outcome(row.outcome).to_owned(),
    ];
    let is_bad = is_bad(row.outcome);
    let (purpose, outcome) = (row.purpose.name(), row.outcome.name());
    view! {
        <tr data-purpose=purpose data-outcome=outcome data-endpoint=row.endpoint.clone() class:bad=is_bad>
            {cells.map(|cell| view! { <td>{cell}</td> }).into_iter().collect_view()}
        </tr>
    }
}

/// The time of day.
fn clock(time: f64) -> String {
    let date = js_sys::Date::new(&time.into());
    format!("{:02}:{:02}:{:02}", date.get_hours(), date.get_minutes(), date.get_seconds())
}

/// What of the conversation that is shown was sent.
fn disclosed(chat: Chat, sent: Sent) -> Disclosure {
    let history = chat.history();
    chat.conversation.with(|conversation| {
        let exchanges = conversation.all().iter();
        let under_way = sent.ledger.with(|ledger| ledger.is_asking_for(&conversation.id));
        let asked = exchanges.map(|e| {
            let events = e.tokens.iter().map(|token| &token.event);
            (e.system.as_str(), e.question.as_str(), events)
        });
        disclosure(asked, history, under_way)
    })
}
