//! The device report: what this browser and its graphics adapter offer and what the engine made of it, as text for bug reports.

use crate::chat::Chat;
use crate::copy::Copy;
use crate::dialog::Dialog;
use crate::js::{call, get};
use crate::judge::Judge;
use crate::network::{self, Network};
use crate::offline::{Kept, Offline};
use crate::strings::device as words;
use crate::{amount, meter};
use citer_core::message::Kernel;
use leptos::prelude::*;
use std::fmt::Write;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// Limits of an adapter that decide what runs.
const LIMITS: [&str; 8] = [
    "maxBufferSize",
    "maxStorageBufferBindingSize",
    "maxStorageBuffersPerShaderStage",
    "maxComputeWorkgroupStorageSize",
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupSizeX",
    "maxComputeWorkgroupsPerDimension",
    "maxBindGroups",
];

/// Whether the dialog is open.
#[derive(Clone, Copy)]
pub struct DeviceReport(pub RwSignal<bool>);

/// The button that opens it.
#[component]
pub fn DeviceButton() -> impl IntoView {
    let DeviceReport(open) = expect_context();
    view! {
        <button type="button" class="link" id="device-open" aria-haspopup="dialog" on:click=move |_| open.set(true)>
            {words::TITLE}
        </button>
    }
}

/// The dialog.
#[component]
pub fn DeviceDialog() -> impl IntoView {
    let DeviceReport(open) = expect_context();
    view! {
        <Dialog id="device" title=words::TITLE open=open>
            <Contents/>
        </Dialog>
    }
}

#[component]
fn Contents() -> impl IntoView {
    let (chat, offline) = (expect_context::<Chat>(), expect_context::<Offline>());
    let network = chat.network;
    let browser = RwSignal::new(words::LOOKING.to_owned());
    spawn_local(async move { browser.set(about_browser(network, offline).await) });
    let text = Signal::derive(move || format!("{}\n{}", engine(chat), browser.get()));
    view! {
        <p class="quiet">{words::INTRO}</p>
        <pre id="device-text" tabindex="0" role="region" aria-label=words::TITLE>{move || text.get()}</pre>
        <div class="buttons">
            <Copy text/>
            <a class="link" href="bench.html" target="_blank" rel="noopener">{words::BENCH}</a>
        </div>
    }
}

/// What the engine found out, line by line.
fn engine(chat: Chat) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{name}: {value}");
    };
    line("Citer", env!("CARGO_PKG_VERSION"));
    chat.engine.with(|engine| {
        line("engine", engine.name());
        if let crate::engine::EngineState::Failed(error) = engine {
            line("error", error);
        }
        if let Some(info) = engine.info() {
            line("model", &format!("{}, {}", info.model, amount::parameters(info.parameters)));
            line("adapter in use", &info.adapter);
            line("loaded in", &amount::time(info.load_ms));
            line("context", &info.context.to_string());
            line("tokens judged by", words::judge(Judge::of(info)));
            line("recommended threshold", &info.threshold.to_string());
        }
    });
    line("speed of the last answer", &meter::speed(chat).unwrap_or_else(|| words::NO_ANSWER.into()));
    chat.server.with(|server| line("server", server.name()));
    chat.kernels.with(|kernels| {
        let wrong = kernels.iter().filter(|kernel| kernel.error > 1.0).count();
        line("kernel variants tried", &format!("{}, {wrong} of them wrong and not used", kernels.len()));
        line("known from an earlier visit", if chat.remembered.get() { "yes" } else { "no" });
        kernels.iter().for_each(|kernel| line("kernel", &of_kernel(kernel)));
    });
    out
}

fn of_kernel(kernel: &Kernel) -> String {
    let Kernel { kernel, variant, error, micros, chosen } = kernel;
    let time = micros.map_or_else(|| "not timed".to_owned(), |micros| format!("{micros:.0} µs"));
    let chosen = if *chosen { ", chosen" } else { "" };
    format!("{kernel}, {variant}: {time}, error {error:.3} of what is allowed{chosen}")
}

/// What the browser tells about itself, its graphics adapters and its storage.
async fn about_browser(network: Network, offline: Offline) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name}: {value}");
    };
    let navigator: JsValue = window().navigator().into();
    let text = |value: &JsValue| value.as_string().or_else(|| value.as_f64().map(|number| number.to_string()));
    for (name, field) in [
        ("browser", "userAgent"),
        ("languages", "language"),
        ("processor threads", "hardwareConcurrency"),
        ("memory, GiB at least", "deviceMemory"),
    ] {
        line(name, &text(&get(&navigator, field)).unwrap_or_else(|| words::NOT_SAID.into()));
    }
    line("secure context", &get(&window(), "isSecureContext").is_truthy().to_string());
    let gpu = get(&navigator, "gpu");
    let adapter = if gpu.is_object() { call(&gpu, "requestAdapter").await } else { None };
    match adapter.filter(JsValue::is_object) {
        None => line("WebGPU", if gpu.is_object() { words::NO_ADAPTER } else { words::NO_WEBGPU }),
        Some(adapter) => {
            let info = get(&adapter, "info");
            let parts = ["vendor", "architecture", "device", "description"].map(|part| text(&get(&info, part)));
            let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
            line("WebGPU adapter", &parts.join(", "));
            let limits = get(&adapter, "limits");
            for limit in LIMITS {
                line(limit, &text(&get(&limits, limit)).unwrap_or_else(|| words::NOT_SAID.into()));
            }
            let features = js_sys::Array::from(&get(&adapter, "features"));
            let features: Vec<String> = features.iter().filter_map(|feature| feature.as_string()).collect();
            line("features", &features.join(", "));
        }
    }
    let storage = get(&navigator, "storage");
    let estimate = if storage.is_object() { call(&storage, "estimate").await } else { None };
    let bytes = |name: &str| estimate.as_ref().and_then(|estimate| get(estimate, name).as_f64()).map(|n| n as u64);
    match (bytes("usage"), bytes("quota")) {
        (Some(used), Some(quota)) => line("storage", &format!("{} of {}", amount::bytes(used), amount::bytes(quota))),
        _ => line("storage", words::NOT_SAID),
    }
    let kept = if storage.is_object() { call(&storage, "persisted").await } else { None };
    line("storage is kept", &kept.is_some_and(|kept| kept.is_truthy()).to_string());
    let shell = offline.kept.with_untracked(|kept| match kept {
        Kept::Refused(reason) => reason.clone(),
        kept => kept.name().to_owned(),
    });
    line("offline use", &shell);
    let version = network::ask(r#"{"type":"version"}"#).await;
    line("version of the page", &version.unwrap_or_else(|| words::NOT_SAID.into()));
    line("airplane mode", &network.airplane.get_untracked().to_string());
    line("other origins allowed", &untrack(|| network.allowed()).len().to_string());
    out
}
