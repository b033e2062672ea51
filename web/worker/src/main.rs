//! The engine worker: runs the SLM, the router and the routed decoder off the page's thread.

mod answer;
mod download;
mod engine;
mod server;

use citer_core::StopFlag;
use citer_core::message::{FromWorker, ToWorker};
use engine::Loaded;
use server::Server;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

/// What the worker holds between messages. An answer in progress takes `loaded` out.
#[derive(Default)]
struct State {
    loaded: Option<Loaded>,
    server: Server,
    stop: Option<StopFlag>,
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

fn main() {
    run_constructors_once();
    report_failures();
    let state = Shared::default();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let text = event.data().as_string().unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(message) => wasm_bindgen_futures::spawn_local(handle(state.clone(), message)),
            Err(error) => {
                post(&FromWorker::Failed { answer: None, error: format!("unknown message ({error}): reload the page") })
            }
        }
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    post(&FromWorker::Started);
}

async fn handle(state: Shared, message: ToWorker) {
    match message {
        ToWorker::Load { models_url, server_url } => {
            match engine::load(&models_url).await {
                Ok(loaded) => {
                    post(&FromWorker::Ready(loaded.info.clone()));
                    state.borrow_mut().loaded = Some(loaded);
                }
                Err(error) => post(&FromWorker::Failed { answer: None, error }),
            }
            probe(&state, Server::at(server_url)).await;
        }
        ToWorker::Probe => {
            let server = state.borrow().server.clone();
            probe(&state, server).await;
        }
        ToWorker::Stop => {
            if let Some(stop) = &state.borrow().stop {
                stop.stop();
            }
        }
        ToWorker::Answer { answer, turns, settings } => {
            let taken = state.borrow_mut().loaded.take();
            let Some(mut loaded) = taken else {
                let error = "the engine is not ready or still answering: wait a moment and send again".into();
                return post(&FromWorker::Failed { answer: Some(answer), error });
            };
            let stop = StopFlag::default();
            state.borrow_mut().stop = Some(stop.clone());
            let mut server = state.borrow().server.clone();
            let result = answer::answer(&mut loaded, &mut server, answer, &turns, &settings, &stop).await;
            if let Err(error) = result {
                post(&FromWorker::Failed { answer: Some(answer), error });
            }
            let mut state = state.borrow_mut();
            state.loaded = Some(loaded);
            state.stop = None;
        }
    }
}

async fn probe(state: &Shared, mut server: Server) {
    let tokenizer = state.borrow().loaded.as_ref().map(|loaded| loaded.engine.tokenizer().sha256().to_owned());
    let found = server.probe(tokenizer.as_deref()).await;
    state.borrow_mut().server = server;
    let (available, detail) = match found {
        Ok(name) => (true, name),
        Err(reason) => (false, reason),
    };
    post(&FromWorker::Server { available, detail });
}

/// Tells the page about a panic, or a trap in a task, before the worker dies; the page starts a new one.
fn report_failures() {
    fn fail(detail: &str) {
        web_sys::console::error_1(&detail.into());
        post(&FromWorker::Failed { answer: None, error: format!("the engine stopped ({detail}): restart it") });
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
