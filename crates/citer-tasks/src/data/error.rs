//! What can be wrong with a file or a row; every message says what to do next.

/// A row that is no question, with its number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {problem}")]
pub struct RowError {
    /// Line number in JSON lines; number of the record, headers not counted, in other formats. The first is 1.
    pub row: usize,
    /// What is wrong.
    pub problem: Problem,
}

impl RowError {
    /// Whether no further row can be read.
    pub fn is_fatal(&self) -> bool {
        matches!(self.problem, Problem::Unreadable(_))
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file ends or breaks here.
    #[error("the file cannot be read from here on ({0}); fetch it again")]
    Unreadable(String),
    /// The row alone is malformed.
    #[error("malformed ({0}); repair or remove the row")]
    Malformed(String),
    /// None of the fields that could hold a value is there.
    #[error("has no {what}; expected {fields}. Check that the benchmark and the split are the right ones")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The fields that could hold it.
        fields: &'static str,
    },
    /// A field is there but says nothing.
    #[error("the {0} is empty; fill it in or remove the row")]
    Empty(&'static str),
    /// A field has another type or form than any known version of the benchmark.
    #[error("the {what} should be {expected}; check that the benchmark is the right one")]
    Unexpected {
        /// What has the wrong form.
        what: &'static str,
        /// The right form.
        expected: &'static str,
    },
    /// Option labels that are neither letters nor numbers in order.
    #[error("the options are labelled {0}; number them A, B, C, ... or 1, 2, 3, ... in order")]
    Labels(String),
    /// The gold answer is not among the options.
    #[error("the gold answer \"{0}\" is none of the options; correct it or remove the row")]
    UnknownGold(String),
    /// The gold answer names two options.
    #[error("the gold answer \"{0}\" fits several options; give its letter or remove the row")]
    AmbiguousGold(String),
    /// The gold answer is no number.
    #[error("the gold answer \"{0}\" is no number; correct it or remove the row")]
    NoNumber(String),
    /// Two fields of a row give different answers.
    #[error(
        "the gold answer is \"{gold}\" but the solution ends with \"{found}\"; correct one of them or remove the row"
    )]
    Contradiction {
        /// The answer in its own field.
        gold: String,
        /// The answer the solution gives.
        found: String,
    },
    /// The id came up before.
    #[error("the id \"{id}\" is that of row {first} too; remove one of them or give it an id of its own")]
    DuplicateId {
        /// The id.
        id: String,
        /// The row that had it first.
        first: usize,
    },
}

/// A file whose format, benchmark or split is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Neither the name nor the first bytes tell the format.
    #[error("cannot tell the format of \"{0}\"; use a .jsonl, .json, .csv, .tsv or .parquet file")]
    UnknownFormat(String),
    /// Parquet needs random access, so it has a reader of its own.
    #[error("Parquet is not read as a stream; use parquet_rows, in a build with the feature \"parquet\"")]
    Parquet,
    /// The file is no readable Parquet.
    #[error("not a readable Parquet file ({0}); fetch it again or convert it to JSON lines")]
    BadParquet(String),
    /// The name does not tell the benchmark.
    #[error("cannot tell the benchmark of \"{0}\"; name it")]
    UnknownBenchmark(String),
    /// The name does not tell the split.
    #[error("cannot tell the split of \"{0}\"; name it: train, validation or test")]
    UnknownSplit(String),
}
