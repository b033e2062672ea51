//! Loaders of public benchmarks: rows from JSON, CSV and Parquet, read one at a time, as questions with gold answers.
//!
//! Nothing here opens files; callers pass readers, so the same code runs in the browser. A row that cannot become a
//! question is an error with its number and what to do about it, never a guess:
//!
//! ```
//! use citer_tasks::Split;
//! use citer_tasks::data::{Benchmark, Format, Loader};
//!
//! let file = br#"{"question": "What is 2 + 2?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"}"#;
//! let rows = Format::JsonLines.rows(&file[..])?;
//! for question in Loader::new(Benchmark::Gsm8k, Split::Test, rows) {
//!     let question = question?.question();
//!     assert_eq!(question.solution, "2 + 2 = 4\nThe answer is \\boxed{4}.");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod benchmark;
mod error;
mod fields;
mod format;
mod json;
mod loader;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod record;
mod solved;
mod table;

pub use benchmark::Benchmark;
pub use error::{FormatError, Problem, RowError};
pub use format::{Format, Row, Rows, Source};
pub use loader::{Loaded, Loader};
#[cfg(feature = "parquet")]
pub use parquet::parquet_rows;
pub use record::Record;
