//! File formats: how to tell them apart, and the stream of rows that all of them become.

use std::io::BufRead;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::benchmark::{Benchmark, detect_split};
use super::error::{FormatError, RowError};
use super::{json, table};
use crate::family::Split;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// A JSON array of objects, or one object after another.
    Json,
    /// Comma-separated values, with a header or, as MMLU is published, without.
    Csv,
    /// Tab-separated values without quoting, with a header.
    Tsv,
    /// Apache Parquet.
    Parquet,
}

/// One row: its number and its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// As in [`RowError::row`].
    pub number: usize,
    /// The fields by name.
    pub fields: Map<String, Value>,
}

/// Rows of a file, read as they are asked for.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, RowError>> + 'a>;

impl Format {
    /// Tells the format by the file's first bytes (a few kilobytes will do) and its name. What the bytes say wins:
    /// many published `.json` files hold JSON lines.
    pub fn detect(name: &str, head: &[u8]) -> Result<Self, FormatError> {
        if head.starts_with(b"PAR1") {
            return Ok(Format::Parquet);
        }
        let text = head.strip_prefix(json::BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
        let name = name.to_ascii_lowercase();
        match text.first() {
            Some(b'[') => return Ok(Format::Json),
            Some(b'{') => {
                let mut lines = text.splitn(2, |byte| *byte == b'\n');
                let line = lines.next().unwrap_or_default();
                let whole = serde_json::from_slice::<IgnoredAny>(line).is_ok();
                let cut = lines.next().is_none() && !name.ends_with(".json");
                return Ok(if whole || cut { Format::JsonLines } else { Format::Json });
            }
            _ => {}
        }
        let endings = [
            (".jsonl", Format::JsonLines),
            (".ndjson", Format::JsonLines),
            (".json", Format::Json),
            (".csv", Format::Csv),
            (".tsv", Format::Tsv),
        ];
        let found = endings.into_iter().find(|(ending, _)| name.ends_with(ending));
        found.map(|(_, format)| format).ok_or(FormatError::UnknownFormat(name))
    }

    /// The rows of a file in this format. Parquet has a function of its own, `parquet_rows`.
    pub fn rows<'a>(self, reader: impl BufRead + 'a) -> Result<Rows<'a>, FormatError> {
        match self {
            Format::JsonLines => Ok(Box::new(json::lines(reader))),
            Format::Json => Ok(Box::new(json::values(reader))),
            Format::Csv => Ok(Box::new(table::rows(reader, b','))),
            Format::Tsv => Ok(Box::new(table::rows(reader, b'\t'))),
            Format::Parquet => Err(FormatError::Parquet),
        }
    }
}

/// What a file is, as far as its path and first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its format.
    pub format: Format,
    /// Its benchmark.
    pub benchmark: Benchmark,
    /// Its split.
    pub split: Split,
}

impl Source {
    /// Tells format, benchmark and split of a file; `benchmark` and `split` override what the path says.
    pub fn detect(
        path: &str,
        head: &[u8],
        benchmark: Option<Benchmark>,
        split: Option<Split>,
    ) -> Result<Self, FormatError> {
        Ok(Self {
            format: Format::detect(path, head)?,
            benchmark: benchmark
                .or_else(|| Benchmark::detect(path))
                .ok_or_else(|| FormatError::UnknownBenchmark(path.to_owned()))?,
            split: split.or_else(|| detect_split(path)).ok_or_else(|| FormatError::UnknownSplit(path.to_owned()))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_names_tell_the_format() {
        for (name, head, wanted) in [
            ("a.json", "{\"a\": 1}\n{\"a\": 2}\n", Some(Format::JsonLines)),
            ("a.json", "{\"a\": 1}", Some(Format::JsonLines)),
            ("a.json", "{\n  \"a\": 1\n}", Some(Format::Json)),
            ("a.json", "{\"a\": \"cut off her", Some(Format::Json)),
            ("a.jsonl", "{\"a\": \"cut off her", Some(Format::JsonLines)),
            ("a.jsonl", "\u{feff}\n[{\"a\": 1}]", Some(Format::Json)),
            ("A.CSV", "What?,a,b", Some(Format::Csv)),
            ("a.tsv", "ID\tQuestion", Some(Format::Tsv)),
            ("a.csv", "PAR1....", Some(Format::Parquet)),
            ("a.txt", "text", None),
        ] {
            assert_eq!(Format::detect(name, head.as_bytes()).ok(), wanted, "{name} {head}");
        }
    }

    #[test]
    fn sources_say_what_is_missing() {
        let source = Source::detect("gsm8k/train.jsonl", b"{}", None, None).unwrap();
        assert_eq!(source, Source { format: Format::JsonLines, benchmark: Benchmark::Gsm8k, split: Split::Train });
        let named = Source::detect("x.jsonl", b"{}", Some(Benchmark::Arc), Some(Split::Test)).unwrap();
        assert_eq!((named.benchmark, named.split), (Benchmark::Arc, Split::Test));
        for (path, wanted) in [("x.txt", "format"), ("x.jsonl", "benchmark"), ("gsm8k.jsonl", "split")] {
            assert!(Source::detect(path, b"", None, None).unwrap_err().to_string().contains(wanted));
        }
    }
}
