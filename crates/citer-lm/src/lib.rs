//! Decoder-only language model on burn: KV cache, sampling and the router that reads it. Its files are read by
//! `citer-files`, whose names are passed on.
//!
//! Two paths, one model: plain burn operations (burn-flex on the CPU, the oracle of the tests; native only) and the fused
//! kernels of `citer-gpu` on burn-wgpu's runtime (browser and native).

pub mod bench;
#[cfg(not(target_family = "wasm"))]
pub mod cache;
#[cfg(not(target_family = "wasm"))]
pub mod decoder;
#[cfg(not(target_family = "wasm"))]
pub mod device;
pub mod engine;
pub mod entropy;
pub mod error;
pub mod fused;
pub mod fused_weights;
#[cfg(not(target_family = "wasm"))]
pub mod model;
#[cfg(not(target_family = "wasm"))]
pub mod paged;
pub mod pair;
#[cfg(not(target_family = "wasm"))]
pub mod plain;
#[cfg(not(target_family = "wasm"))]
pub mod rope;
pub mod rotation;
#[cfg(not(target_family = "wasm"))]
pub mod router;
pub mod router_file;
pub mod sampler;
pub mod sequence;
#[cfg(not(target_family = "wasm"))]
pub mod weights;

pub use citer_files::{
    Bytes, Config, Format, Gguf, LocalVocabulary, ModelFiles, RopeScaling, Safetensors, TensorInfo, TensorSource,
    Tokenizer, chat, chat_template, config, gguf, gguf_model, gguf_tokenizer, hash, llama2c, rope_scaling, shards,
    source, stops, tokenizer,
};
pub use citer_gpu::{Gpu, PREFILL, Probe, Trial};
pub use engine::Engine;
pub use entropy::{EntropyCard, EntropyScore};
pub use error::{EngineError, LoadError};
pub use fused_weights::OpenError;
pub use pair::{LlmFiles, RouterCard, RouterTraining, SlmFiles, ThresholdAt};
pub use router_file::RouterFile;
pub use sampler::{Sampler, Sampling};
pub use sequence::Sequence;
#[cfg(not(target_family = "wasm"))]
pub use {cache::KvCache, decoder::Decoder, model::Model, paged::Paged, router::Router};
