//! Decoder-only language model on burn: KV cache, sampling and the router that reads it. Its files are read by
//! `citer-files`, whose names are passed on.
//!
//! The same code runs on burn-flex (CPU, also the oracle of the tests) and on burn-wgpu (browser and native).

pub mod cache;
pub mod decoder;
pub mod device;
pub mod engine;
pub mod error;
#[cfg(not(target_family = "wasm"))]
pub mod model;
pub mod pair;
pub mod rope;
pub mod router;
pub mod sampler;
pub mod sequence;
pub mod weights;

pub use cache::KvCache;
pub use citer_files::{
    Bytes, Config, Format, Gguf, ModelFiles, RopeScaling, Safetensors, TensorInfo, TensorSource, Tokenizer, chat,
    chat_template, config, gguf, gguf_model, gguf_tokenizer, hash, llama2c, rope_scaling, shards, source, stops,
    tokenizer,
};
pub use decoder::Decoder;
pub use engine::Engine;
pub use error::{EngineError, LoadError};
#[cfg(not(target_family = "wasm"))]
pub use model::Model;
pub use pair::{LlmFiles, RouterCard, RouterTraining, SlmFiles, ThresholdAt};
pub use router::Router;
pub use sampler::{Sampler, Sampling};
pub use sequence::Sequence;
