//! The engine on the processor, where there is no WebGPU or it failed: the reader is told so, and what gives the page WebGPU.

use crate::chat::Chat;
use crate::js::{call, get};
use crate::storage;
use crate::strings::processor as words;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// Why the engine runs on the processor.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// The address asks for it.
    Asked,
    /// The graphics device failed; holds what happened.
    Failed(String),
    /// Pages that come over an insecure connection have no WebGPU.
    Insecure,
    /// The browser has none.
    NoWebGpu,
    /// The browser has WebGPU and no adapter for it.
    NoAdapter,
    /// There is an adapter now.
    Came,
}

impl Why {
    /// What the browser lacks.
    async fn find() -> Self {
        let gpu = get(&window().navigator(), "gpu");
        if gpu.is_object() {
            let adapter = call(&gpu, "requestAdapter").await;
            return if adapter.is_some_and(|found| found.is_object()) { Self::Came } else { Self::NoAdapter };
        }
        if get(&window(), "isSecureContext").is_truthy() { Self::NoWebGpu } else { Self::Insecure }
    }

    /// For what is remembered.
    fn name(&self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Failed(_) => "failed",
            Self::Insecure => "insecure",
            Self::NoWebGpu => "no-webgpu",
            Self::NoAdapter => "no-adapter",
            Self::Came => "came",
        }
    }

    /// Whether the reader has read it on an earlier visit; a failure is always news.
    fn is_known(&self) -> bool {
        !self.may_end() && storage::get(storage::PROCESSOR).as_deref() == Some(self.name())
    }

    /// Whether another try may find a graphics device.
    fn may_end(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Came)
    }
}

/// Shown while the engine runs on the processor, until the reader has read it.
#[component]
pub fn ProcessorNote() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let why = RwSignal::new(None::<Why>);
    let is_read = RwSignal::new(false);
    let runs = Memo::new(move |_| chat.engine.with(|engine| engine.info().is_some_and(|info| info.on_processor)));
    Effect::new(move || {
        let (runs, forced) = (runs.get(), chat.processor.get());
        if !runs {
            return why.set(None);
        }
        is_read.set(false);
        match forced {
            Some(forced) => why.set(Some(forced)),
            None => spawn_local(async move { why.set(Some(Why::find().await)) }),
        }
    });
    view! {
        <div role="status">
            {move || {
                why.get().filter(|why| !is_read.get() && !why.is_known()).map(|why| {
                    let again = why.may_end();
                    let name = why.name();
                    view! {
                        <section class="processor-note" id="processor-note">
                            <div class="processor-words">
                                <p>{words::note(&why)}</p>
                                {words::advice(&why)
                                    .map(|advice| {
                                        view! {
                                            <details>
                                                <summary>{words::WHAT_TO_DO}</summary>
                                                <p>{advice}</p>
                                            </details>
                                        }
                                    })}
                            </div>
                            <div class="buttons">
                                <Show when=move || again>
                                    <button
                                        type="button"
                                        class="button"
                                        id="webgpu-again"
                                        on:click=move |_| chat.use_webgpu()
                                    >
                                        {words::AGAIN}
                                    </button>
                                </Show>
                                <button
                                    type="button"
                                    class="button"
                                    id="processor-read"
                                    on:click=move |_| {
                                        storage::set(storage::PROCESSOR, name);
                                        is_read.set(true);
                                    }
                                >
                                    {words::READ}
                                </button>
                            </div>
                        </section>
                    }
                })
            }}
        </div>
    }
}
