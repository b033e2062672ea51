//! A config.json, and all that is computed from it.
#![no_main]

use citer_files::Config;
use citer_fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = Config::from_json(data) else { return };
    assert!(config.parameters() > 0 && !config.tensors().is_empty());
    if let Some(scaling) = &config.rope_scaling {
        let width = config.head_dim().min(64);
        let frequencies: Vec<f64> =
            (0..width / 2).map(|i| config.rope_theta.powf(-(i as f64) / width as f64)).collect();
        let _ = scaling.scale(&frequencies, config.rope_theta, config.max_position_embeddings);
        let _ = scaling.attention_factor();
    }
});
