//! The meter: who made how many tokens and what was sent; with the legend, in the panel beside the conversation.

use crate::chat::Chat;
use crate::device::DeviceButton;
use crate::limits::LimitsButton;
use crate::measure::MeasureButton;
use crate::view_mode::{ViewChoice, ViewMode};
use crate::{amount, strings};
use citer_core::prices::Prices;
use citer_core::waits::Waits;
use citer_core::{ForcedReason, Source, Split};
use leptos::prelude::*;

/// One of each source, in the order shown everywhere.
const SOURCES: [Source; 4] = [Source::Local, Source::Agreed, Source::Remote, Source::Forced(ForcedReason::Unreachable)];

/// The panel: split of the last answer and of the conversation, and the legend.
#[component]
pub fn Panel(open: RwSignal<bool>, mode: RwSignal<ViewMode>) -> impl IntoView {
    let chat = expect_context::<Chat>();
    let last = Memo::new(move |_| {
        chat.conversation.with(|c| c.last().map(|exchange| exchange.split.clone()).unwrap_or_default())
    });
    let all = Memo::new(move |_| chat.conversation.with(|conversation| conversation.split().clone()));
    view! {
        <aside class="panel" id="panel" aria-label=strings::PANEL class:open=move || open.get()>
            <Meter title=strings::SPLIT_LAST split=last/>
            <Meter title=strings::SPLIT_ALL split=all/>
            <LimitsButton/>
            <MeasureButton/>
            <ViewChoice mode/>
            <section class="legend">
                <h2>{strings::LEGEND}</h2>
                <dl>{SOURCES.map(legend_entry).into_iter().collect_view()}</dl>
                <p class="quiet">{strings::LEGEND_HELP}</p>
            </section>
            <p><DeviceButton/></p>
        </aside>
    }
}

fn legend_entry(source: Source) -> impl IntoView {
    let name = strings::source(source);
    view! {
        <dt><span class="mark" data-source=name>{name}</span></dt>
        <dd>{strings::source_help(source)}</dd>
    }
}

#[component]
fn Meter(title: &'static str, split: Memo<Split>) -> impl IntoView {
    let contents = move || {
        split.with(|split| {
            if split.tokens() == 0 {
                return view! { <p class="quiet">{strings::SPLIT_NONE}</p> }.into_any();
            }
            let parts = SOURCES.map(|source| {
                let (name, count) = (strings::source(source), count(split, source));
                let part = view! { <span class="part" data-source=name style=format!("flex-grow:{count}")></span> };
                let share = amount::share(count, split.tokens());
                let row = view! {
                    <tr>
                        <th scope="row"><span class="swatch" data-source=name></span>{name}</th>
                        <td>{count}</td>
                        <td>{share}</td>
                    </tr>
                };
                ((count > 0).then_some(part), row)
            });
            let (bar, rows): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            let spent = &split.spent;
            view! {
                <div class="bar" aria-hidden="true">{bar}</div>
                <table><tbody>{rows}</tbody></table>
                <p class="quiet">{strings::tokens(split.tokens())}" · "{strings::sent(&amount::bytes(spent.bytes_sent))}</p>
            }
            .into_any()
        })
    };
    view! { <section class="meter"><h2>{title}</h2>{contents}</section> }
}

/// An answer's split in one line; its words carry the tokens' marks, so it explains them too.
pub fn summary(split: &Split, waits: &Waits, prices: &Prices) -> impl IntoView + use<> {
    let counts = SOURCES.map(|source| (strings::source(source), count(split, source)));
    let counts = counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| {
        view! { <span>{count}" "<span class="mark" data-source=name>{name}</span></span> }
    });
    let spent = &split.spent;
    let cost = (*prices != Prices::default()).then(|| strings::measure::money(prices.usd(spent)));
    let waited = (spent.calls > 0).then(|| strings::waited(&amount::time(waits.paid_ms), spent.calls));
    view! {
        <span>{strings::tokens(split.tokens())}</span>
        {counts.collect_view()}
        <span>{strings::sent(&amount::bytes(spent.bytes_sent))}</span>
        {waited.map(|words| view! { <span>{words}</span> })}
        {cost.map(|words| view! { <span>{words}</span> })}
    }
}

/// Tokens a second of the last answer, by the engine's own time.
pub fn speed(chat: Chat) -> Option<String> {
    chat.conversation.with(|conversation| {
        let tokens = &conversation.last()?.tokens;
        // The first one holds the time of reading the question.
        let ms: f64 = tokens.iter().skip(1).map(|token| token.event.compute_ms).sum();
        (ms > 0.0).then(|| strings::speed((tokens.len() - 1) as f64 * 1000.0 / ms))
    })
}

fn count(split: &Split, source: Source) -> u64 {
    match source {
        Source::Local => split.local,
        Source::Agreed => split.agreed,
        Source::Remote => split.remote,
        Source::Forced(_) => split.forced,
    }
}
