//! A chat template, and a conversation through it.
#![no_main]

use citer_core::message::{Role, Turn};
use citer_files::chat_template::ChatTemplate;
use citer_fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let Ok(template) = ChatTemplate::new(source, "<s>", "</s>") else { return };
    let turn = |role, content: &str| Turn { role, content: content.into() };
    let _ = template.render(&[turn(Role::User, " Hi\n"), turn(Role::Assistant, "{{ x }}"), turn(Role::User, "")]);
});
