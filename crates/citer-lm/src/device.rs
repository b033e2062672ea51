//! Devices: the CPU (burn-flex) and the graphics adapter (burn-wgpu), opened once and shared.

use crate::{config::Config, error::LoadError};
use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;

/// An opened graphics adapter.
pub struct Gpu {
    /// The burn device; clone it to share.
    pub device: Device,
    /// Adapter name and graphics API, for people.
    pub name: String,
    limit: u64,
}

/// Opens the graphics adapter. Works once in a process; keep the result.
pub async fn gpu() -> Result<Gpu, LoadError> {
    let opened = Device::wgpu_options().init_with_setup_async().await;
    let (device, WgpuSetup { adapter, device: handle, .. }) = opened.map_err(|e| LoadError::NoDevice(e.to_string()))?;
    let info = adapter.get_info();
    let limits = handle.limits();
    let limit = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
    let label = if info.name.is_empty() { "adapter without a name" } else { info.name.as_str() };
    Ok(Gpu { device, name: format!("{label} ({:?})", info.backend), limit })
}

impl Gpu {
    /// Refuses a model whose largest tensor does not fit into one buffer.
    pub fn check(&self, config: &Config) -> Result<(), LoadError> {
        check_limit(self.limit, config)
    }
}

fn check_limit(limit: u64, config: &Config) -> Result<(), LoadError> {
    let hidden = config.hidden_size;
    let widest = config.vocab_size.max(2 * config.intermediate_size).max(config.query_width() + 2 * config.kv_width());
    let needed = (hidden * widest * 4) as u64;
    if needed > limit { Err(LoadError::DeviceTooSmall { limit, needed }) } else { Ok(()) }
}

/// The CPU.
#[cfg(not(target_family = "wasm"))]
pub fn cpu() -> Device {
    Device::flex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_does_not_fit_is_refused_with_both_numbers() {
        let json = br#"{"model_type":"llama","vocab_size":1000,"hidden_size":8,"intermediate_size":16,
            "num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":16,"rms_norm_eps":1e-5}"#;
        let config = Config::from_json(json).unwrap();
        assert!(check_limit(32_000, &config).is_ok());
        assert_eq!(check_limit(31_999, &config), Err(LoadError::DeviceTooSmall { limit: 31_999, needed: 32_000 }));
    }
}
