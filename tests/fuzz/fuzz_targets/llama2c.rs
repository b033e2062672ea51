//! A llama2.c checkpoint.
#![no_main]

use citer_files::{Safetensors, llama2c};
use citer_fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((_, file)) = llama2c::convert(data) {
        assert!(Safetensors::parse(file).is_ok());
    }
});
