//! The index of split weights, and the tensors that it leads to.
#![no_main]

use citer_files::{TensorSource, shards::Shards};
use citer_fuzz as _;
use libfuzzer_sys::fuzz_target;

/// A file with one F32 tensor `a` of one value.
fn file() -> Vec<u8> {
    let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    [&(header.len() as u64).to_le_bytes(), header.as_slice(), &[0; 4]].concat()
}

fuzz_target!(|data: &[u8]| {
    let open = |name: &str| {
        assert!(!name.contains("..") || !name.contains('/'), "{name} leaves the folder");
        Ok(file())
    };
    let Ok(shards) = Shards::open(data, open) else { return };
    for name in ["a", "b"] {
        let _ = shards.info(name);
        let _ = shards.rows(name, 0..1);
    }
});
