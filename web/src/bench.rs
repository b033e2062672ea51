//! The benchmark page: measures the engine on this device and shows the report.
//!
//! `?model=` names a GGUF file, `?contexts=16,512` the contexts and `?decode=32` the tokens at each; `?cache=f16`
//! keeps keys and values in 16-bit floats where the adapter has them; `?engine=cpu` measures the processor.

use crate::engine::EngineWorker;
use crate::ledger::Sent;
use crate::network::Network;
use crate::{address, strings};
use citer_core::message::{FromWorker, ToWorker};
use leptos::prelude::*;
use serde_json::Value;
use wasm_bindgen_futures::spawn_local;
use web_sys::UrlSearchParams;

/// What the page shows.
#[derive(Clone, Debug, PartialEq)]
enum State {
    Running(String),
    Done(String),
    Failed(String),
}

/// What the address asks for.
fn wanted() -> ToWorker {
    let query = window().location().search().ok().and_then(|search| UrlSearchParams::new_with_str(&search).ok());
    let get = |name: &str| query.as_ref().and_then(|query| query.get(name));
    let numbers = |text: String| text.split(',').filter_map(|number| number.trim().parse().ok()).collect::<Vec<_>>();
    ToWorker::Bench {
        models_url: address::models(),
        model_url: get("model").map(|model| address::absolute(&model)),
        contexts: get("contexts").map(numbers).filter(|all| !all.is_empty()).unwrap_or_else(|| vec![16, 128, 512]),
        decode: get("decode").and_then(|text| text.parse().ok()).unwrap_or(32),
        half_cache: get("cache").as_deref() == Some("f16"),
    }
}

/// The page.
#[component]
pub fn Bench() -> impl IntoView {
    let state = RwSignal::new(State::Running(strings::ENGINE_STARTING.into()));
    let engine = StoredValue::new_local(None::<EngineWorker>);
    let hear = move |message: FromWorker| match message {
        // Before this it would not hear.
        FromWorker::Started => spawn_local(async move {
            let wanted = wanted();
            if let ToWorker::Bench { model_url: Some(url), .. } = &wanted {
                Network::default().allow(url).await;
            }
            engine.with_value(|engine| engine.iter().for_each(|engine| engine.post(&wanted)));
        }),
        FromWorker::Loading { stage, progress } => {
            state.set(State::Running(strings::bench_stage(&stage, progress)));
        }
        FromWorker::Bench { report } => state.set(State::Done(report)),
        FromWorker::Failed { error, .. } | FromWorker::NoDevice { error } => state.set(State::Failed(error)),
        FromWorker::Died(death) => state.set(State::Failed(death.detail)),
        _ => {}
    };
    match EngineWorker::start_on(address::wants_processor(), Sent::default(), hear) {
        Ok(worker) => engine.set_value(Some(worker)),
        Err(error) => state.set(State::Failed(error)),
    }
    // Scripts that measure read the outcome here.
    Effect::new(move |_| {
        let Some(root) = document().document_element() else { return };
        let written = match state.get() {
            State::Done(report) => root.set_attribute("data-bench", &report),
            State::Failed(error) => root.set_attribute("data-bench-error", &error),
            State::Running(_) => Ok(()),
        };
        drop(written);
    });
    view! {
        <main class="bench">
            <h1>{strings::BENCH}</h1>
            {move || match state.get() {
                State::Running(stage) => view! { <p role="status">{stage}</p> }.into_any(),
                State::Failed(error) => view! { <p role="alert">{error}</p> }.into_any(),
                State::Done(report) => view! { <Report report/> }.into_any(),
            }}
        </main>
    }
}

#[component]
fn Report(report: String) -> impl IntoView {
    let value: Value = serde_json::from_str(&report).unwrap_or_default();
    let pretty = serde_json::to_string_pretty(&value).unwrap_or(report);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_f64().map_or_else(String::new, |number| format!("{number:.1}"));
    let rows = value["speeds"].as_array().cloned().unwrap_or_default();
    view! {
        <p>{text(&value["model"]["name"])} ", " {text(&value["environment"]["adapter"])}</p>
        <table>
            <thead>
                <tr>{strings::BENCH_COLUMNS.map(|name| view! { <th scope="col">{name}</th> }).collect_view()}</tr>
            </thead>
            <tbody>
                {rows
                    .iter()
                    .map(|row| {
                        let names = ["context", "prefill_tokens_per_s", "decode_tokens_per_s", "single_tokens_per_s"];
                        let cells = names.map(|name| view! { <td>{number(&row[name])}</td> });
                        view! { <tr>{cells.collect_view()}</tr> }
                    })
                    .collect_view()}
            </tbody>
        </table>
        <pre tabindex="0">{pretty}</pre>
    }
}
