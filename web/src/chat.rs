//! The chat: everything the page knows, and what the reader and the engine can do to it.

use crate::conversation::{Conversation, Interrupted, State, Token, turns};
use crate::engine::{EngineState, EngineWorker, ServerState};
use crate::{address, storage, strings};
use citer_core::message::{FromWorker, ToWorker};
use citer_core::revival::{Next, Revival};
use citer_core::{Death, Mode, Settings};
use leptos::prelude::*;
use std::time::Duration;

/// The page's state; a copyable handle.
#[derive(Clone, Copy)]
pub struct Chat {
    /// Questions and answers.
    pub conversation: RwSignal<Conversation>,
    /// Whether the engine can answer.
    pub engine: RwSignal<EngineState>,
    /// Whether the LLM can be asked.
    pub server: RwSignal<ServerState>,
    /// Who may make tokens.
    pub mode: RwSignal<Mode>,
    /// The unsent question.
    pub draft: RwSignal<String>,
    /// Whether the running answer was asked to stop.
    pub stopping: RwSignal<bool>,
    /// The threshold that the reader chose; until then the router's own counts.
    chosen_threshold: RwSignal<Option<f32>>,
    worker: StoredValue<Option<EngineWorker>, LocalStorage>,
    /// The answer the worker is at, perhaps one that is no longer shown.
    busy: StoredValue<Option<u64>>,
    /// The model of the library that is used; none means the shipped one.
    pub model: RwSignal<Option<String>>,
    /// Counts the worker's deaths.
    revival: StoredValue<Revival>,
    /// Counts the workers, so that a restart that was overtaken does nothing.
    generation: StoredValue<u64>,
    /// Whether the failure that the address asks for is still to come.
    fault: StoredValue<bool>,
}

impl Chat {
    /// An empty chat, with the engine on its way.
    pub fn start() -> Self {
        let chat = Self {
            conversation: RwSignal::default(),
            engine: RwSignal::new(EngineState::starting()),
            server: RwSignal::default(),
            mode: RwSignal::new(saved_mode()),
            draft: RwSignal::new(storage::get(storage::DRAFT).unwrap_or_default()),
            stopping: RwSignal::new(false),
            chosen_threshold: RwSignal::new(None),
            worker: StoredValue::new_local(None),
            busy: StoredValue::new(None),
            model: RwSignal::new(storage::get(storage::MODEL)),
            revival: StoredValue::new(Revival::default()),
            generation: StoredValue::new(0),
            fault: StoredValue::new(true),
        };
        Effect::new(move || storage::set(storage::DRAFT, &chat.draft.get()));
        Effect::new(move || storage::set(storage::MODE, mode_name(chat.mode.get())));
        chat.restart();
        chat
    }

    /// Starts a new engine; the conversation stays.
    pub fn restart(self) {
        self.fail_open();
        self.engine.set(EngineState::starting());
        self.begin();
    }

    /// Runs a model of the library, or the shipped one, from now on.
    pub fn use_model(self, model: Option<String>) {
        storage::set(storage::MODEL, model.as_deref().unwrap_or_default());
        self.model.set(model);
        self.chosen_threshold.set(None);
        self.restart();
    }

    /// Runs the engine here although another tab does.
    pub fn take_over(self) {
        self.engine.set(EngineState::starting());
        self.post(&ToWorker::TakeOver);
    }

    /// Starts a worker. What it is to answer is given to it once it is ready.
    fn begin(self) {
        self.generation.update_value(|generation| *generation += 1);
        self.busy.set_value(None);
        self.server.set(ServerState::Unknown);
        match EngineWorker::start(move |message| self.hear(message)) {
            Ok(worker) => self.worker.set_value(Some(worker)),
            Err(error) => self.engine.set(EngineState::Failed(error)),
        }
    }

    /// The threshold in force.
    pub fn threshold(self) -> f32 {
        let recommended = || self.engine.with(|engine| engine.info().map(|info| info.threshold));
        self.chosen_threshold.get().or_else(recommended).unwrap_or(Settings::default().threshold)
    }

    /// The reader moves the threshold.
    pub fn set_threshold(self, threshold: f32) {
        self.chosen_threshold.set(Some(threshold.clamp(0.0, 1.0)));
    }

    /// Whether a question can be sent now. It may be sent while the engine loads, and then waits.
    pub fn can_send(self) -> bool {
        let failed = self.engine.with(|engine| matches!(engine, EngineState::Failed(_)));
        !failed && !self.conversation.with(Conversation::is_open)
    }

    /// Sends the draft.
    pub fn send(self) {
        let question = self.draft.get_untracked().trim().to_owned();
        if question.is_empty() || !untrack(|| self.can_send()) {
            return;
        }
        self.conversation.update(|conversation| {
            conversation.ask(&question);
        });
        self.draft.set(String::new());
        self.go_on();
    }

    /// Ends the running answer, or takes back the question that waits.
    pub fn stop(self) {
        if let Some(question) = self.conversation.try_update(Conversation::take_back).flatten() {
            self.give_back(question);
        } else if self.conversation.with_untracked(Conversation::is_open) {
            self.stopping.set(true);
            self.post(&ToWorker::Stop);
        }
    }

    /// Starts a new conversation.
    pub fn clear(self) {
        self.stop();
        self.conversation.update(Conversation::clear);
        self.stopping.set(false);
    }

    /// Asks whether the server is there.
    pub fn probe(self) {
        self.server.set(ServerState::Unknown);
        self.post(&ToWorker::Probe);
    }

    fn hear(self, message: FromWorker) {
        match message {
            FromWorker::Started => {
                if let Some(fault) = address::fault().filter(|_| self.fault.get_value()) {
                    self.fault.set_value(false);
                    self.post(&ToWorker::Fault(fault));
                }
                let model = self.model.get_untracked();
                self.post(&ToWorker::Load { models_url: address::models(), server_url: address::server(), model });
            }
            FromWorker::Loading { stage, progress } => self.engine.set(EngineState::Loading { stage, progress }),
            FromWorker::Ready(info) => {
                self.engine.set(EngineState::Ready(info));
                self.take_up();
                self.go_on();
            }
            FromWorker::Elsewhere => self.engine.set(EngineState::Elsewhere),
            FromWorker::Died(death) => self.revive(&death),
            // The library and the benchmark have workers of their own.
            FromWorker::Library(_) | FromWorker::Bench { .. } => {}
            FromWorker::Server { available, detail, .. } => self.server.set(match available {
                true => ServerState::Available(detail),
                false => ServerState::Unavailable(detail),
            }),
            FromWorker::Token { answer, event, local_text, remote_text } => {
                self.revival.update_value(Revival::lives);
                let token = Token { event, local_text, remote_text };
                self.conversation.update(|conversation| conversation.add_token(answer, token));
            }
            FromWorker::Reading { answer, done, total } => {
                let share = done as f32 / total.max(1) as f32;
                self.conversation.update(|conversation| conversation.reads(answer, share));
            }
            FromWorker::Notice { answer, text } => {
                self.conversation.update(|conversation| conversation.add_notice(answer, text));
            }
            FromWorker::Finished { answer, finish, trace } => {
                let spent = trace.split().spent;
                self.conversation.update(|conversation| conversation.finish(answer, finish, trace));
                self.is_free();
                // The answer itself shows that the server's state changed.
                let available = matches!(self.server.get_untracked(), ServerState::Available(_));
                if (available && spent.failures > 0) || (!available && spent.remote_tokens > 0) {
                    self.post(&ToWorker::Probe);
                }
            }
            FromWorker::Failed { answer: Some(answer), error } => {
                self.fail(Some(answer), &error);
                self.is_free();
            }
            FromWorker::Failed { answer: None, error } => {
                self.worker.with_value(|worker| worker.iter().for_each(EngineWorker::end));
                self.fail_open();
                self.engine.set(EngineState::Failed(error));
            }
        }
    }

    /// The worker died: another one goes on, unless it died too often.
    fn revive(self, death: &Death) {
        self.worker.with_value(|worker| worker.iter().for_each(EngineWorker::end));
        let next = self.revival.try_update_value(|revival| revival.died(death));
        match next {
            Some(Next::Restart { after_ms }) => {
                self.engine.set(EngineState::Loading { stage: strings::REVIVING.into(), progress: 0.0 });
                self.busy.set_value(None);
                if let Some(answer) = self.conversation.with_untracked(|c| c.interrupted().map(|found| found.id)) {
                    let text = strings::revived(&death.to_string());
                    self.conversation.update(|conversation| conversation.add_notice(answer, text));
                }
                let generation = self.generation.get_value();
                let start = move || {
                    if self.generation.get_value() == generation {
                        self.begin();
                    }
                };
                set_timeout(start, Duration::from_millis(after_ms.into()));
            }
            Some(Next::GiveUp(error)) => {
                self.fail_open();
                self.engine.set(EngineState::Failed(error));
            }
            None => {}
        }
    }

    /// Gives the answer that a dead worker was at to the new one.
    fn take_up(self) {
        let found = self.conversation.with_untracked(Conversation::interrupted);
        if let Some(Interrupted { id: answer, turns, events, settings }) = found {
            self.busy.set_value(Some(answer));
            self.post(&ToWorker::Continue { answer, turns, events, settings });
            if self.stopping.get_untracked() {
                self.post(&ToWorker::Stop);
            }
        }
    }

    fn post(self, message: &ToWorker) {
        self.worker.with_value(|worker| worker.iter().for_each(|worker| worker.post(message)));
    }

    /// The worker ended an answer and can take the next.
    fn is_free(self) {
        self.busy.set_value(None);
        self.stopping.set(false);
        self.go_on();
    }

    /// Gives the question that waits to the worker when it is ready and free.
    fn go_on(self) {
        let ready = self.engine.with_untracked(|engine| engine.info().is_some());
        let waiting = self.conversation.with_untracked(|c| c.waiting().map(|(id, question)| (id, turns(question))));
        if let (true, None, Some((answer, turns))) = (ready, self.busy.get_value(), waiting) {
            let (mode, threshold) = untrack(|| (self.mode.get(), self.threshold()));
            let settings = Settings { mode, threshold, ..Settings::default() };
            self.busy.set_value(Some(answer));
            self.conversation.update(|conversation| conversation.begin(answer, settings.clone()));
            self.post(&ToWorker::Answer { answer, turns, settings });
        }
    }

    /// The engine is gone: the open answer ends, or its question is taken back when nothing was answered.
    fn fail_open(self) {
        self.stopping.set(false);
        match self.conversation.try_update(Conversation::take_back).flatten() {
            Some(question) => self.give_back(question),
            None => self.fail(None, ""),
        }
    }

    fn fail(self, answer: Option<u64>, error: &str) {
        if let Some(question) = self.conversation.try_update(|c| c.fail(answer, error)).flatten() {
            self.give_back(question);
        }
    }

    /// Puts a question back into the composer, before what was typed since.
    fn give_back(self, question: String) {
        self.draft.update(|draft| {
            *draft = if draft.trim().is_empty() { question } else { format!("{question}\n{draft}") };
        });
    }
}

/// Whether the state is one in which tokens may come.
pub fn is_streaming(state: &State) -> bool {
    matches!(state, State::Waiting | State::Streaming)
}

/// The mode as it is written in the page and in storage.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::LocalOnly => "local-only",
        Mode::Router => "router",
        Mode::RemoteOnly => "remote-only",
    }
}

fn saved_mode() -> Mode {
    let name = storage::get(storage::MODE).unwrap_or_default();
    let modes = [Mode::LocalOnly, Mode::RemoteOnly];
    modes.into_iter().find(|mode| mode_name(*mode) == name).unwrap_or_default()
}
