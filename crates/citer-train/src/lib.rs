//! Training and measuring: the shared vocabulary, pre-training of the pair, CITER labels, the router, evaluation.

pub mod batch;
pub mod bootstrap;
pub mod calibrate;
pub mod canvas;
pub mod card;
pub mod classes;
pub mod compare;
pub mod cost;
pub mod curve;
pub mod error;
pub mod evaluate;
pub mod fit;
pub mod html;
pub mod interval;
pub mod label;
pub mod measure;
pub mod models;
pub mod oracle;
pub mod page;
pub mod play;
pub mod plot;
pub mod pretrain;
pub mod recipes;
pub mod results;
pub mod rounds;
pub mod schedule;
pub mod setting;
pub mod signal;
pub mod summary;
pub mod sweep;
pub mod tree;
pub mod vocabulary;
pub mod work;
pub mod workers;

pub use error::TrainError;
pub use pretrain::{Outcome, Recipe, pretrain};
