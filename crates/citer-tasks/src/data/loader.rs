//! Turns rows into records, one at a time, and counts what it cannot use.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use super::benchmark::Benchmark;
use super::error::{Problem, RowError};
use super::format::Rows;
use super::record::Record;
use crate::family::Split;
use crate::question::Question;

/// An iterator over the records of a file. An error concerns one row, and the next item is the next row, unless the
/// error [is fatal](RowError::is_fatal).
pub struct Loader<'a> {
    benchmark: Benchmark,
    split: Split,
    rows: Rows<'a>,
    /// The row each id came up in first.
    seen: HashMap<String, usize>,
}

impl<'a> Loader<'a> {
    /// Reads rows as those of a benchmark's split.
    pub fn new(benchmark: Benchmark, split: Split, rows: Rows<'a>) -> Self {
        Self { benchmark, split, rows, seen: HashMap::new() }
    }

    /// Reads all rows and keeps those that are fine; the others are listed. Fails if the file itself is broken.
    pub fn load(self) -> Result<Loaded, RowError> {
        let mut loaded = Loaded::default();
        for record in self {
            match record {
                Ok(record) => loaded.questions.push(record.question()),
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => loaded.skipped.push(error),
            }
        }
        Ok(loaded)
    }
}

impl Iterator for Loader<'_> {
    type Item = Result<Record, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let record =
            Record::new(self.benchmark, self.split, &row).and_then(|record| match self.seen.entry(record.id.clone()) {
                Entry::Occupied(first) => Err(Problem::DuplicateId { id: record.id, first: *first.get() }),
                Entry::Vacant(place) => {
                    place.insert(row.number);
                    Ok(record)
                }
            });
        Some(record.map_err(|problem| RowError { row: row.number, problem }))
    }
}

/// The questions of a file and the rows that are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Questions in the order of the file.
    pub questions: Vec<Question>,
    /// What is wrong with each row that was left out.
    pub skipped: Vec<RowError>,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} questions", self.questions.len())?;
        match self.skipped.as_slice() {
            [] => Ok(()),
            [only] => write!(f, ", 1 row skipped ({only})"),
            [first, ..] => write!(f, ", {} rows skipped (the first: {first})", self.skipped.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Format;

    fn load(format: Format, text: &str) -> Result<Loaded, RowError> {
        let rows = format.rows(text.as_bytes()).unwrap();
        Loader::new(Benchmark::Gsm8k, Split::Test, rows).load()
    }

    #[test]
    fn bad_rows_are_counted_and_named() {
        let text = r#"{"id": "a", "question": "Q", "answer": "1"}
            {"id": "b", "question": "Q", "answer": ""}
            {"id": "a", "question": "Q", "answer": "2"}
            {"id": "c"
            {"id": "", "question": "Q", "answer": "2"}
            {"question": "Q", "answer": "3"}"#;
        let loaded = load(Format::JsonLines, text).unwrap();
        assert_eq!(
            loaded.questions.iter().map(|question| question.id.as_str()).collect::<Vec<_>>(),
            ["a", "gsm8k-test-6"]
        );
        assert_eq!(loaded.skipped.iter().map(|error| error.row).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!(
            loaded.skipped[1].to_string(),
            "row 3: the id \"a\" is that of row 1 too; remove one of them or give it an id of its own"
        );
        assert_eq!(
            loaded.to_string(),
            "2 questions, 4 rows skipped (the first: row 2: the gold answer is empty; fill it in or remove the row)"
        );
    }

    #[test]
    fn a_skipped_row_does_not_own_its_id() {
        let text = "{\"id\": \"a\", \"question\": \"Q\"}\n{\"id\": \"a\", \"question\": \"Q\", \"answer\": \"2\"}";
        let loaded = load(Format::JsonLines, text).unwrap();
        assert_eq!(loaded.to_string().split(',').next(), Some("1 questions"));
        assert_eq!(loaded.skipped.len(), 1);
    }

    #[test]
    fn a_broken_file_is_an_error() {
        let error = load(Format::Json, "[{\"question\": \"Q\", \"answer\": \"2\"}, {\"que").unwrap_err();
        assert!(error.is_fatal() && error.to_string().starts_with("row 2: the file cannot be read from here on"));
    }
}
