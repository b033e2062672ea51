//! Rotation tables of the rotary position embedding (RoPE, arXiv 2104.09864), with the scaling that a model asks for.

use crate::config::Config;

/// Cosines and sines of the first `positions` positions, `[positions, head_dim / 2]` each.
pub fn tables(config: &Config, positions: usize) -> [Vec<f32>; 2] {
    let half = config.head_dim() / 2;
    let plain: Vec<f64> = (0..half).map(|pair| config.rope_theta.powf(-(pair as f64) / half as f64)).collect();
    let (frequencies, factor) = match &config.rope_scaling {
        Some(scaling) => {
            let scaled = scaling.scale(&plain, config.rope_theta, config.max_position_embeddings);
            (scaled, scaling.attention_factor())
        }
        None => (plain, 1.0),
    };
    let table = |f: fn(f64) -> f64| {
        let value = |i: usize| (f((i / half) as f64 * frequencies[i % half]) * factor) as f32;
        (0..positions * half).map(value).collect()
    };
    [table(f64::cos), table(f64::sin)]
}
