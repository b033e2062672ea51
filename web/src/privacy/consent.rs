//! Consent: asked in plain words before the first token is asked of a server, for each server by itself.

use crate::address;
use crate::chat::Chat;
use crate::dialog::Dialog;
use crate::strings::privacy as words;
use citer_core::Mode;
use leptos::prelude::*;

/// The dialog. It names the servers that may be asked, in their order, and remembers exactly those. Closing it without a
/// choice takes the question back.
#[component]
pub fn ConsentDialog() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let privacy = chat.privacy;
    let close = Callback::new(move |()| {
        if !untrack(|| chat.not_agreed()).is_empty() && chat.mode.get_untracked() != Mode::LocalOnly {
            chat.stop();
        }
    });
    // What is asked for stays the same while it is read.
    let asked = Memo::new(move |_| if privacy.asking.get() { untrack(|| chat.not_agreed()) } else { Vec::new() });
    let hosts = move || {
        let host = |(place, server): (usize, String)| {
            let own = address::origin(&server).is_some_and(|origin| origin == address::own_origin());
            view! { <li data-server=server.clone()>{words::host(&server, own, place == 0)}</li> }
        };
        asked.get().into_iter().enumerate().map(host).collect_view()
    };
    let agree = move |_| {
        asked.get_untracked().iter().for_each(|server| privacy.decide(server, true));
        privacy.asking.set(false);
        chat.go_on();
    };
    let refuse = move |_| {
        chat.mode.set(Mode::LocalOnly);
        privacy.asking.set(false);
        chat.go_on();
    };
    view! {
        <Dialog id="consent" title=words::CONSENT_TITLE open=privacy.asking on_close=close>
            <ul class="plain" id="consent-servers">{hosts}</ul>
            <ul class="plain">
                {words::CONSENT.map(|line| view! { <li>{line}</li> }).into_iter().collect_view()}
            </ul>
            <div class="buttons">
                <button type="button" class="button primary" id="consent-yes" on:click=agree>{words::AGREE}</button>
                <button type="button" class="button" id="consent-no" on:click=refuse>{words::REFUSE}</button>
            </div>
        </Dialog>
    }
}
