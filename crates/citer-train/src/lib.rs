//! Training and measuring: the shared vocabulary, pre-training of the pair, CITER labels, the router, evaluation.

pub mod batch;
pub mod card;
pub mod error;
pub mod evaluate;
pub mod fit;
pub mod interval;
pub mod label;
pub mod pretrain;
pub mod recipes;
pub mod schedule;
pub mod teacher;
pub mod vocabulary;

pub use error::TrainError;
pub use pretrain::{Outcome, Recipe, pretrain};
