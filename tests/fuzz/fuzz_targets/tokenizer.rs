//! A tokenizer.json, and text through the tokenizer that it describes.
#![no_main]

use citer_files::Tokenizer;
use citer_fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(tokenizer) = Tokenizer::from_json(data) else { return };
    for text in ["", "Hello  world 123\n", "\u{1f999}\u{e9}e\u{301} <|end|>"] {
        if let Ok(ids) = tokenizer.encode(text) {
            let _ = tokenizer.decode(&ids);
        }
    }
    let _ = tokenizer.control_token("<|end|>");
});
