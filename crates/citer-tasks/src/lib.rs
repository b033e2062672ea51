//! Questions with gold answers: the generated suite, loaders of public benchmarks, and one judge per answer type.
//!
//! # The generated suite
//!
//! Every question is a pure function of `(family, split, seed, index)`, so training can stream examples in any
//! order and a test suite can be rebuilt from its seed alone. The families mirror GSM8K (word problems), MATH
//! (algebra), CommonsenseQA, ARC and MMLU professional psychology, in a language small enough for tiny models.
//!
//! Splits are disjoint by construction. A maths problem (its skeleton and numbers, whatever the names) goes to one
//! split by its hash; a fact is asked in different words in each split. Facts are drawn with a weight that falls
//! with their rank, in the same way in all splits, so a small model learns the common ones and misses the rare ones.
//!
//! # Benchmarks
//!
//! [`data`] reads the files in which CommonsenseQA, ARC, MMLU, GSM8K, MATH and a few others are published, row by row,
//! and turns them into the same [`Question`]s.

mod algebra;
mod choice;
pub mod data;
mod facts;
mod family;
pub mod interval;
mod judge;
mod maths;
mod prompt;
mod question;
mod stream;
mod task;
mod word;

pub use family::{Family, Split, UnknownName};
pub use judge::{extract, is_correct};
pub use question::{Question, question, samples, suite};
pub use task::{AnswerType, Task};
