//! The shelf as the page knows it: the library worker's news, and requests to it. The worker starts when the dialog is
//! first opened.

use crate::engine::EngineWorker;
use crate::ledger::Sent;
use crate::network::Network;
use crate::strings;
use citer_core::library::{LibraryNews, LibraryRequest, ModelState, StorageUse, StoredModel};
use citer_core::message::{FromWorker, ToWorker};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::File;

/// The page's view of the library; a copyable handle.
#[derive(Clone, Copy)]
pub struct Models {
    /// Whether the dialog is open.
    pub open: RwSignal<bool>,
    /// The stored models.
    pub models: RwSignal<Vec<StoredModel>>,
    /// The storage, once it was asked for.
    pub storage: RwSignal<Option<StorageUse>>,
    /// Bytes of the library worker's memory.
    pub memory: RwSignal<u64>,
    /// What went wrong or well last, for the model or the library as a whole.
    pub words: RwSignal<Option<(Option<String>, String)>>,
    /// Whether a model is being looked up.
    pub looking: RwSignal<bool>,
    network: Network,
    sent: Sent,
    worker: StoredValue<Option<EngineWorker>, LocalStorage>,
    /// Requests that came before the worker was there.
    waiting: StoredValue<Vec<(LibraryRequest, Vec<File>)>, LocalStorage>,
    started: StoredValue<bool>,
}

impl Models {
    /// A shelf that nobody has looked at yet.
    pub fn new(network: Network, sent: Sent) -> Self {
        Self {
            network,
            sent,
            open: RwSignal::new(false),
            models: RwSignal::default(),
            storage: RwSignal::default(),
            memory: RwSignal::new(0),
            words: RwSignal::default(),
            looking: RwSignal::new(false),
            worker: StoredValue::new_local(None),
            waiting: StoredValue::new_local(Vec::new()),
            started: StoredValue::new(false),
        }
    }

    /// Asks something of the library.
    pub fn ask(self, request: LibraryRequest) {
        self.ask_with(request, Vec::new());
    }

    /// Asks something of the library, with files.
    pub fn ask_with(self, request: LibraryRequest, files: Vec<File>) {
        if request != LibraryRequest::List {
            self.words.set(None);
        }
        if matches!(request, LibraryRequest::Add { .. }) {
            self.looking.set(true);
        }
        let Some(source) = self.source_of(&request) else { return self.send(request, files) };
        if self.network.airplane.get_untracked() {
            return self.say(None, strings::shell::AIRPLANE_MODELS.into());
        }
        spawn_local(async move {
            self.network.allow_source(&source).await;
            self.send(request, files);
        });
    }

    /// The network is cut: what is being downloaded waits.
    pub fn pause(self) {
        let busy = |model: &&StoredModel| model.state == ModelState::Downloading;
        let ids = self.models.with_untracked(|all| all.iter().filter(busy).map(|m| m.id.clone()).collect::<Vec<_>>());
        ids.into_iter().for_each(|model| self.send(LibraryRequest::Pause { model }, Vec::new()));
    }

    /// Where a request fetches from, if it does.
    fn source_of(self, request: &LibraryRequest) -> Option<String> {
        let of = |id: &String| {
            let found = |all: &Vec<StoredModel>| all.iter().find(|model| model.id == *id).map(|m| m.origin.clone());
            self.models.with_untracked(found)
        };
        match request {
            LibraryRequest::Add { source } => Some(source.clone()),
            LibraryRequest::Resume { model } => of(model),
            _ => None,
        }
    }

    fn send(self, request: LibraryRequest, files: Vec<File>) {
        if self.started.get_value() {
            self.post(request, &files);
            return;
        }
        self.waiting.update_value(|waiting| waiting.push((request, files)));
        if self.worker.with_value(Option::is_none) {
            match EngineWorker::start(self.sent, move |message| self.hear(message)) {
                Ok(worker) => self.worker.set_value(Some(worker)),
                Err(error) => self.say(None, error),
            }
        }
    }

    fn post(self, request: LibraryRequest, files: &[File]) {
        let message = ToWorker::Library(request);
        self.worker.with_value(|worker| worker.iter().for_each(|worker| worker.post_with(&message, files)));
    }

    fn say(self, model: Option<String>, words: String) {
        self.looking.set(false);
        self.words.set(Some((model, words)));
    }

    fn hear(self, message: FromWorker) {
        match message {
            FromWorker::Started => {
                self.started.set_value(true);
                let waiting = self.waiting.try_update_value(std::mem::take).unwrap_or_default();
                waiting.into_iter().for_each(|(request, files)| self.post(request, &files));
            }
            FromWorker::Library(news) => self.learn(news),
            FromWorker::Died(death) => self.lose(death.to_string()),
            FromWorker::Failed { error, .. } => self.lose(error),
            _ => {}
        }
    }

    /// The worker is gone. What is stored stays; the next request starts another one.
    fn lose(self, error: String) {
        self.worker.set_value(None);
        self.started.set_value(false);
        self.models.update(|models| {
            for model in models.iter_mut().filter(|model| is_busy(model.state)) {
                model.state = ModelState::Partial;
            }
        });
        self.say(None, strings::sentence(&error));
    }

    fn learn(self, news: LibraryNews) {
        match news {
            LibraryNews::Models { models, storage, memory } => {
                self.memory.set(memory);
                self.looking.set(false);
                self.models.set(models);
                self.storage.set(Some(storage));
            }
            LibraryNews::Progress { model, done, total } => self.models.update(|models| {
                if let Some(found) = models.iter_mut().find(|found| found.id == model) {
                    (found.stored, found.bytes) = (done, total);
                }
            }),
            LibraryNews::Failed { model, error } => {
                self.say(model, strings::sentence(&error));
            }
            LibraryNews::Done { model, text } => self.say(Some(model), text),
        }
    }
}

/// Whether the model is being worked on.
pub fn is_busy(state: ModelState) -> bool {
    matches!(state, ModelState::Downloading | ModelState::Checking)
}
