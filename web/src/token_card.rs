//! The token card: who made a token, why, what both models thought, and what it cost. One element for all tokens.

use crate::chat::Chat;
use crate::judge::Judge;
use crate::{amount, strings};
use citer_chat::Token;
use citer_core::prices::Prices;
use citer_core::{Candidate, Mode, Spent, TokenId};
use leptos::prelude::*;
use web_sys::Element;

/// Candidates of a model that a card has room for.
const SHOWN: usize = 2;

/// The token whose card is shown, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    answer: u64,
    index: usize,
    /// The card's place, as CSS.
    place: String,
}

impl Shown {
    /// The card of the token that `element` shows, beside it, on the side with more room.
    pub fn at(answer: u64, element: &Element) -> Option<Self> {
        let index = element.get_attribute("data-index")?.parse().ok()?;
        let (all, height) = (element.get_bounding_client_rect(), window().inner_height().ok()?.as_f64()?);
        // A token that wraps has several boxes; the card belongs to the first.
        let (left, top, bottom) = (all.left().max(0.0), all.top(), all.bottom());
        let side = if top > height / 2.0 {
            format!("bottom:{:.0}px", height - top + 8.0)
        } else {
            format!("top:{:.0}px", bottom + 8.0)
        };
        Some(Self { answer, index, place: format!("--left:{left:.0}px;{side}") })
    }
}

/// The page scrolled: the card of the token that has the focus moves along, any other one goes.
pub fn scrolled(shown: RwSignal<Option<Shown>>) {
    let Some(before) = shown.get_untracked() else { return };
    let focused = document().active_element().filter(|element| element.has_attribute("data-token"));
    shown.set(focused.and_then(|token| Shown::at(before.answer, &token)));
}

/// The card.
#[component]
pub fn TokenCard() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let shown = expect_context::<RwSignal<Option<Shown>>>();
    let place = move || shown.with(|shown| shown.as_ref().map(|shown| shown.place.clone()).unwrap_or_default());
    let contents = move || {
        let shown = shown.get()?;
        let (token, mode, judge) = chat.conversation.with_untracked(|c| {
            let exchange = c.get(shown.answer)?;
            let mode = exchange.settings.as_ref().map(|settings| settings.mode).unwrap_or_default();
            let judge = exchange.trace.as_ref().map(|trace| Judge::named(trace.router.as_ref()));
            Some((exchange.tokens.get(shown.index).cloned()?, mode, judge))
        })?;
        let (end, now) = chat.engine.with_untracked(|engine| {
            engine.info().map_or((None, Judge::default()), |info| (Some(info.end_token), Judge::of(info)))
        });
        // An answer in progress has no record yet: what runs now makes it.
        Some(contents(&token, mode, judge.unwrap_or(now), &untrack(|| chat.endpoints.prices()), end))
    };
    view! {
        <div class="card" id="token-card" role="tooltip" style=place hidden=move || shown.with(Option::is_none)>
            {contents}
        </div>
    }
}

fn contents(token: &Token, mode: Mode, judge: Judge, prices: &Prices, end: Option<TokenId>) -> impl IntoView + use<> {
    let event = &token.event;
    let why = strings::answer::why(event.source, mode, judge);
    let critical = event.score < event.threshold;
    let scale = format!("--score:{};--threshold:{}", event.score, event.threshold);
    let asked = event.source.was_asked();
    let rows = [
        Some((strings::CARD_COMPUTE, amount::time(event.compute_ms))),
        asked.then(|| {
            let paid = (event.wait_ms - event.hidden_ms).max(0.0);
            (strings::CARD_WAIT, format!("{} / {}", amount::time(paid), amount::time(event.hidden_ms)))
        }),
        token.server.as_deref().map(|server| (strings::CARD_ASKED, server.to_owned())),
        (event.server_ms > 0.0).then(|| (strings::CARD_SERVER, amount::time(event.server_ms))),
        (event.retries > 0).then(|| (strings::CARD_RETRIES, event.retries.to_string())),
        event.reserved.then(|| (strings::CARD_RESERVE, String::new())),
        asked.then(|| {
            let (sent, received) = (amount::bytes(event.bytes_sent), amount::bytes(event.bytes_received));
            (strings::CARD_BYTES, format!("{sent} / {received}"))
        }),
        asked.then(|| (strings::CARD_TOKENS, format!("{} / {}", event.tokens_sent, event.tokens_cached))),
        (asked && *prices != Prices::default()).then(|| {
            let mut spent = Spent::default();
            spent.add(event);
            (strings::CARD_MONEY, strings::measure::money(prices.usd(&spent)))
        }),
    ];
    let rows = rows.into_iter().flatten().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> });
    view! {
        <p class="card-source">
            <code>{visible(&event.text, end == Some(event.id))}</code>
            <span class="mark" data-source=strings::source(event.source)>{strings::source(event.source)}</span>
        </p>
        <p>{strings::source_help(event.source)}" "{why}</p>
        <div class="card-score">
            <span class="card-name">{strings::card_score(judge)}</span>
            <span>{strings::score(event.score, event.threshold, critical)}</span>
            <span class="scale" style=scale aria-hidden="true"></span>
        </div>
        {candidates(strings::CARD_SLM, &event.local, &token.local_text, end)}
        {candidates(strings::CARD_LLM, &event.remote, &token.remote_text, end)}
        <dl>{rows.collect_view()}</dl>
    }
}

fn candidates(
    title: &'static str,
    candidates: &[Candidate],
    texts: &[String],
    end: Option<TokenId>,
) -> Option<impl IntoView + use<>> {
    let rows = candidates.iter().take(SHOWN).enumerate().map(|(rank, candidate)| {
        let text = visible(texts.get(rank).map_or("", String::as_str), end == Some(candidate.id));
        let bar = format!("--part:{}", candidate.probability);
        view! {
            <li>
                <code>{text}</code>
                <span class="probability" style=bar aria-hidden="true"></span>
                <span>{format!("{:.1} %", 100.0 * candidate.probability)}</span>
            </li>
        }
    });
    let rows = rows.collect_view();
    (!candidates.is_empty()).then(|| view! { <p class="card-name">{title}</p><ol>{rows}</ol> })
}

/// A token's text with its spaces and line ends made visible.
fn visible(text: &str, is_end: bool) -> String {
    match text {
        _ if is_end => strings::END_OF_ANSWER.into(),
        "" => strings::NO_TEXT.into(),
        text => text.replace(' ', "␣").replace('\n', "⏎"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_line_ends_can_be_seen() {
        assert_eq!(visible(" a\n", false), "␣a⏎");
        assert_eq!(visible("", true), strings::END_OF_ANSWER);
        assert_eq!(visible("", false), strings::NO_TEXT);
    }
}
