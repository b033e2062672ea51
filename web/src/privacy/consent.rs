//! Consent: asked once, in plain words, before the first token is asked of a server.

use crate::address;
use crate::chat::Chat;
use crate::dialog::Dialog;
use crate::strings::privacy as words;
use citer_core::Mode;
use leptos::prelude::*;

/// The dialog. Closing it without a choice takes the question back.
#[component]
pub fn ConsentDialog() -> impl IntoView {
    let chat = expect_context::<Chat>();
    let privacy = chat.privacy;
    let close = Callback::new(move |()| {
        if !privacy.consent.get_untracked() && chat.mode.get_untracked() != Mode::LocalOnly {
            chat.stop();
        }
    });
    let host = move || {
        let server = chat.server_address().unwrap_or_default();
        let own = address::origin(&server).is_some_and(|origin| origin == address::own_origin());
        words::host(&server, own)
    };
    let agree = move |_| {
        privacy.agree();
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
            <p>{host}</p>
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
