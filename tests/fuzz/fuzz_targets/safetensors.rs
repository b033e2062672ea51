//! A safetensors file: its header, then the values of every tensor.
#![no_main]

use citer_files::{Safetensors, TensorSource, source::values};
use citer_fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = Safetensors::parse(data) else { return };
    for name in file.names() {
        let Ok(info) = file.info(&name) else { continue };
        let _ = values(&file, &name, &info.shape);
        let _ = file.rows(&name, info.rows() / 2..info.rows());
        assert!(info.rows() == usize::MAX || file.rows(&name, 0..info.rows() + 1).is_err());
    }
});
