//! The chat: everything the page knows, and what the reader and the engine can do to it.

use crate::chats::{self, Chats};
use crate::endpoints::Endpoints;
use crate::engine::{EngineState, EngineWorker, ServerState};
use crate::ledger::Sent;
use crate::limits::Spending;
use crate::measure::KeptBatch;
use crate::network::Network;
use crate::privacy::Privacy;
use crate::processor::Why;
use crate::{address, settings, storage, strings};
use citer_chat::batch::{Batch, Setting};
use citer_chat::{Conversation, Request, State, Token};
use citer_core::message::{FromWorker, Kernel, Role, ServerAddress, ToWorker, Turn};
use citer_core::revival::{Next, Revival};
use citer_core::{Death, Mode, Settings, Split};
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen_futures::spawn_local;

/// Longest question, in bytes: no model here reads more, and a page that tries would stall.
pub const LONGEST: usize = 100_000;
/// How long a change may wait before it is stored.
const WAIT: Duration = Duration::from_secs(1);
/// How often a page that is not seen takes new tokens.
const UNSEEN: Duration = Duration::from_millis(100);

/// The page's state; a copyable handle.
#[derive(Clone, Copy)]
pub struct Chat {
    /// Questions and answers.
    pub conversation: RwSignal<Conversation>,
    /// The conversation whose answer goes on while another one is shown.
    away: StoredValue<Option<Conversation>>,
    /// All conversations of this device.
    pub chats: Chats,
    /// The batch of questions, if one was opened.
    pub batch: RwSignal<Option<Batch>>,
    /// Whether the batch is being answered.
    pub batch_runs: RwSignal<bool>,
    /// The batch as it is kept on the device.
    pub kept_batch: KeptBatch,
    /// What the reader should know about the batch.
    pub batch_words: RwSignal<Option<String>>,
    /// The batch's answer that the worker is at, with its text and counts so far.
    batch_answer: StoredValue<Option<(u64, String, Split)>>,
    /// Counts answers over all conversations, so that a late message finds its own answer or none.
    numbers: StoredValue<u64>,
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
    /// What may be asked.
    pub network: Network,
    /// The servers of the LLM.
    pub endpoints: Endpoints,
    /// What was sent.
    pub sent: Sent,
    /// What the large model's help may cost.
    pub spending: Spending,
    /// What the reader decided about sending.
    pub privacy: Privacy,
    /// The kernel variants that were tried.
    pub kernels: RwSignal<Vec<Kernel>>,
    /// Whether the fastest of them were known from an earlier visit.
    pub remembered: RwSignal<bool>,
    /// Tokens that are not shown yet: the page is drawn once a frame.
    fresh: StoredValue<Vec<(u64, Token)>>,
    /// Whether the conversation is stored soon.
    is_due: StoredValue<bool>,
    /// The servers that the worker was told of.
    told: StoredValue<Vec<ServerAddress>>,
    worker: StoredValue<Option<EngineWorker>, LocalStorage>,
    /// The answer the worker is at, perhaps one that is no longer shown.
    busy: StoredValue<Option<u64>>,
    /// The model of the library that is used; none means the shipped one.
    pub model: RwSignal<Option<String>>,
    /// Why the processor is to be used whatever WebGPU offers, if it is.
    pub processor: RwSignal<Option<Why>>,
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
            conversation: RwSignal::new(settings::fresh()),
            away: StoredValue::new(None),
            chats: Chats::default(),
            batch: RwSignal::new(None),
            batch_runs: RwSignal::new(false),
            kept_batch: KeptBatch::default(),
            batch_words: RwSignal::new(None),
            batch_answer: StoredValue::new(None),
            numbers: StoredValue::new(0),
            engine: RwSignal::new(EngineState::starting()),
            server: RwSignal::default(),
            mode: RwSignal::new(saved_mode()),
            draft: RwSignal::new(storage::get(storage::DRAFT).unwrap_or_default()),
            stopping: RwSignal::new(false),
            chosen_threshold: RwSignal::new(None),
            network: Network::default(),
            endpoints: Endpoints::default(),
            sent: Sent::default(),
            spending: Spending::default(),
            privacy: Privacy::default(),
            kernels: RwSignal::default(),
            remembered: RwSignal::default(),
            fresh: StoredValue::new(Vec::new()),
            is_due: StoredValue::new(false),
            told: StoredValue::new(Vec::new()),
            worker: StoredValue::new_local(None),
            busy: StoredValue::new(None),
            model: RwSignal::new(storage::get(storage::MODEL)),
            processor: RwSignal::new(address::wants_processor().then_some(Why::Asked)),
            revival: StoredValue::new(Revival::default()),
            generation: StoredValue::new(0),
            fault: StoredValue::new(true),
        };
        Effect::new(move || {
            let draft = chat.draft.get();
            let key = chat.conversation.with_untracked(|conversation| storage::draft_of(&conversation.id));
            storage::set(&key, &draft);
        });
        Effect::new(move || storage::set(storage::MODE, mode_name(chat.mode.get())));
        chat.chats.start(chat);
        spawn_local(async move {
            if let Some(batch) = chat.kept_batch.find().await
                && chat.batch.with_untracked(Option::is_none)
            {
                chat.batch.set(Some(batch));
                chat.kept_batch.waits.set(true);
            }
        });
        chat.restart();
        chat
    }

    /// A number that no other answer has.
    pub fn number(self) -> u64 {
        self.numbers
            .try_update_value(|number| {
                *number += 1;
                *number
            })
            .unwrap_or_default()
    }

    /// Shows another conversation. An answer on its way goes on unseen; a question that waits goes back to the text field.
    pub fn show(self, conversation: Conversation) {
        self.leave();
        let waits = self.away.try_update_value(|away| match away {
            Some(there) if there.id == conversation.id => away.take(),
            _ => None,
        });
        // The one that is away is newer than what is stored of it.
        let conversation = waits.flatten().unwrap_or(conversation);
        let is_same = self.conversation.with_untracked(|shown| shown.id == conversation.id);
        storage::set(storage::OPEN, &conversation.id);
        self.privacy.show(&conversation.id);
        let draft = storage::get(&storage::draft_of(&conversation.id)).unwrap_or_default();
        self.conversation.set(conversation);
        if !is_same {
            self.draft.set(draft);
        }
        self.stopping.set(false);
    }

    fn leave(self) {
        if self.is_due.get_value() {
            self.keep(true);
        }
        if let Some(question) = self.conversation.try_update(Conversation::take_back).flatten() {
            self.give_back(question);
            self.keep(true);
        }
        if self.conversation.with_untracked(Conversation::is_open) {
            self.away.set_value(Some(self.conversation.get_untracked()));
        }
    }

    /// A conversation was deleted.
    pub fn forget(self, id: &str) {
        self.privacy.forget(id);
        self.away.update_value(|away| {
            if away.as_ref().is_some_and(|away| away.id == id) {
                self.post(&ToWorker::Stop);
                *away = None;
            }
        });
        if self.conversation.with_untracked(|shown| shown.id == id) {
            self.stop();
            self.privacy.show("");
            self.conversation.set(settings::fresh());
            self.stopping.set(false);
            storage::set(storage::OPEN, "");
            self.draft.set(storage::get(storage::DRAFT).unwrap_or_default());
        }
    }

    /// The revision that is stored of a conversation at hand.
    pub fn revision(self, id: &str) -> Option<u64> {
        let shown = self.conversation.with_untracked(|shown| (shown.id == id).then_some(shown.revision));
        shown.or_else(|| self.away.with_value(|away| away.as_ref().filter(|a| a.id == id).map(|a| a.revision)))
    }

    /// A conversation is stored, under another name perhaps.
    pub fn stored(self, id: &str, name: &str, revision: u64) {
        let set = |conversation: &mut Conversation| {
            name.clone_into(&mut conversation.id);
            conversation.revision = revision;
        };
        if self.conversation.with_untracked(|shown| shown.id == id) {
            if id == name {
                // Nobody who looks at the conversation sees its revision.
                self.conversation.update_untracked(set);
            } else {
                self.conversation.update(set);
                storage::set(storage::OPEN, name);
                self.privacy.keep(name);
            }
        } else {
            self.away.update_value(|away| away.iter_mut().filter(|away| away.id == id).for_each(set));
        }
    }

    /// Stores the conversation that is shown, now or soon.
    pub fn keep(self, now: bool) {
        if now {
            self.is_due.set_value(false);
            self.chats.save_now(self, self.conversation.get_untracked());
        } else if !self.is_due.get_value() {
            self.is_due.set_value(true);
            let keep = move || {
                if self.is_due.get_value() {
                    self.keep(true);
                }
            };
            set_timeout(keep, WAIT);
        }
    }

    /// Changes the conversation that answer `id` belongs to.
    fn change(self, id: u64, change: impl FnOnce(&mut Conversation)) {
        if self.conversation.with_untracked(|shown| shown.get(id).is_some()) {
            self.conversation.update(change);
        } else {
            self.away.update_value(|away| {
                if let Some(away) = away {
                    change(away)
                }
            });
        }
    }

    /// Whether what was said before goes along with a question: the shipped models are trained on single questions.
    pub fn history(self) -> bool {
        self.model.with_untracked(Option::is_some)
    }

    /// Starts a new engine; the conversation stays.
    pub fn restart(self) {
        self.fail_open();
        self.engine.set(EngineState::starting());
        self.begin();
    }

    /// Gives WebGPU another try.
    pub fn use_webgpu(self) {
        self.processor.set(None);
        self.restart();
    }

    /// Goes on with the shipped model on the processor, because the graphics device failed; `false` where it runs there
    /// already, or another model is wanted.
    fn use_processor(self, error: &str) -> bool {
        let is_there = self.processor.with_untracked(Option::is_some)
            || self.engine.with_untracked(|engine| engine.info().is_some_and(|info| info.on_processor));
        if is_there || self.model.with_untracked(Option::is_some) {
            return false;
        }
        self.processor.set(Some(Why::Failed(error.to_owned())));
        self.kernels.set(Vec::new());
        self.engine.set(EngineState::starting());
        if let Some(answer) = self.interrupted().map(|found| found.id) {
            let text = format!("{} {}", strings::sentence(error), strings::processor::TOLD);
            self.change(answer, |conversation| conversation.add_notice(answer, text));
        }
        self.begin();
        true
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
        // A question of a batch is asked again from its beginning.
        self.batch_answer.set_value(None);
        self.server.set(ServerState::Unknown);
        let on_processor = self.processor.with_untracked(Option::is_some);
        match EngineWorker::start_on(on_processor, self.sent, move |message| self.hear(message)) {
            Ok(worker) => self.worker.set_value(Some(worker)),
            Err(error) => self.engine.set(EngineState::Failed(error)),
        }
    }

    /// The threshold in force.
    pub fn threshold(self) -> f32 {
        self.chosen_threshold.get().unwrap_or_else(|| self.recommended())
    }

    /// The threshold that the router's card recommends.
    pub fn recommended(self) -> f32 {
        let card = self.engine.with(|engine| engine.info().map(|info| info.threshold));
        card.unwrap_or(Settings::default().threshold)
    }

    /// The reader moves the threshold.
    pub fn set_threshold(self, threshold: f32) {
        self.chosen_threshold.set(Some(threshold.clamp(0.0, 1.0)));
    }

    /// Whether a question can be sent now. It may be sent while the engine loads, and then waits.
    pub fn can_send(self) -> bool {
        let failed = self.engine.with(|engine| matches!(engine, EngineState::Failed(_)));
        !failed && !self.is_too_long() && !self.conversation.with(Conversation::is_open)
    }

    /// Whether the draft is longer than can be asked at once.
    pub fn is_too_long(self) -> bool {
        self.draft.with(|draft| draft.len() > LONGEST)
    }

    /// Sends the draft.
    pub fn send(self) {
        let question = self.draft.get_untracked().trim().to_owned();
        if question.is_empty() || !untrack(|| self.can_send()) {
            return;
        }
        self.begin_conversation();
        let (number, now) = (self.number(), chats::now());
        self.conversation.update(|conversation| conversation.ask(number, &question, now));
        self.draft.set(String::new());
        self.keep(true);
        self.go_on();
    }

    /// Gives the conversation a name in storage, if it has none.
    fn begin_conversation(self) {
        if self.conversation.with_untracked(|conversation| conversation.id.is_empty()) {
            let id = chats::new_id();
            storage::set(storage::OPEN, &id);
            storage::set(storage::DRAFT, "");
            storage::set(storage::SETTINGS_OF_NEW, "");
            self.privacy.keep(&id);
            self.conversation.update(|conversation| conversation.id = id);
        }
    }

    /// Asks in the place of answer `id`: in other words, or once more.
    pub fn ask_instead(self, id: u64, question: &str) {
        if question.trim().is_empty() || !untrack(|| self.can_send()) {
            return;
        }
        let (number, now) = (self.number(), chats::now());
        self.conversation.update(|conversation| conversation.ask_instead(id, number, question.trim(), now));
        self.keep(true);
        self.go_on();
    }

    /// Goes on with an answer that ended early.
    pub fn continue_answer(self, id: u64) {
        if untrack(|| self.can_send()) && self.conversation.try_update(|c| c.go_on(id)) == Some(true) {
            self.go_on();
        }
    }

    /// Shows another version of a question or answer.
    pub fn choose(self, id: u64) {
        if !self.conversation.with_untracked(Conversation::is_open) {
            self.conversation.update(|conversation| conversation.choose(id));
            self.keep(false);
        }
    }

    /// Ends the running answer, or takes back the question that waits.
    pub fn stop(self) {
        let waits = self.conversation.with_untracked(|conversation| conversation.waiting(false).is_some());
        if waits {
            if let Some(question) = self.conversation.try_update(Conversation::take_back).flatten() {
                self.give_back(question);
            }
            self.keep(true);
        } else if self.conversation.with_untracked(Conversation::is_open) {
            self.stopping.set(true);
            self.post(&ToWorker::Stop);
        }
    }

    /// Starts a new conversation.
    pub fn clear(self) {
        self.show(settings::fresh());
    }

    /// Asks whether the server is there.
    pub fn probe(self) {
        self.server.set(ServerState::Unknown);
        self.post(&ToWorker::Probe);
    }

    /// The servers that may be asked, in their order.
    fn servers(self) -> Vec<ServerAddress> {
        if self.network.airplane.get_untracked() { Vec::new() } else { self.endpoints.servers() }
    }

    /// The server that is asked first.
    pub fn server_address(self) -> Option<String> {
        self.endpoints.list.with(|list| list.first().map(|endpoint| endpoint.address()))
    }

    /// The servers that would be asked and that the reader has not agreed to, in their order.
    pub fn not_agreed(self) -> Vec<String> {
        let servers = self.servers().into_iter().map(|server| server.url);
        servers.filter(|url| !self.privacy.agreed(url)).collect()
    }

    /// The reader takes back what was agreed for a server: an answer that may ask it ends.
    pub fn take_back_consent(self, address: &str) {
        self.privacy.decide(address, false);
        self.stop_batch();
        let may_ask = self.conversation.with_untracked(|c| {
            c.last()
                .is_some_and(|last| last.is_open() && last.settings.as_ref().is_some_and(|s| s.mode != Mode::LocalOnly))
        });
        if may_ask || self.away.with_value(Option::is_some) {
            self.post(&ToWorker::Stop);
        }
    }

    /// Takes over what other windows decide.
    pub fn follow(self) {
        let heard = window_event_listener_untyped("storage", move |_| {
            self.endpoints.refresh();
            let id = self.conversation.with_untracked(|conversation| conversation.id.clone());
            self.privacy.refresh(&id);
        });
        on_cleanup(move || heard.remove());
    }

    /// Stores what the reader decided about this conversation.
    pub fn keep_privacy(self) {
        let id = self.conversation.with_untracked(|conversation| conversation.id.clone());
        self.privacy.keep(&id);
    }

    /// The reader is done with the list of servers.
    pub async fn reconnect(self) {
        if self.told.get_value() == self.servers() {
            return;
        }
        for server in self.servers() {
            self.network.allow(&server.url).await;
        }
        if self.engine.with_untracked(|engine| engine.info().is_some()) {
            self.connect();
        }
    }

    /// Tells the worker which servers it may ask from now on.
    pub fn connect(self) {
        let servers = self.servers();
        self.told.set_value(servers.clone());
        self.server.set(ServerState::Unknown);
        self.post(&ToWorker::Connect { servers, look_ahead: 1 });
    }

    /// Has the worker load the model, and look for the server once the service worker lets it.
    async fn load(self) {
        let servers = self.servers();
        for server in &servers {
            self.network.allow(&server.url).await;
        }
        // One that needs more than its address is told once the model is there.
        let plain = servers.iter().all(|server| server.key.is_none() && server.model.is_none()) && servers.len() < 2;
        let server_url = servers.first().filter(|_| plain).map(|server| server.url.clone());
        self.told.set_value(if plain { servers } else { Vec::new() });
        self.server.set(ServerState::Unknown);
        let model = self.model.get_untracked();
        self.post(&ToWorker::Load { models_url: address::models(), server_url, model });
    }

    /// Shows the tokens that came since the last frame.
    fn draw(self) {
        let fresh = self.fresh.try_update_value(std::mem::take).unwrap_or_default();
        for tokens in fresh.chunk_by(|one, next| one.0 == next.0) {
            let Some(answer) = tokens.first().map(|(answer, _)| *answer) else { continue };
            self.spending.count(tokens.iter().map(|(_, token)| &token.event));
            self.change(answer, |conversation| {
                tokens.iter().for_each(|(_, token)| conversation.add_token(answer, token.clone()));
            });
            if self.conversation.with_untracked(|shown| shown.get(answer).is_some()) {
                self.keep(false);
            }
        }
    }

    fn hear(self, message: FromWorker) {
        if !matches!(message, FromWorker::Token { .. }) {
            self.draw();
        }
        match message {
            FromWorker::Started => {
                if let Some(fault) = address::fault().filter(|_| self.fault.get_value()) {
                    self.fault.set_value(false);
                    self.post(&ToWorker::Fault(fault));
                }
                spawn_local(self.load());
            }
            FromWorker::Loading { stage, progress } => self.engine.set(EngineState::Loading { stage, progress }),
            FromWorker::Ready(info) => {
                self.engine.set(EngineState::Ready(info));
                if self.told.get_value() != self.servers() {
                    self.connect();
                }
                self.take_up();
                self.go_on();
            }
            FromWorker::Elsewhere => self.engine.set(EngineState::Elsewhere),
            FromWorker::Died(death) => self.revive(&death),
            FromWorker::NoDevice { error } => {
                self.worker.with_value(|worker| worker.iter().for_each(EngineWorker::end));
                if !self.use_processor(&error) {
                    self.fail_open();
                    self.engine.set(EngineState::Failed(error));
                }
            }
            // The library and the benchmark have workers of their own.
            FromWorker::Library(_) | FromWorker::Bench { .. } | FromWorker::Request(_) => {}
            FromWorker::Kernels { kernels, remembered } => {
                self.kernels.set(kernels);
                self.remembered.set(remembered);
            }
            FromWorker::Server { available: true, detail, .. } => self.server.set(ServerState::Available(detail)),
            FromWorker::Server { detail, .. } => self.server.set(ServerState::Unavailable(detail)),
            FromWorker::Token { answer, event, .. } if self.is_of_batch(answer) => {
                self.revival.update_value(Revival::lives);
                self.spending.count(std::iter::once(&event));
                self.batch_answer.update_value(|running| {
                    if let Some((_, text, split)) = running {
                        text.push_str(&event.text);
                        split.add(&event);
                    }
                });
            }
            FromWorker::Finished { answer, .. } if self.is_of_batch(answer) => {
                if let Some((_, text, split)) = self.batch_answer.try_update_value(Option::take).flatten()
                    && self.batch_runs.get_untracked()
                {
                    self.batch.update(|batch| {
                        if let Some(batch) = batch {
                            batch.note(&text, &split);
                            self.kept_batch.add(batch);
                        }
                    });
                }
                self.is_free();
            }
            FromWorker::Failed { answer: Some(answer), error } if self.is_of_batch(answer) => {
                self.batch_answer.set_value(None);
                self.batch_runs.set(false);
                self.batch_words.set(Some(strings::measure::batch_stopped(&error)));
                self.is_free();
            }
            FromWorker::Token { answer, event, local_text, remote_text, server, .. } => {
                self.revival.update_value(Revival::lives);
                let token = Token { event, local_text, remote_text, server };
                let is_first = self.fresh.with_value(Vec::is_empty);
                self.fresh.update_value(|fresh| fresh.push((answer, token)));
                if is_first && document().hidden() {
                    // A page that is not seen has no frames.
                    set_timeout(move || self.draw(), UNSEEN);
                } else if is_first {
                    request_animation_frame(move || self.draw());
                }
            }
            FromWorker::Reading { answer, done, total } => {
                let share = done as f32 / total.max(1) as f32;
                self.change(answer, |conversation| conversation.reads(answer, share));
            }
            FromWorker::Notice { answer, text } => {
                self.change(answer, |conversation| conversation.add_notice(answer, text));
            }
            FromWorker::Finished { answer, finish, trace } => {
                let spent = trace.split().spent;
                self.change(answer, |c| c.finish(answer, finish, trace, chats::now()));
                self.settle(answer);
                self.is_free();
                // The answer itself shows that the server's state changed.
                let available = matches!(self.server.get_untracked(), ServerState::Available(_));
                if (available && spent.failures > 0) || (!available && spent.remote_tokens > 0) {
                    self.post(&ToWorker::Probe);
                }
            }
            FromWorker::Failed { answer: Some(answer), error } => {
                self.fail(Some(answer), &error);
                self.settle(answer);
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
                if let Some(answer) = self.interrupted().map(|found| found.id) {
                    let text = strings::revived(&death.to_string());
                    self.change(answer, |conversation| conversation.add_notice(answer, text));
                }
                let generation = self.generation.get_value();
                let start = move || {
                    if self.generation.get_value() == generation {
                        self.begin();
                    }
                };
                set_timeout(start, Duration::from_millis(after_ms.into()));
            }
            // A device that is lost again and again is no device.
            Some(Next::GiveUp(_)) if self.use_processor(&death.to_string()) => {}
            Some(Next::GiveUp(error)) => {
                self.fail_open();
                self.engine.set(EngineState::Failed(error));
            }
            None => {}
        }
    }

    /// Gives the answer that a dead worker was at to the new one.
    fn take_up(self) {
        if let Some(Request { id: answer, turns, events, settings }) = self.interrupted() {
            let settings = settings.unwrap_or_default();
            self.busy.set_value(Some(answer));
            self.sent.is_for(answer, self.conversation_of(answer));
            self.post(&ToWorker::Continue { answer, turns, events, settings });
            if self.stopping.get_untracked() {
                self.post(&ToWorker::Stop);
            }
        }
    }

    /// The answer that the engine was at, shown or away.
    fn interrupted(self) -> Option<Request> {
        let history = self.history();
        let shown = self.conversation.with_untracked(|conversation| conversation.interrupted(history));
        shown.or_else(|| self.away.with_value(|away| away.as_ref().and_then(|away| away.interrupted(history))))
    }

    /// The name of the conversation that an answer belongs to.
    fn conversation_of(self, answer: u64) -> String {
        let shown = self.conversation.with_untracked(|c| c.get(answer).map(|_| c.id.clone()));
        let away = || self.away.with_value(|away| away.as_ref().map(|away| away.id.clone()));
        shown.or_else(away).unwrap_or_default()
    }

    /// An answer ended: its conversation is stored.
    fn settle(self, answer: u64) {
        if self.conversation.with_untracked(|shown| shown.get(answer).is_some()) {
            self.keep(true);
        } else if let Some(away) = self.away.try_update_value(Option::take).flatten() {
            self.chats.save_now(self, away);
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
    pub fn go_on(self) {
        let ready = self.engine.with_untracked(|engine| engine.info().is_some());
        let history = self.history();
        let waiting = self.conversation.with_untracked(|conversation| conversation.waiting(history));
        if !ready || self.busy.get_value().is_some() {
            return;
        }
        // A person does not wait for a batch longer than for its answer in progress.
        let Some(Request { id: answer, turns, events, settings }) = waiting else { return self.next_of_batch() };
        let (mode, threshold) = untrack(|| (self.mode.get(), self.threshold()));
        // An answer that goes on is made as it was begun.
        let prices = untrack(|| self.endpoints.prices());
        let sampling = self.conversation.with_untracked(|c| c.settings.sampling(settings::any_seed()));
        let mut settings = settings.unwrap_or_else(|| {
            let spent = self.conversation.with_untracked(Conversation::spent);
            self.spending.apply(Settings { mode, threshold, prices, sampling, ..Settings::default() }, spent)
        });
        let kept = self.privacy.keeps(&turns).filter(|_| settings.mode != Mode::LocalOnly);
        if kept.is_some() {
            settings.mode = Mode::LocalOnly;
        }
        if settings.mode != Mode::LocalOnly && self.must_wait_for_consent() {
            return;
        }
        self.busy.set_value(Some(answer));
        self.sent.is_for(answer, self.conversation_of(answer));
        self.conversation.update(|conversation| {
            conversation.begin(answer, settings.clone());
            if let Some(reason) = kept {
                conversation.add_notice(answer, strings::privacy::kept(reason));
            }
        });
        self.post(&match events.is_empty() {
            true => ToWorker::Answer { answer, turns, settings },
            false => ToWorker::Continue { answer, turns, events, settings },
        });
    }

    /// Asks whether servers may be asked, if that is not known; the question waits for the reader's word.
    fn must_wait_for_consent(self) -> bool {
        let waits = !untrack(|| self.not_agreed()).is_empty();
        if waits {
            self.privacy.asking.set(true);
        }
        waits
    }

    /// Whether the engine can answer.
    pub fn is_ready(self) -> bool {
        self.engine.with(|engine| engine.info().is_some())
    }

    /// Answers the questions of the batch, from where it stopped if the settings are the same. One that is done begins anew.
    pub fn run_batch(self, settings: Vec<Setting>) {
        self.batch_words.set(None);
        self.batch.update(|batch| {
            if let Some(batch) = batch.as_mut().filter(|batch| batch.settings != settings || !batch.is_unfinished()) {
                batch.settings = settings;
                batch.outcomes.clear();
            }
        });
        self.batch.with_untracked(|batch| batch.iter().for_each(|batch| self.kept_batch.begin(batch)));
        self.batch_runs.set(true);
        self.go_on();
    }

    /// Goes on with the batch of an earlier visit, at its settings.
    pub fn resume_batch(self) {
        self.batch_words.set(None);
        self.kept_batch.go_on();
        self.batch_runs.set(true);
        self.go_on();
    }

    /// Forgets the batch of an earlier visit.
    pub fn discard_batch(self) {
        self.kept_batch.discard();
        self.batch.set(None);
    }

    /// Stops the batch; what was answered is kept.
    pub fn stop_batch(self) {
        self.batch_runs.set(false);
        if self.batch_answer.with_value(Option::is_some) {
            self.post(&ToWorker::Stop);
        }
    }

    fn is_of_batch(self, answer: u64) -> bool {
        self.batch_answer.with_value(|running| running.as_ref().is_some_and(|(id, _, _)| *id == answer))
    }

    fn next_of_batch(self) {
        if !self.batch_runs.get_untracked() {
            return;
        }
        let next = self.batch.with_untracked(|batch| {
            batch.as_ref().and_then(|batch| batch.next().map(|(question, setting)| (question.prompt.clone(), setting)))
        });
        let Some((question, setting)) = next else { return self.batch_runs.set(false) };
        // A batch measures, so only what is left of the day may end its escalation.
        let settings = Settings { day: self.spending.day(), ..setting.settings() };
        if settings.mode != Mode::LocalOnly && self.must_wait_for_consent() {
            return;
        }
        let answer = self.number();
        self.batch_answer.set_value(Some((answer, String::new(), Split::default())));
        self.busy.set_value(Some(answer));
        let turns = vec![Turn { role: Role::User, content: question }];
        self.post(&ToWorker::Answer { answer, turns, settings });
    }

    /// The engine is gone: the open answer ends, or its question is taken back when nothing was answered.
    fn fail_open(self) {
        self.stopping.set(false);
        match self.conversation.try_update(Conversation::take_back).flatten() {
            Some(question) => {
                self.give_back(question);
                self.keep(true);
            }
            None => self.fail(None, ""),
        }
        if let Some(mut away) = self.away.try_update_value(Option::take).flatten() {
            away.fail(None, "");
            self.chats.save_now(self, away);
        }
    }

    fn fail(self, answer: Option<u64>, error: &str) {
        if let Some(question) = self.conversation.try_update(|c| c.fail(answer, error)).flatten() {
            self.give_back(question);
            self.keep(true);
        } else if let Some(answer) = answer {
            self.change(answer, |conversation| {
                conversation.fail(Some(answer), error);
            });
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
