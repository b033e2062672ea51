//! Decoder-only language model on burn: KV cache, sampling and the router that reads it. Its files are read by
//! `citer-files`, whose names are passed on.
//!
//! Two paths, one model: plain burn operations (feature `cpu`: burn-flex on the CPU, the oracle of the tests) and the fused
//! kernels of `citer-gpu` on burn-wgpu's runtime (feature `gpu`). Native programs have both; the browser loads one of two
//! programs.

pub mod bench;
#[cfg(feature = "cpu")]
pub mod cache;
#[cfg(feature = "cpu")]
pub mod decoder;
#[cfg(feature = "cpu")]
pub mod device;
pub mod engine;
pub mod entropy;
pub mod error;
#[cfg(feature = "gpu")]
pub mod fused;
#[cfg(feature = "gpu")]
pub mod fused_weights;
#[cfg(all(feature = "cpu", not(target_family = "wasm")))]
pub mod model;
#[cfg(all(feature = "cpu", not(target_family = "wasm")))]
pub mod paged;
pub mod pair;
pub mod parts;
#[cfg(feature = "cpu")]
pub mod plain;
#[cfg(feature = "cpu")]
pub mod rope;
pub mod rotation;
#[cfg(feature = "cpu")]
pub mod router;
pub mod router_file;
pub mod sampler;
pub mod sequence;
#[cfg(feature = "cpu")]
pub mod weights;

pub use citer_files::{
    Bytes, Config, Format, Gguf, LocalVocabulary, ModelFiles, RopeScaling, Safetensors, TensorInfo, TensorSource,
    Tokenizer, chat, chat_template, config, gguf, gguf_model, gguf_tokenizer, hash, llama2c, rope_scaling, shards,
    source, stops, tokenizer,
};
#[cfg(feature = "gpu")]
pub use citer_gpu::{Gpu, GpuError, PREFILL, Probe, Trial};
pub use engine::Engine;
pub use entropy::{EntropyCard, EntropyScore};
pub use error::{EngineError, LoadError};
#[cfg(feature = "gpu")]
pub use fused_weights::OpenError;
pub use pair::{LlmFiles, RouterCard, RouterTraining, SlmFiles, ThresholdAt};
pub use router_file::RouterFile;
pub use sampler::Sampler;
pub use sequence::Sequence;
#[cfg(feature = "cpu")]
pub use {cache::KvCache, decoder::Decoder, router::Router};
#[cfg(all(feature = "cpu", not(target_family = "wasm")))]
pub use {model::Model, paged::Paged};
