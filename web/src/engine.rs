//! The engine as the page sees it: its worker, its state, and the state of the server behind it.

use crate::ledger::Sent;
use crate::{js, strings};
use citer_core::Death;
use citer_core::message::{EngineInfo, FromWorker, ToWorker};
use std::cell::Cell;
use wasm_bindgen::prelude::*;
use web_sys::{Event, File, MessageEvent, Worker};

/// The script that starts the engine's program.
const SCRIPT: &str = "./citer-engine.js";
/// The same, for the program on the processor in any case.
const ON_PROCESSOR: &str = "./citer-engine.js?device=processor";

/// Whether the engine can answer.
#[derive(Clone, Debug, PartialEq)]
pub enum EngineState {
    /// On its way.
    Loading {
        /// What is being done.
        stage: String,
        /// 0 to 1.
        progress: f32,
    },
    /// Can answer.
    Ready(EngineInfo),
    /// Waits for another tab to end.
    Elsewhere,
    /// Cannot answer; says what is wrong and what to do.
    Failed(String),
}

impl EngineState {
    /// The state before the worker's first message.
    pub fn starting() -> Self {
        Self::Loading { stage: strings::ENGINE_STARTING.into(), progress: 0.0 }
    }

    /// For the page's `data-engine`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Loading { .. } => "loading",
            Self::Ready(_) => "ready",
            Self::Elsewhere => "elsewhere",
            Self::Failed(_) => "failed",
        }
    }

    /// What runs, once it runs.
    pub fn info(&self) -> Option<&EngineInfo> {
        match self {
            Self::Ready(info) => Some(info),
            _ => None,
        }
    }
}

/// Whether critical tokens can be asked of the LLM.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ServerState {
    /// Not asked yet.
    #[default]
    Unknown,
    /// There; holds the LLM's name.
    Available(String),
    /// Not there; says why.
    Unavailable(String),
}

impl ServerState {
    /// For the page's `data-server`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Available(_) => "available",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

thread_local! {
    /// The last worker's number.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// A running worker, for the engine or for the model library. It ends when this is dropped.
pub struct EngineWorker {
    worker: Worker,
    number: u64,
    sent: Sent,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl EngineWorker {
    /// Starts a worker, whose requests become rows of `sent`: on WebGPU where there is an adapter. A crash is heard as
    /// [`FromWorker::Died`].
    pub fn start(sent: Sent, hear: impl Fn(FromWorker) + Clone + 'static) -> Result<Self, String> {
        Self::start_on(false, sent, hear)
    }

    /// The same, on the processor if that is wanted.
    pub fn start_on(processor: bool, sent: Sent, hear: impl Fn(FromWorker) + Clone + 'static) -> Result<Self, String> {
        let number = COUNT.get() + 1;
        COUNT.set(number);
        let worker = Worker::new(if processor { ON_PROCESSOR } else { SCRIPT });
        let worker = worker.map_err(|error| strings::worker_refused(&text_of(&error)))?;
        let (tell, noting) = (hear.clone(), worker.clone());
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let json = event.data().as_string().unwrap_or_default();
            let message = serde_json::from_str(&json).unwrap_or_else(|error| FromWorker::Failed {
                answer: None,
                error: strings::message_unreadable(&error.to_string()),
            });
            match message {
                FromWorker::Request(news) => {
                    let worker = noting.clone();
                    sent.hear(number, news, move |request| post(&worker, &ToWorker::Noted { request }));
                }
                message => {
                    if let FromWorker::Token { event, requests, .. } = &message {
                        sent.settle(number, requests, event);
                    }
                    tell(message);
                }
            }
        });
        let on_error = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            hear(FromWorker::Died(Death::of(&text_of(&event))));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { worker, number, sent, _on_message: on_message, _on_error: on_error })
    }

    /// Sends a message.
    pub fn post(&self, message: &ToWorker) {
        post(&self.worker, message);
    }

    /// Sends a message with the files that belong to it.
    pub fn post_with(&self, message: &ToWorker, files: &[File]) {
        if let Ok(json) = serde_json::to_string(message) {
            let parts = js_sys::Array::of1(&json.into());
            files.iter().for_each(|file| {
                parts.push(file);
            });
            // Files are handed over by name; that fails in no browser.
            let _ = self.worker.post_message(&parts);
        }
    }

    /// Ends the worker now; it hears and says nothing more.
    pub fn end(&self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
        self.sent.lost(self.number);
    }
}

impl Drop for EngineWorker {
    fn drop(&mut self) {
        self.end();
    }
}

fn post(worker: &Worker, message: &ToWorker) {
    if let Ok(json) = serde_json::to_string(message) {
        // Posting a string fails in no browser.
        let _ = worker.post_message(&json.into());
    }
}

/// The `message` of an error or event; a script that cannot be loaded has none.
fn text_of(value: &JsValue) -> String {
    js::message(value).filter(|text| !text.is_empty()).unwrap_or_else(|| strings::NO_SCRIPT.into())
}
