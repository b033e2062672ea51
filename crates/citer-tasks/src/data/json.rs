//! Rows of JSON files: one object a line, or an array whose elements are read one at a time.

use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::{Deserializer, Map, Value};

use super::error::{Problem, RowError};
use super::format::Row;

/// The mark some programs write in front of UTF-8 text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Rows of a file with one object a line. A malformed line is an error of its own; empty lines are skipped.
pub(super) fn lines(mut reader: impl BufRead) -> impl Iterator<Item = Result<Row, RowError>> {
    let mut number = 0;
    let mut ended = false;
    std::iter::from_fn(move || {
        while !ended {
            let mut line = Vec::new();
            number += 1;
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => ended = true,
                Ok(_) => {
                    let line = if number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line) } else { &line };
                    if !line.trim_ascii().is_empty() {
                        return Some(object(number, serde_json::from_slice(line)));
                    }
                }
                Err(error) => {
                    ended = true;
                    return Some(Err(unreadable(number, error)));
                }
            }
        }
        None
    })
}

fn object(number: usize, parsed: serde_json::Result<Map<String, Value>>) -> Result<Row, RowError> {
    match parsed {
        Ok(fields) => Ok(Row { number, fields }),
        Err(error) => Err(RowError { row: number, problem: Problem::Malformed(error.to_string()) }),
    }
}

fn unreadable(row: usize, error: impl std::fmt::Display) -> RowError {
    RowError { row, problem: Problem::Unreadable(error.to_string()) }
}

/// Objects of a JSON array, or objects one after another. A syntax error ends the stream: where the next element
/// starts is not known then.
pub(super) fn values(reader: impl BufRead) -> impl Iterator<Item = Result<Row, RowError>> {
    let mut values = Values { reader, number: 0, place: Place::Start };
    std::iter::from_fn(move || {
        let row = values.next();
        if matches!(row, Some(Err(_)) | None) {
            values.place = Place::End;
        }
        row
    })
}

/// Where the stream stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    /// In the array; behind an element if set.
    Array(bool),
    /// Between objects outside an array.
    Bare,
    End,
}

struct Values<R> {
    reader: R,
    number: usize,
    place: Place,
}

impl<R: BufRead> Values<R> {
    fn next(&mut self) -> Option<Result<Row, RowError>> {
        if self.place == Place::End {
            return None;
        }
        self.number += 1;
        match self.advance() {
            Ok(true) => {
                // The deserializer stops right behind the closing brace, so the next one goes on from there.
                let mut deserializer = Deserializer::from_reader(&mut self.reader);
                let parsed = Map::<String, Value>::deserialize(&mut deserializer);
                Some(parsed.map(|fields| Row { number: self.number, fields }).map_err(|e| unreadable(self.number, e)))
            }
            Ok(false) => None,
            Err(error) => Some(Err(unreadable(self.number, error))),
        }
    }

    /// Moves to the brace that opens the next object; false at the end.
    fn advance(&mut self) -> Result<bool, String> {
        loop {
            let next = self.peek().map_err(|error| error.to_string())?;
            match (self.place, next) {
                (Place::Start, Some(b'[')) => {
                    self.reader.consume(1);
                    self.place = Place::Array(false);
                }
                (Place::Array(true), Some(b',')) => {
                    self.reader.consume(1);
                    self.place = Place::Array(false);
                }
                (Place::Start | Place::Bare, Some(b'{')) => {
                    self.place = Place::Bare;
                    return Ok(true);
                }
                (Place::Array(false), Some(b'{')) => {
                    self.place = Place::Array(true);
                    return Ok(true);
                }
                (Place::Array(behind), Some(b']')) if behind || self.number == 1 => {
                    self.reader.consume(1);
                    self.place = Place::End;
                    return match self.peek().map_err(|error| error.to_string())? {
                        None => Ok(false),
                        Some(_) => Err("text behind the end of the array".to_owned()),
                    };
                }
                (Place::Start | Place::Bare | Place::End, None) => return Ok(false),
                (_, Some(byte)) => return Err(format!("found \"{}\" where an object should be", byte.escape_ascii())),
                (_, None) => return Err("the array is not closed".to_owned()),
            }
        }
    }

    /// The next byte that is not white space, left in the reader.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let buffer = self.reader.fill_buf()?;
            let Some(&byte) = buffer.first() else { return Ok(None) };
            // A byte order mark is only skipped where a value may start.
            let mark = self.place == Place::Start && BYTE_ORDER_MARK.contains(&byte);
            if !byte.is_ascii_whitespace() && !mark {
                return Ok(Some(byte));
            }
            self.reader.consume(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn summary(rows: impl Iterator<Item = Result<Row, RowError>>) -> Vec<String> {
        rows.map(|row| match row {
            Ok(row) => format!("{} {}", row.number, Value::Object(row.fields)),
            Err(error) => format!("{} {}", if error.is_fatal() { "!" } else { "?" }, error.row),
        })
        .collect()
    }

    #[test]
    fn lines_are_numbered_and_go_on_after_a_bad_one() {
        let text = "\u{feff}{\"a\":1}\r\n\n{\"a\":\n[2]\n{\"a\":3}";
        assert_eq!(summary(lines(text.as_bytes())), ["1 {\"a\":1}", "? 3", "? 4", "5 {\"a\":3}"]);
        assert_eq!(summary(lines(&b"{\"a\":\"\xff\"}\n{}"[..])), ["? 1", "2 {}"]);
        assert!(lines(&b""[..]).next().is_none());
    }

    #[test]
    fn arrays_and_bare_objects() {
        for (text, wanted) in [
            ("[{\"a\":[1,{}]} ,\n{\"b\":\"],\"}]\n", &["1 {\"a\":[1,{}]}", "2 {\"b\":\"],\"}"][..]),
            ("\u{feff}[]", &[]),
            ("", &[]),
            ("{\n}\n{\"a\":1}", &["1 {}", "2 {\"a\":1}"]),
            ("[{}, {}", &["1 {}", "2 {}", "! 3"]),
            ("[{},]", &["1 {}", "! 2"]),
            ("[{} {}]", &["1 {}", "! 2"]),
            ("[,{}]", &["! 1"]),
            ("[{}, 7, {}]", &["1 {}", "! 2"]),
            ("[{}, {\"a\" 1}, {}]", &["1 {}", "! 2"]),
            ("[{}] x", &["1 {}", "! 2"]),
            ("7", &["! 1"]),
        ] {
            assert_eq!(summary(values(text.as_bytes())), wanted, "{text}");
            // One byte at a time, as a slow reader gives them.
            assert_eq!(summary(values(BufReader::with_capacity(1, text.as_bytes()))), wanted, "{text}");
        }
    }

    #[test]
    fn arrays_stream_and_read_errors_end_them() {
        struct Endless(usize);
        impl Read for Endless {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 > 1000 {
                    return Err(io::Error::other("gone"));
                }
                let text = if self.0 == 1 { "[{\"a\":1}" } else { ",{\"a\":1}" };
                out[..text.len()].copy_from_slice(text.as_bytes());
                Ok(text.len())
            }
        }
        let rows: Vec<_> = values(BufReader::new(Endless(0))).collect();
        assert_eq!(rows.len(), 1001);
        assert!(rows[1000].as_ref().unwrap_err().to_string().contains("gone"));
        assert_eq!(values(BufReader::new(Endless(0))).take(3).filter(Result::is_ok).count(), 3);
    }
}
