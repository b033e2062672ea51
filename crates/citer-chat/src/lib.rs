//! Conversations without DOM, storage or worker: what is kept of them, how they are searched, written and read again,
//! how an answer is laid out, and what can be measured on it.

pub mod batch;
pub mod context;
pub mod conversation;
pub mod counterfactual;
pub mod exchange;
pub mod export;
pub mod import;
pub mod markdown;
pub mod maths;
pub mod record;
pub mod settings;
pub mod shelf;
pub mod statistics;

pub use conversation::{Conversation, Request};
pub use exchange::{Exchange, State, Token};
pub use import::{ImportError, import};
pub use record::Record;
pub use settings::ConversationSettings;
pub use shelf::Entry;
