//! HTTP server: an OpenAI-compatible API over one LLM, and the web bundle on the same origin.
//!
//! A worker thread owns the model and answers one request after another from a bounded queue; everything else is
//! asynchronous. The HTTP layer knows the model only as a [`Backend`].

mod answer;
pub mod backend;
mod bundle;
mod chat;
mod completions;
mod cors;
mod error;
mod fields;
mod generation;
mod logprobs;
mod models;
mod options;
mod request_log;
mod router;
pub mod server;
mod stop;
mod stream;
mod worker;

#[cfg(feature = "engine")]
pub mod lm;

pub use backend::{Backend, BackendError, ModelInfo, Sampling, Step};
#[cfg(feature = "engine")]
pub use lm::LmBackend;
pub use server::{Running, ServeConfig, ServeError, serve};
