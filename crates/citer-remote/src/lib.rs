//! The remote LLM over HTTP, the same code natively and in the browser: one critical token per request.
//!
//! It speaks to any OpenAI-compatible server that takes token ids and gives them back (`citer serve`, vLLM, llama.cpp), and
//! to SGLang. Training asks for several tokens at once.

mod answer;
pub mod continuation;
mod failure;
mod http;
pub mod optional;
pub mod remote;
mod sglang;

pub use continuation::{Continuation, Continued};
pub use optional::OptionalRemote;
pub use remote::{Remote, ServerModel};
