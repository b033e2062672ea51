//! Bandwidth: how fast this adapter reads memory, the bound of every decode step.

use crate::{error::GpuError, gpu::Gpu, kernels::stream::stream};
use cubecl::prelude::*;
use web_time::Instant;

/// Bytes read: more than caches hold on most adapters.
const BYTES: usize = 64 << 20;
/// The same on software adapters, whose memory is the processor's.
const SOFTWARE_BYTES: usize = 16 << 20;
/// Invocations.
const PLACES: usize = 1 << 16;
const CUBE: u32 = 64;
/// Longest time to spend, in milliseconds.
const PATIENCE: f64 = 300.0;

impl Gpu {
    /// Bytes a second that a simple kernel reads, the best of several runs.
    #[allow(unsafe_code)]
    pub async fn bandwidth(&self) -> Result<f64, GpuError> {
        let bytes = if self.is_software { SOFTWARE_BYTES } else { BYTES };
        let (data, out) = (self.zeros(bytes as u64)?, self.zeros(PLACES as u64 * 16)?);
        let run = || {
            // SAFETY: every vector that is read or written is within its buffer.
            unsafe {
                stream::launch_unchecked(
                    &self.client,
                    CubeCount::Static(PLACES as u32 / CUBE, 1, 1),
                    CubeDim::new_1d(CUBE),
                    data.vectors(),
                    out.vectors(),
                    bytes / 16,
                    PLACES,
                );
            }
        };
        run();
        self.read(&out, 0, 16).await?;
        let begun = Instant::now();
        let mut best = 0.0f64;
        let mut runs = 1;
        while begun.elapsed().as_secs_f64() * 1e3 < PATIENCE {
            let start = Instant::now();
            (0..runs).for_each(|_| run());
            self.read(&out, 0, 16).await?;
            best = best.max((runs * bytes) as f64 / start.elapsed().as_secs_f64());
            runs = (2 * runs).min(64);
        }
        Ok(best)
    }
}
