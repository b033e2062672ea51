//! Offline first: the service worker that keeps the page on the device, and new versions of the page, taken when the reader
//! says so.

use crate::js;
use crate::network::{self, Network};
use crate::strings::shell as words;
use js_sys::Reflect;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{ServiceWorkerRegistration, ServiceWorkerState};

const SCRIPT: &str = "./service-worker.js";

/// Whether the page works without network.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Kept {
    /// On its way to the device.
    #[default]
    Coming,
    /// On the device.
    Ready,
    /// A newer version is on the device too, and waits.
    Newer,
    /// Another tab took a newer version; this one still shows the one before.
    Overtaken,
    /// The browser does not keep it; says why.
    Refused(String),
}

impl Kept {
    /// For the page's `data-offline`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Coming => "coming",
            Self::Ready => "ready",
            Self::Newer | Self::Overtaken => "newer",
            Self::Refused(_) => "refused",
        }
    }
}

/// The page on the device; a copyable handle.
#[derive(Clone, Copy)]
pub struct Offline {
    /// How far it is.
    pub kept: RwSignal<Kept>,
    registration: StoredValue<Option<ServiceWorkerRegistration>, LocalStorage>,
    /// Whether the reader wants the newer version now.
    wanted: StoredValue<bool>,
    /// Whether the engine on the processor is needed and not on the device yet.
    lacks_processor: RwSignal<bool>,
}

impl Offline {
    /// Registers the service worker, and hears about newer ones and about requests that were refused.
    pub fn start(network: Network, refused: impl Fn(String, String) + 'static) -> Self {
        let offline = Self {
            kept: RwSignal::default(),
            registration: StoredValue::new_local(None),
            wanted: StoredValue::new(false),
            lacks_processor: RwSignal::new(false),
        };
        spawn_local(async move {
            if let Err(reason) = offline.register(network, refused).await {
                offline.kept.set(Kept::Refused(reason));
            }
        });
        offline
    }

    async fn register(self, network: Network, refused: impl Fn(String, String) + 'static) -> Result<(), String> {
        let container = network::container().ok_or(words::NO_SERVICE_WORKER)?;
        let controlled = StoredValue::new(container.controller().is_some());
        let changed = Closure::<dyn FnMut()>::new(move || {
            let was_controlled = controlled.get_value();
            controlled.set_value(true);
            if self.wanted.get_value() {
                reload();
            } else if was_controlled {
                self.kept.set(Kept::Overtaken);
            } else {
                spawn_local(network.tell());
                self.look();
            }
        });
        container.set_oncontrollerchange(Some(changed.as_ref().unchecked_ref()));
        changed.forget();
        let hear = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            let data = Reflect::get(&event, &"data".into()).unwrap_or_default();
            let word = |name: &str| Reflect::get(&data, &name.into()).ok().and_then(|word| word.as_string());
            if word("type").as_deref() == Some("refused") {
                refused(word("url").unwrap_or_default(), word("reason").unwrap_or_default());
            }
        });
        container.set_onmessage(Some(hear.as_ref().unchecked_ref()));
        hear.forget();
        network.tell().await;
        let registered = JsFuture::from(container.register(SCRIPT)).await;
        let registration: ServiceWorkerRegistration = registered.map_err(|error| text_of(&error))?.unchecked_into();
        let found = Closure::<dyn FnMut()>::new(move || self.watch());
        registration.set_onupdatefound(Some(found.as_ref().unchecked_ref()));
        found.forget();
        self.registration.set_value(Some(registration));
        self.watch();
        Ok(())
    }

    /// Watches the version that is on its way.
    fn watch(self) {
        let coming = self.registration.with_value(|registration| registration.as_ref().and_then(|r| r.installing()));
        if let Some(coming) = coming {
            let worker = coming.clone();
            let changed = Closure::<dyn FnMut()>::new(move || {
                let first = self.registration.with_value(|r| r.as_ref().is_some_and(|r| r.active().is_none()));
                if worker.state() == ServiceWorkerState::Redundant && first {
                    self.kept.set(Kept::Refused(words::NOT_KEPT.into()));
                } else {
                    self.look();
                }
            });
            coming.set_onstatechange(Some(changed.as_ref().unchecked_ref()));
            changed.forget();
        }
        self.look();
    }

    /// For the page's `data-offline`.
    pub fn name(self) -> &'static str {
        let lacks = self.lacks_processor.get();
        self.kept.with(|kept| match kept {
            Kept::Ready if lacks => Kept::Coming.name(),
            kept => kept.name(),
        })
    }

    /// This device needs the engine on the processor: it is kept for offline use too, once the page is.
    pub fn keep_processor(self) {
        if network::container().is_none() {
            return;
        }
        self.lacks_processor.set(true);
        Effect::new(move || {
            if self.kept.with(|kept| *kept != Kept::Ready) {
                return;
            }
            spawn_local(async move {
                for wait in [0, 500, 1000, 2000, 4000, 8000] {
                    sleep(wait).await;
                    if network::ask(r#"{"type":"keep-processor"}"#).await.as_deref() == Some("kept") {
                        return self.lacks_processor.set(false);
                    }
                }
            });
        });
    }

    fn look(self) {
        let [active, waiting] = self.registration.with_value(|registration| {
            let Some(registration) = registration else { return [false; 2] };
            let is_active = registration.active().is_some_and(|worker| worker.state() == ServiceWorkerState::Activated);
            [is_active, registration.waiting().is_some()]
        });
        if self.kept.with_untracked(|kept| *kept == Kept::Overtaken) {
            return;
        }
        self.kept.set(match (active, waiting) {
            (true, true) => Kept::Newer,
            (true, false) => Kept::Ready,
            (false, _) => Kept::Coming,
        });
    }

    /// The reader takes the newer version: it becomes the page's, which is loaded again.
    fn take(self) {
        self.wanted.set_value(true);
        let waiting = self.registration.with_value(|registration| registration.as_ref().and_then(|r| r.waiting()));
        match waiting {
            Some(waiting) => {
                let message = js_sys::JSON::parse(r#"{"type":"activate"}"#).unwrap_or_default();
                if waiting.post_message(&message).is_err() {
                    reload();
                }
            }
            None => reload(),
        }
    }
}

async fn sleep(milliseconds: i32) {
    let passed = js_sys::Promise::new(&mut |resolve, _| {
        // A window without timers does not exist; if it refused one, the wait would just be over.
        if window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds).is_err() {
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    let _ = JsFuture::from(passed).await;
}

fn reload() {
    // A page that may not be loaded again stays as it is.
    let _ = window().location().reload();
}

fn text_of(error: &JsValue) -> String {
    js::message(error).unwrap_or_else(|| words::NO_SERVICE_WORKER.into())
}

/// The bar that offers a newer version.
#[component]
pub fn NewVersion() -> impl IntoView {
    let offline = expect_context::<Offline>();
    let is_newer = move || offline.kept.with(|kept| matches!(kept, Kept::Newer | Kept::Overtaken));
    view! {
        <div class="new-version" role="status">
            <Show when=is_newer>
                <span>{words::NEW_VERSION}</span>
                <button type="button" class="button primary" id="reload" on:click=move |_| offline.take()>
                    {words::RELOAD}
                </button>
            </Show>
        </div>
    }
}

/// The switch that cuts the network.
#[component]
pub fn AirplaneSwitch() -> impl IntoView {
    let network = expect_context::<Network>();
    let models = expect_context::<crate::models::Models>();
    let label = move || if network.airplane.get() { words::AIRPLANE_ON } else { words::AIRPLANE_OFF };
    view! {
        <button
            type="button"
            class="button icon airplane"
            id="airplane"
            aria-pressed=move || network.airplane.get().to_string()
            aria-label=words::AIRPLANE
            title=label
            on:click=move |_| {
                let airplane = !network.airplane.get_untracked();
                if airplane {
                    models.pause();
                }
                spawn_local(network.switch(airplane));
            }
        >
            <span aria-hidden="true">"✈"</span>
            <span class="folded-words">{words::AIRPLANE}</span>
        </button>
    }
}
