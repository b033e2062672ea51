//! The generated benchmark suite: five families of short questions, disjoint splits and one judge per answer type.
//!
//! Every question is a pure function of `(family, split, seed, index)`, so training can stream examples in any
//! order and a test suite can be rebuilt from its seed alone. The families mirror GSM8K (word problems), MATH
//! (algebra), CommonsenseQA, ARC and MMLU professional psychology, in a language small enough for tiny models.
//!
//! Splits are disjoint by construction. A maths problem (its skeleton and numbers, whatever the names) goes to one
//! split by its hash; a fact is asked in different words in each split. Facts are drawn with a weight that falls
//! with their rank, in the same way in all splits, so a small model learns the common ones and misses the rare ones.

mod algebra;
mod choice;
mod facts;
mod family;
mod judge;
mod maths;
mod question;
mod stream;
mod word;

pub use family::{Family, Split, UnknownName};
pub use judge::{extract, is_correct};
pub use question::{Question, question, samples, suite};
