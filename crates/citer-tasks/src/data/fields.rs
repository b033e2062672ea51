//! Typed access to the fields of a row, with errors that name what is missing.

use serde_json::{Map, Value};

use super::error::Problem;

/// The fields of one row.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// A field that is there and not null.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The text of the first of some fields that is there; numbers count as text.
    pub(super) fn text(self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| text(self.get(name)?))
    }

    /// Like [`Fields::text`], trimmed, and an error if it is missing or empty.
    pub(super) fn required(self, what: &'static str, names: &[&str], fields: &'static str) -> Result<String, Problem> {
        let text = self.text(names).ok_or(Problem::Missing { what, fields })?;
        filled(what, &text)
    }
}

/// The text of a string or a number.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A trimmed text that is not empty.
pub(super) fn filled(what: &'static str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() { Err(Problem::Empty(what)) } else { Ok(text.to_owned()) }
}
