//! Fields: reads a request's JSON object so that every complaint names its field. `null` counts as absent.

use crate::error::ApiError;
use axum::{body::Bytes, extract::rejection::BytesRejection};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// A JSON object.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a request's body, or says why it could not be received.
    pub fn received(body: Result<Bytes, BytesRejection>) -> Result<Self, ApiError> {
        let body = body.map_err(|error| ApiError::body(error.status(), &error.body_text()))?;
        Self::parse(&body)
    }

    /// Reads the bytes of a body.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(ApiError::bad("the body must be a JSON object")),
            Err(error) => Err(ApiError::bad(format!("the body is not JSON ({error})"))),
        }
    }

    /// The field, if present.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A string.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.read(name, "must be a string", Value::as_str)
    }

    /// A boolean; absent means false.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        Ok(self.read(name, "must be true or false", Value::as_bool)?.unwrap_or(false))
    }

    /// A number within `range`.
    pub fn number(&self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>, ApiError> {
        let complaint = format!("must be a number from {} to {}", range.start(), range.end());
        self.read(name, &complaint, |value| value.as_f64().filter(|number| range.contains(number)))
    }

    /// A whole number within `range`.
    pub fn integer(&self, name: &str, range: RangeInclusive<usize>) -> Result<Option<usize>, ApiError> {
        let complaint = format!("must be a whole number from {} to {}", range.start(), range.end());
        self.read(name, &complaint, |value| {
            usize::try_from(value.as_u64()?).ok().filter(|number| range.contains(number))
        })
    }

    /// A whole number of 64 bits; a negative one keeps its bits.
    pub fn seed(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.read(name, "must be a whole number of 64 bits", |value| {
            value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned))
        })
    }

    /// Refuses fields that would change the answer but are not supported, unless they have a neutral value.
    pub fn refuse(&self, unsupported: &[(&str, &[Value])]) -> Result<(), ApiError> {
        for (name, neutral) in unsupported {
            let same = |wanted: &Value, value: &Value| {
                wanted == value || wanted.as_f64().is_some_and(|n| value.as_f64() == Some(n))
            };
            if self.get(name).is_some_and(|value| !neutral.iter().any(|wanted| same(wanted, value))) {
                return Err(ApiError::field(name, "is not supported by this server: leave it out"));
            }
        }
        Ok(())
    }

    fn read<'a, T>(
        &'a self,
        name: &str,
        complaint: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        self.get(name).map(|value| read(value).ok_or_else(|| ApiError::field(name, complaint))).transpose()
    }
}
