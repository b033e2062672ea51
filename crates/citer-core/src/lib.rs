//! Routed decoding: who makes the next token, why, and what it cost. No I/O, GPU or DOM.
//!
//! The method is CITER (arXiv 2502.01976): before each token a router reads the small model's hidden state
//! and says how likely the small model's token is good enough; below the threshold one token is asked of
//! the large model.

mod ahead;
pub mod answer;
pub mod budget;
pub mod connection;
pub mod decoder;
mod escalation;
pub mod event;
pub mod ledger;
pub mod library;
pub mod limits;
pub mod local;
pub mod message;
pub mod notice;
pub mod prefix;
pub mod preset;
pub mod prices;
pub mod remote;
pub mod revival;
pub mod sampling;
pub mod sensitive;
pub mod settings;
pub mod share;
pub mod split;
pub mod stop;
pub mod text;
pub mod trace;
pub mod vocabulary;
pub mod waits;

pub use answer::{Answer, DecodeError, Finish};
pub use budget::{Allowance, Budget, Spent};
pub use connection::{Capabilities, Dialect};
pub use decoder::RoutedDecoder;
pub use event::{Candidate, ForcedReason, Source, TokenEvent, TokenId};
pub use limits::{Day, Limits};
pub use local::{LocalModel, LocalStep};
pub use notice::Notices;
pub use prefix::PrefixCache;
pub use preset::Preset;
pub use prices::Prices;
pub use remote::{RemoteError, RemoteModel, RemoteToken};
pub use revival::{Death, Revival};
pub use sampling::{Sampling, SamplingError};
pub use settings::{Mode, Settings};
pub use share::ShareController;
pub use split::Split;
pub use stop::StopFlag;
pub use text::Utf8Stream;
pub use trace::{Trace, TraceError};
pub use vocabulary::Vocabulary;
pub use waits::Waits;
