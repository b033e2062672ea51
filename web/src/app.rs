//! The page as a whole: header, conversation, composer and the panel beside them.

use crate::announcer::Announcer;
use crate::chat::Chat;
use crate::chats::list::ChatList;
use crate::composer::Composer;
use crate::controls::Controls;
use crate::device::{DeviceDialog, DeviceReport};
use crate::endpoints::EndpointsDialog;
use crate::engine_error::EngineError;
use crate::header::Header;
use crate::ledger::LedgerDialog;
use crate::limits::LimitsDialog;
use crate::measure::{Measure, MeasureDialog};
use crate::message::Message;
use crate::meter::Panel;
use crate::models::{Models, ModelsDialog};
use crate::offline::{NewVersion, Offline};
use crate::privacy::{ConsentDialog, Spans};
use crate::processor::ProcessorNote;
use crate::samples::Samples;
use crate::strings;
use crate::token_card::{Shown, TokenCard, scrolled};
use crate::view_mode::ViewMode;
use citer_chat::Conversation;
use leptos::prelude::*;
use leptos::{ev, html};

/// How far from its end, in pixels, the conversation still counts as read to the end.
const NEAR: i32 = 48;

/// The page.
#[component]
pub fn App() -> impl IntoView {
    let chat = Chat::start();
    provide_context(chat);
    provide_context(chat.chats);
    provide_context(chat.network);
    provide_context(chat.endpoints);
    provide_context(chat.sent);
    provide_context(chat.spending);
    provide_context(DeviceReport(RwSignal::new(false)));
    chat.network.follow();
    chat.follow();
    Effect::new(move |before: Option<bool>| {
        let airplane = chat.network.airplane.get();
        if before.is_some_and(|before| before != airplane) && chat.engine.with_untracked(|e| e.info().is_some()) {
            chat.connect();
        }
        airplane
    });
    let offline = Offline::start(chat.network, move |url, reason| {
        chat.sent.refused(&url, strings::shell::refused(&reason));
    });
    provide_context(offline);
    let on_processor = Memo::new(move |_| chat.engine.with(|e| e.info().is_some_and(|info| info.on_processor)));
    Effect::new(move || {
        if on_processor.get() {
            offline.keep_processor();
        }
    });
    provide_context(Models::new(chat.network, chat.sent));
    let shown = RwSignal::new(None::<Shown>);
    provide_context(shown);
    let panel_open = RwSignal::new(false);
    let list_open = RwSignal::new(false);
    provide_context(Measure(RwSignal::new(false)));
    let mode = RwSignal::new(ViewMode::saved());
    let adapter = move || chat.engine.with(|e| e.info().map(|info| info.adapter.clone()).unwrap_or_default());
    let memory = move || chat.engine.with(|e| e.info().map(|info| info.memory.to_string()));
    let ids = Memo::new(move |_| chat.conversation.with(Conversation::ids));
    let is_open = Memo::new(move |_| chat.conversation.with(Conversation::is_open));

    // New text keeps the end in view, unless the reader scrolled away from it.
    let log = NodeRef::<html::Div>::new();
    let at_end = StoredValue::new(true);
    let on_scroll = move |_: ev::Event| {
        scrolled(shown);
        if let Some(log) = log.get_untracked() {
            at_end.set_value(log.scroll_height() - log.scroll_top() - log.client_height() < NEAR);
        }
    };
    Effect::new(move |before: Option<usize>| {
        chat.conversation.track();
        let count = ids.with(Vec::len);
        if count != before.unwrap_or_default() {
            at_end.set_value(true);
        }
        if count > 0 && at_end.get_value() {
            request_animation_frame(move || {
                if let Some(log) = log.get_untracked() {
                    log.set_scroll_top(log.scroll_height());
                }
            });
        }
        count
    });

    view! {
        <div
            class="page"
            data-engine=move || chat.engine.with(|engine| engine.name())
            data-server=move || chat.server.with(|server| server.name())
            data-adapter=adapter
            data-memory=memory
            data-offline=move || offline.name()
            data-airplane=move || chat.network.airplane.get().to_string()
            data-view=move || mode.get().name()
            on:keydown=move |event| {
                if event.key() != "Escape" {
                    return;
                }
                if shown.with_untracked(Option::is_some) {
                    shown.set(None);
                } else if panel_open.get_untracked() {
                    panel_open.set(false);
                } else if list_open.get_untracked() {
                    list_open.set(false);
                } else {
                    chat.stop();
                }
            }
        >
            <Header panel_open list_open/>
            <NewVersion/>
            <ChatList open=list_open/>
            <main class="main" on:pointerdown=move |_| { panel_open.set(false); list_open.set(false); }>
                <div class="log" node_ref=log on:scroll=on_scroll>
                    <Show when=move || ids.with(Vec::is_empty)>
                        <Samples/>
                    </Show>
                    <div
                        class="messages"
                        role="log"
                        aria-label=strings::LOG
                        aria-live="off"
                        aria-busy=move || is_open.get().to_string()
                    >
                        <For each=move || ids.get() key=|id| *id let:id>
                            <Message id/>
                        </For>
                    </div>
                </div>
                <div class="dock">
                    <EngineError/>
                    <ProcessorNote/>
                    <Composer/>
                    <Spans/>
                    <Controls/>
                </div>
            </main>
            <Announcer/>
            <Panel open=panel_open mode/>
            <TokenCard/>
            <ModelsDialog/>
            <EndpointsDialog/>
            <LedgerDialog/>
            <LimitsDialog/>
            <DeviceDialog/>
            <ConsentDialog/>
            <MeasureDialog/>
        </div>
    }
}
