//! Devices of the plain path: the CPU (burn-flex), and the graphics adapter in plain burn operations for comparison.

use burn::tensor::Device;

/// The CPU.
pub fn cpu() -> Device {
    Device::flex()
}
