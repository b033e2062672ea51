//! The remote LLM over HTTP, the same code natively and in the browser: one critical token per request.
//!
//! It speaks to `citer serve` in sessions and to any OpenAI-compatible server that takes token ids or text and goes on from
//! them, SGLang among them. What is asked and how answers are read knows nothing of the network; a thin [`transport`] carries it. Training asks
//! for several tokens at once.

mod answer;
mod connect;
pub mod continuation;
mod failure;
pub mod http;
pub mod latency;
mod piece;
#[cfg(not(target_family = "wasm"))]
pub mod proxy;
mod question;
pub mod remote;
mod reserve;
pub mod servers;
mod session;
mod sglang;
mod timer;
pub mod transport;

pub use continuation::{Continuation, Continued};
pub use http::Http;
pub use latency::Latency;
pub use remote::{Asked, Remote, ServerModel, SharedVocabulary};
pub use servers::{Policy, Servers};
pub use transport::{Method, Request, Response, Transport};
