//! The engine worker: runs the SLM, the router and the routed decoder off the page's thread, on WebGPU or, in a program of
//! its own, on the processor.

mod answer;
#[cfg(all(feature = "cpu", not(feature = "gpu")))]
mod cpu;
mod download;
mod engine;
#[cfg(feature = "gpu")]
mod gpu;
mod library;
mod memory;
mod ownership;
mod server;
mod stored;
mod told;

/// Where this program's engine runs.
#[cfg(all(feature = "cpu", not(feature = "gpu")))]
use cpu as device;
#[cfg(feature = "gpu")]
use gpu as device;

use answer::Request;
use citer_core::StopFlag;
use citer_core::message::{FromWorker, ServerAddress, ToWorker};
use citer_core::revival::{Death, Fault};
use citer_files::LocalVocabulary;
use citer_lm::bench::Plan;
use citer_remote::SharedVocabulary;
use engine::Loaded;
use futures::future::join;
use library::Shelf;
use ownership::Ownership;
use server::Server;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

/// What the worker holds between messages. An answer in progress takes `loaded` out.
#[derive(Default)]
struct State {
    loaded: Option<Loaded>,
    /// The servers, unless an answer in progress has taken them out.
    server: Option<Server>,
    addresses: Vec<ServerAddress>,
    look_ahead: u32,
    /// The local vocabulary, once a model was loaded.
    vocabulary: Option<SharedVocabulary>,
    stop: Option<StopFlag>,
    fault: Option<Fault>,
    ownership: Rc<Ownership>,
    shelf: Rc<Shelf>,
}

type Shared = Rc<RefCell<State>>;

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Sends a message to the page.
fn post(message: &FromWorker) {
    if let Ok(json) = serde_json::to_string(message) {
        // Posting fails only when the page is gone.
        let _ = scope().post_message(&json.into());
    }
}

/// Runs the worker: hears the page until it ends.
pub fn run() {
    run_constructors_once();
    report_failures();
    let state = Shared::default();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let (text, files) = parts(event.data());
        match serde_json::from_str(&text) {
            Ok(message) => wasm_bindgen_futures::spawn_local(handle(state.clone(), message, files)),
            Err(error) => {
                post(&FromWorker::Failed { answer: None, error: format!("unknown message ({error}): reload the page") })
            }
        }
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    post(&FromWorker::Started);
}

/// A message is its JSON, or a list of its JSON and the files that belong to it.
fn parts(data: JsValue) -> (String, Vec<File>) {
    let list: Vec<JsValue> =
        if js_sys::Array::is_array(&data) { js_sys::Array::from(&data).to_vec() } else { vec![data] };
    let text = list.first().and_then(JsValue::as_string).unwrap_or_default();
    (text, list.into_iter().skip(1).filter_map(|file| file.dyn_into().ok()).collect())
}

async fn handle(state: Shared, message: ToWorker, files: Vec<File>) {
    match message {
        ToWorker::Load { models_url, server_url, model } => {
            let ownership = state.borrow().ownership.clone();
            ownership.obtain().await;
            let loading = async {
                match &model {
                    Some(model) => stored::load(model, &models_url).await,
                    None => engine::load(&models_url).await,
                }
            };
            // The server is known before the page may ask: the first answer, or one that goes on, must not miss it.
            let addresses: Vec<ServerAddress> = server_url.into_iter().map(ServerAddress::at).collect();
            let mut server = Server::at(&addresses, 1);
            let (loading, ()) = join(loading, server.look()).await;
            match loading {
                Ok(mut loaded) => {
                    let info = loaded.info.clone();
                    let (kernels, remembered) = (device::kernels(&mut loaded.engine), loaded.remembered);
                    post(&FromWorker::Kernels { kernels, remembered });
                    let vocabulary = LocalVocabulary::new(loaded.engine.shared_tokenizer(), loaded.engine.format());
                    state.borrow_mut().vocabulary = Some(Arc::new(vocabulary));
                    state.borrow_mut().loaded = Some(loaded);
                    (state.borrow_mut().addresses, state.borrow_mut().look_ahead) = (addresses, 1);
                    settle(&state, server).await;
                    post(&FromWorker::Ready(info));
                }
                Err(failure) => post(&failure.into()),
            }
        }
        ToWorker::Probe => {
            let server = Server::at(&state.borrow().addresses, state.borrow().look_ahead);
            settle(&state, server).await;
        }
        ToWorker::Connect { servers, look_ahead } => {
            let server = Server::at(&servers, look_ahead);
            (state.borrow_mut().addresses, state.borrow_mut().look_ahead) = (servers, look_ahead);
            settle(&state, server).await;
        }
        ToWorker::Stop => {
            if let Some(stop) = &state.borrow().stop {
                stop.stop();
            }
        }
        ToWorker::Answer { answer, turns, settings } => {
            let fault = state.borrow_mut().fault.take();
            make(&state, Request { answer, turns, events: Vec::new(), settings, fault }).await;
        }
        ToWorker::Continue { answer, turns, events, settings } => {
            make(&state, Request { answer, turns, events, settings, fault: None }).await;
        }
        ToWorker::Noted { request } => told::noted(request),
        ToWorker::TakeOver => state.borrow().ownership.take_over(),
        ToWorker::Fault(fault) => state.borrow_mut().fault = Some(fault),
        ToWorker::Bench { models_url, model_url, contexts, decode, half_cache } => {
            let plan = Plan { contexts, decode, half_cache };
            let ownership = state.borrow().ownership.clone();
            ownership.obtain().await;
            match device::bench::run(&models_url, model_url.as_deref(), &plan).await {
                Ok(report) => post(&FromWorker::Bench { report }),
                Err(error) => post(&FromWorker::Failed { answer: None, error }),
            }
        }
        ToWorker::Library(request) => {
            let shelf = state.borrow().shelf.clone();
            shelf.handle(request, files).await;
        }
    }
}

/// Makes an answer, or the rest of one.
async fn make(state: &Shared, request: Request) {
    let taken = state.borrow_mut().loaded.take();
    let Some(mut loaded) = taken else {
        let error = "the engine is not ready or still answering: wait a moment and send again".into();
        return post(&FromWorker::Failed { answer: Some(request.answer), error });
    };
    let stop = StopFlag::default();
    state.borrow_mut().stop = Some(stop.clone());
    // Another server may be settled on while this answer is made; then the next one asks it.
    let mut server = state.borrow_mut().server.take().unwrap_or_default();
    if let Err(message) = answer::answer(&mut loaded, &mut server, request, &stop).await {
        post(&message);
    }
    server.end();
    let mut state = state.borrow_mut();
    state.loaded = Some(loaded);
    state.server.get_or_insert(server);
    state.stop = None;
}

/// Finds out what the servers can do, takes them, and tells the page.
async fn settle(state: &Shared, mut server: Server) {
    let vocabulary = state.borrow().vocabulary.clone();
    let news = server.connect(vocabulary).await;
    state.borrow_mut().server = Some(server);
    post(&news);
}

/// Tells the page about a panic, or a trap in a task, before the worker dies; the page starts a new one.
fn report_failures() {
    fn fail(detail: &str) {
        web_sys::console::error_1(&detail.into());
        post(&FromWorker::Died(Death::of(detail)));
    }
    std::panic::set_hook(Box::new(|info| fail(&info.to_string())));
    // A trap inside a task is no `error` event of the worker, only a promise that nobody awaits.
    let on_rejection = Closure::<dyn FnMut(JsValue)>::new(|event: JsValue| {
        let reason = js_sys::Reflect::get(&event, &"reason".into()).unwrap_or(event);
        fail(&format!("{reason:?}"));
    });
    let listener = on_rejection.as_ref().unchecked_ref();
    if scope().add_event_listener_with_callback("unhandledrejection", listener).is_ok() {
        on_rejection.forget();
    }
}

/// cubecl registers itself through static constructors. Unless a program calls them itself, the linker wraps every
/// exported function in a full run of all constructors, which makes each call into wasm about 150 times dearer.
#[allow(unsafe_code)]
fn run_constructors_once() {
    #[cfg(target_family = "wasm")]
    {
        unsafe extern "C" {
            fn __wasm_call_ctors();
        }
        // SAFETY: the linker defines this function, and this is its only call, before anything else runs.
        unsafe { __wasm_call_ctors() }
    }
}
