//! A tokenizer_config.json, and a conversation through the template in it.
#![no_main]

use citer_core::message::{Role, Turn};
use citer_files::chat_template::TokenizerConfig;
use citer_fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(settings) = TokenizerConfig::from_json(data) else { return };
    if let Ok(Some(template)) = settings.template() {
        let _ = template.render(&[Turn { role: Role::User, content: "Hi".into() }]);
    }
});
