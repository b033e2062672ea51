//! The graphics adapter, opened once and shared by everything that computes on it.

use crate::{buffer::Buffer, error::GpuError};
use burn_wgpu::{MemoryConfiguration, RuntimeOptions, WgpuDevice, graphics::AutoGraphicsApi, wgpu};
use cubecl::bytes::Bytes;
use cubecl::features::TypeUsage;
use cubecl::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Commands collected before they are submitted.
const TASKS: usize = 64;
/// Bytes written at once where a buffer is filled piece by piece.
const PIECE: usize = 1 << 22;

/// An opened adapter.
#[derive(Clone)]
pub struct Gpu {
    pub(crate) client: Client,
    /// Adapter name and graphics API, for people.
    pub name: String,
    /// Most bytes in one buffer that a kernel reads.
    pub limit: u64,
    /// Whether the adapter computes on the CPU (SwiftShader, lavapipe).
    pub is_software: bool,
}

static OPENED: Mutex<Option<Gpu>> = Mutex::new(None);

impl Gpu {
    /// Opens the default adapter, or returns the one that is open already.
    pub async fn open() -> Result<Self, GpuError> {
        let opened = || OPENED.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(gpu) = opened() {
            return Ok(gpu);
        }
        let device = WgpuDevice::default();
        let options = RuntimeOptions { tasks_max: TASKS, memory_config: MemoryConfiguration::ExclusivePages };
        let setup = burn_wgpu::try_init_setup_async::<AutoGraphicsApi>(&device, options).await;
        let setup = match (setup, opened()) {
            (_, Some(gpu)) => return Ok(gpu),
            (Err(error), None) => return Err(GpuError::NoDevice(error.to_string())),
            (Ok(setup), None) => setup,
        };
        let info = setup.adapter.get_info();
        let limits = setup.device.limits();
        let label = if info.name.is_empty() { "adapter without a name" } else { info.name.as_str() };
        let described = format!("{} {}", info.name, info.driver_info).to_lowercase();
        let gpu = Self {
            client: cubecl::Device::Wgpu(device.clone()).client(),
            name: format!("{label} ({:?})", info.backend),
            limit: limits.max_buffer_size.min(limits.max_storage_buffer_binding_size),
            is_software: info.device_type == wgpu::DeviceType::Cpu
                || ["swiftshader", "llvmpipe"].iter().any(|name| described.contains(name)),
        };
        *OPENED.lock().unwrap_or_else(PoisonError::into_inner) = Some(gpu.clone());
        Ok(gpu)
    }

    /// A buffer of `bytes` zeros that lives as long as the model.
    pub(crate) fn zeros(&self, bytes: u64) -> Result<Buffer, GpuError> {
        let buffer = self.empty(bytes)?;
        let mut from = 0;
        while from < buffer.bytes {
            let size = PIECE.min(buffer.bytes - from);
            self.write(&buffer, from, vec![0; size]);
            from += size;
        }
        Ok(buffer)
    }

    /// A buffer of at least `bytes` bytes, not filled.
    pub(crate) fn empty(&self, bytes: u64) -> Result<Buffer, GpuError> {
        let needed = bytes.max(16).checked_next_multiple_of(16).unwrap_or(u64::MAX);
        let fits = usize::try_from(needed).ok().filter(|_| needed <= self.limit);
        let bytes = fits.ok_or(GpuError::TooSmall { limit: self.limit, needed })?;
        let handle = self.client.memory_persistent_allocation((), |()| self.client.empty(bytes));
        Ok(Buffer { handle, bytes })
    }

    /// A buffer that holds `values`, padded with zeros to `length`.
    pub(crate) fn floats(&self, values: &[f32], length: usize) -> Result<Buffer, GpuError> {
        let buffer = self.zeros(length.max(values.len()) as u64 * 4)?;
        self.write(&buffer, 0, bytemuck::cast_slice(values).to_vec());
        Ok(buffer)
    }

    /// Writes `data` (whole words) at byte `from`.
    pub(crate) fn write(&self, buffer: &Buffer, from: usize, data: Vec<u8>) {
        if data.is_empty() {
            return;
        }
        let rest = buffer.bytes - from - data.len();
        let place = buffer.handle.clone().offset_start(from as u64).offset_end(rest as u64);
        self.client.write(&place, Bytes::from_bytes_vec(data));
    }

    /// Reads `length` bytes from byte `from` on: waits for everything before it.
    pub(crate) async fn read(&self, buffer: &Buffer, from: usize, length: usize) -> Result<Vec<u8>, GpuError> {
        let rest = buffer.bytes - from - length;
        let place = buffer.handle.clone().offset_start(from as u64).offset_end(rest as u64);
        let failed = |error: cubecl::server::ServerError| GpuError::Device(error.to_string());
        let read = self.client.read_async(vec![place]).await.map_err(failed)?;
        read.into_iter().next().map(|bytes| bytes.to_vec()).ok_or_else(|| GpuError::Device("nothing was read".into()))
    }

    /// Whether kernels can read and write 16-bit floats.
    pub fn has_half(&self) -> bool {
        let uses = half::f16::supported_uses(&self.client);
        uses.contains(TypeUsage::Buffer) && uses.contains(TypeUsage::Conversion)
    }

    /// Bytes of GPU memory that are reserved.
    pub fn reserved(&self) -> u64 {
        self.client.memory_report(cubecl::MemoryScope::CurrentStream).usage().bytes_reserved
    }
}
