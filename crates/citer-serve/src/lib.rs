//! HTTP server: an OpenAI-compatible API over one LLM, and the web bundle on the same origin.
//!
//! A worker thread owns the model and takes all running requests forward step by step, over a cache of prefixes that they
//! share; new ones join from a bounded queue. Everything else is asynchronous. The HTTP layer knows the model only as a [`Backend`].

pub mod allowance;
mod answer;
pub mod backend;
mod bundle;
mod chat;
mod completions;
pub mod config;
mod cors;
mod error;
mod fields;
mod generation;
mod guard;
pub mod keys;
mod listener;
mod logprobs;
mod meter;
mod metrics;
mod models;
mod openapi;
mod options;
pub mod prefix_tree;
mod proxy;
mod request_log;
mod router;
pub mod secret;
pub mod server;
pub mod session_table;
mod sessions;
pub mod spending;
mod stop;
mod stream;
mod tls;
mod transport;
pub mod upstream;
mod worker;

#[cfg(feature = "engine")]
pub mod lm;

pub use backend::{Backend, BackendError, ModelInfo, Row, Step};
pub use config::ConfigFile;
pub use keys::KeyEntry;
#[cfg(feature = "engine")]
pub use lm::LmBackend;
pub use server::{Running, ServeConfig, ServeError, serve, serve_upstreams};
pub use tls::TlsFiles;
pub use upstream::UpstreamEntry;
