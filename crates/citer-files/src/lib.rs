//! Model files without GPU, tensor library or DOM: configuration, weights, tokenizer and chat template.
//!
//! Files need not be trusted: a damaged or hostile one is an error, never a panic or an absurd allocation.

pub mod bytes;
pub mod chat;
pub mod chat_template;
pub mod config;
pub mod error;
pub mod folder;
pub mod format;
pub mod gguf;
pub mod gguf_model;
pub mod gguf_tokenizer;
pub mod gguf_vocabulary;
pub mod gguf_writer;
pub mod hash;
mod layout;
pub mod llama2c;
pub mod model_files;
mod pieces;
pub mod quantise;
pub mod rope_scaling;
mod row_order;
pub mod safetensors_file;
pub mod safetensors_writer;
pub mod shapes;
pub mod shards;
pub mod source;
pub mod stops;
pub mod synth;
pub mod tokenizer;
mod tokenizer_check;
pub mod vocabulary;
pub mod write;

pub use bytes::Bytes;
pub use config::Config;
pub use error::{LoadError, WriteError};
pub use format::Format;
pub use gguf::Gguf;
pub use model_files::{ModelFiles, Parts};
pub use rope_scaling::RopeScaling;
pub use safetensors_file::Safetensors;
pub use source::{TensorInfo, TensorSource};
pub use tokenizer::Tokenizer;
pub use vocabulary::LocalVocabulary;
