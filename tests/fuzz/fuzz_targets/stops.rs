//! The stop ids of a generation_config.json.
#![no_main]

use citer_files::stops::stop_ids;
use citer_fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = stop_ids(data, "generation_config.json");
});
