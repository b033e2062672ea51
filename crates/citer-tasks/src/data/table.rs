//! Rows of CSV and TSV files, with a header or in MMLU's order: question, options, letter.

use std::io::BufRead;

use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Value};

use super::error::{Problem, RowError};
use super::format::Row;

/// Names of the question in a header.
const QUESTION: [&str; 4] = ["question", "question stem", "question_stem", "problem"];
/// Names of the answer in a header. Names such as A and B do not count: options may read so.
const ANSWER: [&str; 7] = ["answer", "answerkey", "answer_key", "answer key", "solution", "target", "cot"];

/// Rows of a delimited file; a row of another width than the first is an error. Tab-separated files have no quoting.
pub(super) fn rows(reader: impl BufRead, delimiter: u8) -> impl Iterator<Item = Result<Row, RowError>> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter != b'\t')
        .has_headers(false)
        .flexible(true)
        .from_reader(reader);
    let mut table = Table { number: 0, width: 0, header: None, ended: false };
    std::iter::from_fn(move || {
        let mut record = ByteRecord::new();
        while !table.ended {
            match reader.read_byte_record(&mut record) {
                Ok(true) => {
                    if let Some(row) = table.row(&record) {
                        return Some(row);
                    }
                }
                Ok(false) => table.ended = true,
                Err(error) => {
                    table.ended = true;
                    let problem = Problem::Unreadable(error.to_string());
                    return Some(Err(RowError { row: table.number + 1, problem }));
                }
            }
        }
        None
    })
}

struct Table {
    number: usize,
    /// The number of fields of the first record.
    width: usize,
    header: Option<Vec<String>>,
    ended: bool,
}

impl Table {
    /// The row of a record, or `None` for the header.
    fn row(&mut self, record: &ByteRecord) -> Option<Result<Row, RowError>> {
        let fields: Result<Vec<_>, _> = record.iter().map(|field| str::from_utf8(field).map(str::to_owned)).collect();
        if let Ok(fields) = &fields
            && self.width == 0
        {
            self.width = fields.len();
            let has =
                |names: &[&str]| fields.iter().any(|field| names.contains(&field.trim().to_ascii_lowercase().as_str()));
            if has(&QUESTION) && has(&ANSWER) {
                self.header = Some(fields.iter().map(|field| field.trim().to_owned()).collect());
                return None;
            }
        }
        self.number += 1;
        let row = self.number;
        let fields = fields.map_err(|_| "not UTF-8".to_owned()).and_then(|fields| {
            let wanted = self.width;
            let right = fields.len() == wanted;
            if right { Ok(fields) } else { Err(format!("{} fields where the first row has {wanted}", fields.len())) }
        });
        Some(match fields {
            Ok(fields) => Ok(Row { number: row, fields: self.named(fields) }),
            Err(message) => Err(RowError { row, problem: Problem::Malformed(message) }),
        })
    }

    fn named(&self, mut fields: Vec<String>) -> Map<String, Value> {
        if let Some(header) = &self.header {
            return header.iter().cloned().zip(fields.into_iter().map(cell)).collect();
        }
        let mut map = Map::new();
        if let Some(answer) = fields.pop() {
            map.insert("answerKey".to_owned(), answer.into());
        }
        let mut fields = fields.into_iter();
        if let Some(question) = fields.next() {
            map.insert("question".to_owned(), question.into());
        }
        map.insert("choices".to_owned(), fields.collect());
        map
    }
}

/// A cell; lists and objects that an exporter wrote as JSON become values again.
fn cell(text: String) -> Value {
    if text.starts_with(['[', '{'])
        && let Ok(value) = serde_json::from_str(&text)
    {
        return value;
    }
    Value::String(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], delimiter: u8) -> Vec<String> {
        rows(text, delimiter)
            .map(|row| match row {
                Ok(row) => format!("{} {}", row.number, Value::Object(row.fields)),
                Err(error) => error.to_string(),
            })
            .collect()
    }

    #[test]
    fn mmlu_has_no_header() {
        let text = b"\xef\xbb\xbf\"Which, \"\"then\"\"?\nSay\",x,y,B\nWhy?,p,q\nHow?,p,\xff,A\nWho?,u,v,A\n";
        assert_eq!(
            all(text, b','),
            [
                r#"1 {"answerKey":"B","question":"Which, \"then\"?\nSay","choices":["x","y"]}"#,
                "row 2: malformed (3 fields where the first row has 4); repair or remove the row",
                "row 3: malformed (not UTF-8); repair or remove the row",
                r#"4 {"answerKey":"A","question":"Who?","choices":["u","v"]}"#,
            ]
            .map(|row| {
                // Field order is not part of the contract.
                row.split_once(' ')
                    .filter(|(_, json)| json.starts_with('{'))
                    .map_or(row.to_owned(), |(number, json)| {
                        format!("{number} {}", serde_json::from_str::<Value>(json).unwrap())
                    })
            })
        );
    }

    #[test]
    fn headers_name_fields() {
        let text = "id,question,choices,answer\n7,\"Why?\",\"[\"\"a\"\",\"\"b\"\"]\",1\n";
        assert_eq!(all(text.as_bytes(), b','), [r#"1 {"answer":"1","choices":["a","b"],"id":"7","question":"Why?"}"#]);
        let text = "Answer Key\tQuestion Stem\n1\t\"Quoted\" text\n";
        assert_eq!(all(text.as_bytes(), b'\t'), [r#"1 {"Answer Key":"1","Question Stem":"\"Quoted\" text"}"#]);
        assert!(all(b"", b',').is_empty());
        assert_eq!(all(b"Question,a,b,A\nWhy?,A,B,A\n", b',').len(), 2);
    }

    #[test]
    fn an_open_quote_is_an_error_and_not_a_question() {
        let text = "Q1,a,b,A\n\"Q2,a,b,B\nQ3,a,b,A\n";
        let rows = all(text.as_bytes(), b',');
        assert_eq!(rows.len(), 2);
        assert!(rows[1].starts_with("row 2: malformed (1 fields"), "{}", rows[1]);
    }
}
