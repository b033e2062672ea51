//! What can go wrong on the GPU, with the next action.

use thiserror::Error;

/// A failure of the fused path.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum GpuError {
    /// No adapter, or one that cannot be opened.
    #[error("no graphics device can be opened ({0}): use a browser or driver with WebGPU, or the CPU")]
    NoDevice(String),
    /// A buffer is larger than the adapter allows.
    #[error(
        "the model needs a buffer of {needed} bytes and this device allows {limit}: choose a smaller model or format"
    )]
    TooSmall {
        /// Most bytes in one buffer.
        limit: u64,
        /// Bytes that are needed.
        needed: u64,
    },
    /// The device was lost, ran out of memory or refused a command.
    #[error("the graphics device failed ({0}): restart the engine")]
    Device(String),
    /// Every variant of a kernel gives wrong numbers on this adapter.
    #[error("this graphics device computes wrong numbers ({0}): update its driver, or use the CPU")]
    Wrong(String),
    /// The model's logits are not numbers.
    #[error("the model computes no numbers: its file is damaged or meant for another program")]
    NotANumber,
    /// No room for a conversation.
    #[error("a KV cache of {0} tokens holds no conversation: give it at least 2")]
    Capacity(usize),
    /// The router's numbers do not fit its width.
    #[error("the router's weights do not fit together: train it for this model")]
    Router,
    /// There is nothing to feed.
    #[error("there is no token to feed: give at least one")]
    Empty,
    /// More tokens than the KV cache holds.
    #[error("{needed} tokens do not fit into a context of {capacity}: shorten the conversation")]
    ContextFull {
        /// Tokens that would be cached.
        needed: usize,
        /// Most tokens that fit.
        capacity: usize,
    },
    /// Prefill was stopped between two chunks.
    #[error("the prefill was stopped")]
    Stopped,
}
