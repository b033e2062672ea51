//! The dialog of endpoints: the list in its order, what each server can do, keys and prices, and a test.

use super::{Endpoint, Endpoints};
use crate::chat::Chat;
use crate::dialog::Dialog;
use crate::engine::EngineWorker;
use crate::ledger::Sent;
use crate::strings::endpoints as words;
use crate::{address, strings};
use citer_core::Prices;
use citer_core::message::{FromWorker, ToWorker};
use leptos::{ev, prelude::*};
use wasm_bindgen_futures::spawn_local;

/// The header's button.
#[component]
pub fn EndpointsButton() -> impl IntoView {
    let endpoints = expect_context::<Endpoints>();
    view! {
        <button
            type="button"
            class="button"
            id="endpoints-open"
            aria-haspopup="dialog"
            on:click=move |_| endpoints.open.set(true)
        >
            {words::ENDPOINTS}
        </button>
    }
}

/// The dialog. Once it is closed the servers are asked anew whether they are there.
#[component]
pub fn EndpointsDialog() -> impl IntoView {
    let (endpoints, chat) = (expect_context::<Endpoints>(), expect_context::<Chat>());
    let close = Callback::new(move |()| spawn_local(chat.reconnect()));
    view! {
        <Dialog id="endpoints" title=words::TITLE open=endpoints.open on_close=close>
            <Contents/>
        </Dialog>
    }
}

#[component]
fn Contents() -> impl IntoView {
    let endpoints = expect_context::<Endpoints>();
    let addresses =
        Memo::new(move |_| endpoints.list.with(|list| list.iter().map(Endpoint::address).collect::<Vec<_>>()));
    let url = RwSignal::new(String::new());
    let problem = RwSignal::new("");
    let add = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let text = url.get_untracked().trim().trim_end_matches('/').to_owned();
        let known = endpoints.list.with_untracked(|list| list.iter().any(|endpoint| endpoint.address() == text));
        match address::origin(&text) {
            None => problem.set(words::NO_ADDRESS),
            Some(_) if known => problem.set(words::KNOWN),
            Some(_) => {
                problem.set("");
                url.set(String::new());
                endpoints.change(|list| list.push(Endpoint { url: text, ..Endpoint::default() }));
            }
        }
    };
    view! {
        <p class="quiet">{words::INTRO}</p>
        <Show when=move || endpoints.is_named><p class="quiet">{words::NAMED}</p></Show>
        <ol class="endpoints-list">
            <For each=move || addresses.get() key=|address| address.clone() let:address>
                <Row address/>
            </For>
        </ol>
        <Show when=move || addresses.with(Vec::is_empty)><p class="quiet">{words::NONE}</p></Show>
        <form class="models-add" on:submit=add>
            <label for="endpoint-url">{words::ADD_LABEL}</label>
            <div class="models-line">
                <input
                    type="text"
                    id="endpoint-url"
                    inputmode="url"
                    autocomplete="off"
                    spellcheck="false"
                    placeholder="https://…"
                    prop:value=move || url.get()
                    on:input=move |event| url.set(event_target_value(&event))
                />
                <button type="submit" class="button primary" id="endpoint-add">{words::ADD}</button>
            </div>
            <p class="failure" role="alert" hidden=move || problem.get().is_empty()>{move || problem.get()}</p>
        </form>
    }
}

#[component]
fn Row(address: String) -> impl IntoView {
    let endpoints = expect_context::<Endpoints>();
    let (chat, sent) = (expect_context::<Chat>(), expect_context::<Sent>());
    let address = StoredValue::new(address);
    let at = move || address.get_value();
    let endpoint = move || endpoints.get(&at());
    let place = move || endpoints.place(&at());
    let tested = RwSignal::new(None::<Result<String, String>>);
    let testing = RwSignal::new(false);
    let worker = StoredValue::new_local(None::<EngineWorker>);
    let set = move |change: fn(&mut Endpoint, String), text: String| {
        endpoints.change_one(&at(), |endpoint| change(endpoint, text));
    };
    let set_key = move |event: ev::Event| {
        endpoints.set_key(&untrack(endpoint), event_target_value(&event).trim());
    };
    let keep = move |event: ev::Event| {
        let keeps = event_target_checked(&event);
        let key = endpoints.key(&at()).unwrap_or_default();
        endpoints.change_one(&at(), |endpoint| endpoint.keeps_key = keeps);
        endpoints.set_key(&untrack(endpoint), &key);
    };
    let up = move |_| {
        let place = untrack(place);
        endpoints.change(|list| list.swap(place.saturating_sub(1), place));
    };
    let remove = move |_| {
        endpoints.remove(&at());
        chat.privacy.decide(&at(), false);
        // Another one may be at the same place under another path.
        let left = endpoints
            .list
            .with_untracked(|list| list.iter().map(|e| address::origin(&e.address())).collect::<Vec<_>>());
        if !left.contains(&address::origin(&at())) {
            spawn_local(async move { chat.network.forbid(&at()).await });
        }
    };
    let test = move |_| {
        let Some(server) = endpoints.servers().into_iter().find(|server| server.url == at()) else { return };
        if chat.network.airplane.get_untracked() {
            return tested.set(Some(Err(strings::shell::AIRPLANE_STATE.into())));
        }
        testing.set(true);
        tested.set(None);
        let ask = server.clone();
        // A worker of its own: the engine's goes on with its answer.
        let started = EngineWorker::start(sent, move |message| match message {
            FromWorker::Started => {
                let ask = ask.clone();
                spawn_local(async move {
                    chat.network.allow(&ask.url).await;
                    let message = ToWorker::Connect { servers: vec![ask], look_ahead: 1 };
                    worker.with_value(|worker| worker.iter().for_each(|worker| worker.post(&message)));
                });
            }
            FromWorker::Server { available, detail, servers } => {
                testing.set(false);
                let can = servers.first().map(ToString::to_string);
                tested.set(Some(if available { Ok(can.unwrap_or(detail)) } else { Err(strings::sentence(&detail)) }));
                worker.with_value(|worker| worker.iter().for_each(EngineWorker::end));
            }
            FromWorker::Died(death) => {
                testing.set(false);
                tested.set(Some(Err(death.to_string())));
            }
            _ => {}
        });
        match started {
            Ok(started) => worker.set_value(Some(started)),
            Err(error) => tested.set(Some(Err(error))),
        }
    };
    let result = move || match tested.get() {
        None if testing.get() => words::TESTING.to_owned(),
        None => String::new(),
        Some(Ok(can)) => format!("✓ {can}"),
        Some(Err(error)) => format!("✕ {error}"),
    };
    let name = move || {
        let endpoint = endpoint();
        if endpoint.url.is_empty() { words::own(&endpoint.address()) } else { endpoint.url }
    };
    let has_key = move || endpoints.keys.with(|keys| keys.contains_key(&at()));
    let first = untrack(endpoint);
    let number = untrack(place);
    let id = move |part: &str| format!("endpoint-{part}-{number}");
    let agreed = move || chat.privacy.agreed(&at());
    let withdraw = move |_| chat.take_back_consent(&at());
    view! {
        <li class="model" data-endpoint=move || place().to_string() data-address=at>
            <strong class="model-name">{name}</strong>
            <div class="model-buttons">
                <Show when=move || { place() > 0 }>
                    <button type="button" class="button" data-action="up" on:click=up>{words::UP}</button>
                </Show>
                <button type="button" class="button" data-action="test" disabled=move || testing.get() on:click=test>
                    {words::TEST}
                </button>
                <button type="button" class="button" data-action="remove" on:click=remove>
                    {words::REMOVE}
                </button>
            </div>
            <p class="endpoint-result" role="status">{result}</p>
            <p class="quiet wide" data-agreed=move || agreed().to_string()>
                {move || if agreed() { words::AGREED } else { words::NOT_AGREED }}
                <Show when=agreed>
                    " "
                    <button type="button" class="link" data-action="withdraw" on:click=withdraw>{words::WITHDRAW}</button>
                </Show>
            </p>
            <div class="fields">
                <label for=id("model")>{words::MODEL}</label>
                <input
                    type="text"
                    id=id("model")
                    autocomplete="off"
                    placeholder=words::MODEL_FIRST
                    value=first.model.clone()
                    on:change=move |event| set(|endpoint, text| endpoint.model = text, event_target_value(&event))
                />
                <label for=id("key")>{words::KEY}</label>
                <input
                    type="password"
                    id=id("key")
                    autocomplete="off"
                    placeholder=move || if has_key() { words::KEY_SET } else { words::KEY_NONE }
                    on:change=set_key
                />
                <label class="wide">
                    <input type="checkbox" prop:checked=first.keeps_key on:change=keep/>
                    {words::KEEP_KEY}
                </label>
                <Price id=id("prompt") label=words::PRICE_PROMPT value=first.prices.prompt
                    set=move |price| set_price(endpoints, &at(), |prices| &mut prices.prompt, price)/>
                <Price id=id("cached") label=words::PRICE_CACHED value=first.prices.cached
                    set=move |price| set_price(endpoints, &at(), |prices| &mut prices.cached, price)/>
                <Price id=id("output") label=words::PRICE_OUTPUT value=first.prices.output
                    set=move |price| set_price(endpoints, &at(), |prices| &mut prices.output, price)/>
            </div>
        </li>
    }
}

fn set_price(endpoints: Endpoints, address: &str, field: fn(&mut Prices) -> &mut f64, price: f64) {
    endpoints.change_one(address, |endpoint| *field(&mut endpoint.prices) = price);
}

#[component]
fn Price(id: String, label: &'static str, value: f64, set: impl Fn(f64) + 'static) -> impl IntoView {
    let change = move |event: ev::Event| {
        let price = event_target_value(&event).parse().unwrap_or(0.0_f64);
        set(if price.is_finite() { price.max(0.0) } else { 0.0 });
    };
    view! {
        <label for=id.clone()>{label}</label>
        <input type="number" id=id min="0" step="any" value=value.to_string() on:change=change/>
    }
}
