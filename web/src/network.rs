//! The network as the reader allows it: the switch that cuts it, and the servers that may be asked. The service worker holds
//! every request of the page and its workers to this.

use crate::{address, storage};
use js_sys::{Function, Object, Promise, Reflect};
use leptos::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::ServiceWorkerContainer;

/// Longest wait for the service worker's answer.
const PATIENCE_MS: i32 = 2000;
/// Where models come from when no address is named.
const HUB: &str = "https://huggingface.co";

#[wasm_bindgen]
extern "C" {
    type MessageChannel;
    #[wasm_bindgen(constructor)]
    fn new() -> MessageChannel;
    #[wasm_bindgen(method, getter)]
    fn port1(this: &MessageChannel) -> Port;
    #[wasm_bindgen(method, getter)]
    fn port2(this: &MessageChannel) -> Port;

    type Port;
    #[wasm_bindgen(method, setter)]
    fn set_onmessage(this: &Port, hear: &Function);

    #[wasm_bindgen(extends = web_sys::ServiceWorker)]
    type Controller;
    #[wasm_bindgen(method, catch, js_name = postMessage)]
    fn post(this: &Controller, message: &JsValue, ports: &js_sys::Array) -> Result<(), JsValue>;
}

/// What may be asked; a copyable handle.
#[derive(Clone, Copy)]
pub struct Network {
    /// Whether the network is switched off.
    pub airplane: RwSignal<bool>,
    /// Origins that may be asked besides the page's own.
    allowed: RwSignal<BTreeSet<String>>,
}

impl Default for Network {
    fn default() -> Self {
        let (airplane, allowed) = saved();
        Self { airplane: RwSignal::new(airplane), allowed: RwSignal::new(allowed) }
    }
}

impl Network {
    /// Cuts the network or opens it again; done once the service worker knows.
    pub async fn switch(self, airplane: bool) {
        storage::set(storage::AIRPLANE, if airplane { "on" } else { "" });
        // The page refuses first and allows last.
        if airplane {
            self.airplane.set(true);
        }
        self.tell_of(airplane).await;
        self.airplane.set(airplane);
    }

    /// Lets requests out to where `address` is; done once the service worker knows.
    pub async fn allow(self, address: &str) {
        let Some(origin) = address::origin(address) else { return };
        if origin != address::own_origin() && self.allowed.try_update(|allowed| allowed.insert(origin)) == Some(true) {
            let json = self.allowed.with_untracked(|allowed| serde_json::to_string(allowed).unwrap_or_default());
            storage::set(storage::ALLOWED, &json);
        }
        self.tell().await;
    }

    /// Lets requests out to where a model of the library comes from.
    pub async fn allow_source(self, source: &str) {
        let is_address = source.contains("://");
        self.allow(if is_address { source } else { HUB }).await;
    }

    /// Keeps requests from the origin of `address` from now on.
    pub async fn forbid(self, address: &str) {
        let Some(origin) = address::origin(address) else { return };
        self.allowed.update(|allowed| {
            allowed.remove(&origin);
        });
        let json = self.allowed.with_untracked(|allowed| serde_json::to_string(allowed).unwrap_or_default());
        storage::set(storage::ALLOWED, &json);
        self.tell().await;
    }

    /// The origins that may be asked besides the page's own.
    pub fn allowed(self) -> Vec<String> {
        self.allowed.with(|allowed| allowed.iter().cloned().collect())
    }

    /// Tells the service worker what is allowed, where there is one that controls the page.
    pub async fn tell(self) {
        self.tell_of(self.airplane.get_untracked()).await;
    }

    async fn tell_of(self, airplane: bool) {
        let words = untrack(|| json!({"type": "network", "airplane": airplane, "allowed": self.allowed()}));
        ask(&words.to_string()).await;
    }

    /// Follows what other tabs decide.
    pub fn follow(self) {
        let heard = window_event_listener_untyped("storage", move |_| {
            let (airplane, allowed) = saved();
            self.allowed.set(allowed);
            if self.airplane.get_untracked() != airplane {
                self.airplane.set(airplane);
            }
        });
        on_cleanup(move || heard.remove());
    }
}

/// What was decided before, here or in another tab.
fn saved() -> (bool, BTreeSet<String>) {
    let allowed = storage::get(storage::ALLOWED).and_then(|json| serde_json::from_str(&json).ok());
    (storage::get(storage::AIRPLANE).is_some(), allowed.unwrap_or_default())
}

/// The browser's service workers; `None` where it has none for this page, as in some private windows.
pub fn container() -> Option<ServiceWorkerContainer> {
    let navigator = window().navigator();
    let found = Reflect::get(&navigator, &"serviceWorker".into()).ok()?;
    (!found.is_undefined()).then(|| found.unchecked_into())
}

/// Sends words to the service worker that controls the page and returns its answer.
pub async fn ask(json: &str) -> Option<String> {
    let controller: Controller = container()?.controller()?.unchecked_into();
    let message = js_sys::JSON::parse(json).unwrap_or_else(|_| Object::new().into());
    let channel = MessageChannel::new();
    let answered = Promise::new(&mut |resolve, _| {
        let give_up = resolve.clone();
        let hear = Closure::once_into_js(move |event: JsValue| {
            let data = Reflect::get(&event, &"data".into()).unwrap_or_default();
            // Resolving a promise does not fail.
            let _ = resolve.call1(&JsValue::UNDEFINED, &data);
        });
        channel.port1().set_onmessage(hear.unchecked_ref());
        // A browser that stopped its service worker for good must not stop the page.
        let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&give_up, PATIENCE_MS);
    });
    controller.post(&message, &js_sys::Array::of1(&channel.port2())).ok()?;
    JsFuture::from(answered).await.ok()?.as_string()
}
