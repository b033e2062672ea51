//! A GGUF file: metadata, tensors, and the model and tokenizer in it.
#![no_main]

use citer_files::{Gguf, TensorSource, Tokenizer, gguf_model, gguf_tokenizer, source::values};
use citer_fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = Gguf::parse(data) else { return };
    for name in file.names() {
        if let Ok(info) = file.info(name) {
            let _ = values(&file, name, &info.shape);
        }
    }
    let _ = gguf_tokenizer::stop_ids(&file);
    if let Ok(settings) = gguf_tokenizer::settings(&file) {
        let _ = settings.template();
    }
    if let Ok(tokenizer) = gguf_tokenizer::json(&file).and_then(|json| Tokenizer::from_json(&json)) {
        let _ = tokenizer.encode("a b");
    }
    let Ok(config) = gguf_model::config(&file) else { return };
    let tensors = gguf_model::GgufTensors::new(file, &config);
    for (name, _) in config.tensors() {
        if let Ok(info) = tensors.info(&name) {
            let _ = values(&tensors, &name, &info.shape);
            let _ = tensors.rows(&name, info.rows() / 2..info.rows());
        }
    }
});
