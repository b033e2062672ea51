//! Decoder-only language model on burn: weights, tokenizer, KV cache, sampling and the router that reads it.
//!
//! The same code runs on burn-flex (CPU, also the oracle of the tests) and on burn-wgpu (browser and native).

pub mod cache;
pub mod chat;
pub mod chat_template;
pub mod config;
pub mod decoder;
pub mod device;
pub mod engine;
pub mod error;
pub mod ggml;
pub mod gguf;
pub mod gguf_model;
pub mod gguf_tokenizer;
pub mod hash;
pub mod llama2c;
#[cfg(not(target_family = "wasm"))]
pub mod model;
pub mod pair;
pub mod rope;
pub mod rope_scaling;
pub mod router;
pub mod sampler;
pub mod sequence;
pub mod shards;
pub mod stops;
pub mod tensors;
pub mod tokenizer;
pub mod weights;

pub use cache::KvCache;
pub use config::Config;
pub use decoder::Decoder;
pub use engine::Engine;
pub use error::{EngineError, LoadError};
pub use gguf::Gguf;
#[cfg(not(target_family = "wasm"))]
pub use model::Model;
pub use pair::{LlmFiles, RouterCard, RouterTraining, SlmFiles, ThresholdAt};
pub use rope_scaling::RopeScaling;
pub use router::Router;
pub use sampler::{Sampler, Sampling};
pub use sequence::Sequence;
pub use tensors::Tensors;
pub use tokenizer::Tokenizer;
