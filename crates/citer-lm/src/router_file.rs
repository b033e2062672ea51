//! The router's file: its numbers as they are stored, for whichever path runs it.

use crate::error::LoadError;
use citer_files::{Safetensors, source::values};
#[cfg(feature = "gpu")]
use citer_gpu::RouterWeights;

/// A router for hidden states of some width.
#[derive(Clone, Debug, PartialEq)]
pub struct RouterFile {
    /// Width of the hidden states.
    pub width: usize,
    /// `[width, 2 width]`.
    pub hidden: Vec<f32>,
    /// `[2 width]`.
    pub hidden_bias: Vec<f32>,
    /// `[2 width]`.
    pub out: Vec<f32>,
    /// One number.
    pub out_bias: f32,
}

impl RouterFile {
    /// Reads a router for hidden states of `width` from the bytes of a safetensors file.
    pub fn parse(width: usize, bytes: &[u8]) -> Result<Self, LoadError> {
        let file = Safetensors::parse(bytes)?;
        Ok(Self {
            width,
            hidden: values(&file, "router.hidden.weight", &[width, 2 * width])?,
            hidden_bias: values(&file, "router.hidden.bias", &[2 * width])?,
            out: values(&file, "router.out.weight", &[2 * width, 1])?,
            out_bias: values(&file, "router.out.bias", &[1])?.first().copied().unwrap_or(0.0),
        })
    }

    /// The same numbers, a row an output, as the GPU stores matrices.
    #[cfg(feature = "gpu")]
    pub fn for_gpu(&self) -> RouterWeights {
        let (inputs, outputs) = (self.width, 2 * self.width);
        let hidden = (0..inputs * outputs).map(|i| self.hidden[i % inputs * outputs + i / inputs]).collect();
        RouterWeights { hidden, bias: self.hidden_bias.clone(), out: self.out.clone(), out_bias: self.out_bias }
    }
}
