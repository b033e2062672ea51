//! The fused decode path: quantised weights, kernels and steps of a Llama-type decoder on burn-wgpu's runtime.
//!
//! A decode step is seven kernels a layer and six more; it is recorded once and replayed, its token, position and
//! results stay on the GPU, and one small read brings the records of as many steps as were queued. Every kernel variant
//! is compared with the oracle on the user's own adapter before it is used.

mod activations;
mod bandwidth;
mod buffer;
pub mod decoder;
pub mod error;
pub mod format;
pub mod gpu;
pub mod kernels;
mod model;
mod oracle;
pub mod pace;
pub mod pack;
pub mod probe;
pub mod record;
pub mod shape;
mod step;
mod trial;
pub mod tuning;
pub mod weights;

pub use activations::PREFILL;
pub use decoder::Decoder;
pub use error::GpuError;
pub use format::Format;
pub use gpu::Gpu;
pub use model::RouterWeights;
pub use pace::Pace;
pub use probe::Probe;
pub use record::Record;
pub use shape::Shape;
pub use tuning::{Trial, Tuning};
pub use weights::{Matrix, Part, Rows, Weights};
