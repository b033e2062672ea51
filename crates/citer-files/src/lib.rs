//! Model files without GPU, tensor library or DOM: configuration, weights, tokenizer and chat template.
//!
//! Files need not be trusted: a damaged or hostile one is an error, never a panic or an absurd allocation.

pub mod chat;
pub mod chat_template;
pub mod config;
pub mod error;
pub mod ggml;
pub mod gguf;
pub mod gguf_model;
pub mod gguf_tokenizer;
pub mod hash;
pub mod llama2c;
pub mod rope_scaling;
pub mod shards;
pub mod stops;
pub mod tensors;
pub mod tokenizer;
pub mod weights_file;

pub use config::Config;
pub use error::LoadError;
pub use gguf::Gguf;
pub use rope_scaling::RopeScaling;
pub use tensors::Tensors;
pub use tokenizer::Tokenizer;
pub use weights_file::WeightsFile;
