//! GGUF files (versions 1 to 3): metadata and tensors, read from bytes that need not be trusted.
//!
//! Format: the GGUF specification of the ggml project. Every length is checked against what is left of the file before
//! anything is read or allocated.

use crate::{
    error::LoadError,
    ggml::{self, Format},
};
use std::collections::HashMap;

/// A value of the metadata. Numbers of all widths are held in the widest of their kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number from 0.
    Unsigned(u64),
    /// A whole number.
    Signed(i64),
    /// A floating-point number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// Several values of one type.
    Array(Vec<Value>),
}

/// Where a tensor lies.
#[derive(Clone, Debug)]
struct Entry {
    /// As in the specification: the first dimension varies fastest.
    dims: Vec<usize>,
    format: u32,
    offset: u64,
}

/// A parsed GGUF file.
#[derive(Debug)]
pub struct Gguf<'a> {
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, Entry>,
    data: &'a [u8],
}

/// Most dimensions of a tensor.
const DIMENSIONS: u32 = 4;
/// Arrays within arrays that are still read.
const DEPTH: u32 = 3;
/// Largest alignment accepted.
const ALIGNMENT: u64 = 1 << 16;

fn damaged(detail: impl std::fmt::Display) -> LoadError {
    LoadError::Weights(format!("GGUF: {detail}"))
}

struct Reader<'a> {
    rest: &'a [u8],
    version: u32,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], LoadError> {
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = split.ok_or_else(|| damaged("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LoadError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| damaged("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, LoadError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, LoadError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count or length: 32 bits in version 1, 64 since.
    fn count(&mut self) -> Result<u64, LoadError> {
        if self.version == 1 { self.u32().map(u64::from) } else { self.u64() }
    }

    fn name(&mut self) -> Result<String, LoadError> {
        let length = self.count()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| damaged("a name is no UTF-8"))
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<Value, LoadError> {
        Ok(match kind {
            0 => Value::Unsigned(self.array::<1>()?[0].into()),
            1 => Value::Signed(i8::from_le_bytes(self.array()?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.array()?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.array()?).into()),
            4 => Value::Unsigned(self.u32()?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.array()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.array()?).into()),
            7 => Value::Bool(self.array::<1>()?[0] != 0),
            8 => {
                let length = self.count()?;
                Value::Text(String::from_utf8_lossy(self.take(length)?).into_owned())
            }
            9 if depth < DEPTH => {
                let (kind, count) = (self.u32()?, self.count()?);
                // Nothing is reserved ahead: a count that the file cannot hold runs into its end.
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(kind, depth + 1)?);
                }
                Value::Array(values)
            }
            9 => return Err(damaged("arrays lie too deep")),
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.array()?)),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(damaged(format!("metadata has the unknown type {other}"))),
        })
    }

    fn entry(&mut self) -> Result<Entry, LoadError> {
        let rank = self.u32()?;
        if rank > DIMENSIONS {
            return Err(damaged(format!("a tensor has {rank} dimensions")));
        }
        let mut dims = Vec::new();
        for _ in 0..rank {
            dims.push(usize::try_from(self.count()?).map_err(|_| damaged("a dimension is too large"))?);
        }
        Ok(Entry { dims, format: self.u32()?, offset: self.u64()? })
    }
}

impl<'a> Gguf<'a> {
    /// Whether `bytes` begin like a GGUF file.
    pub fn is_gguf(bytes: &[u8]) -> bool {
        bytes.starts_with(b"GGUF")
    }

    /// Reads metadata and the table of tensors; checks that every tensor lies within the file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let mut reader = Reader { rest: bytes, version: 0 };
        if &reader.array::<4>()? != b"GGUF" {
            return Err(damaged("it does not begin with GGUF"));
        }
        reader.version = reader.u32()?;
        if !(1..=3).contains(&reader.version) {
            return Err(damaged(format!("version {} is not supported (1 to 3, little-endian)", reader.version)));
        }
        let (tensor_count, metadata_count) = (reader.count()?, reader.count()?);
        let mut metadata = HashMap::new();
        for _ in 0..metadata_count {
            let name = reader.name()?;
            let kind = reader.u32()?;
            let value = reader.value(kind, 0)?;
            if metadata.insert(name.clone(), value).is_some() {
                return Err(damaged(format!("{name} occurs twice")));
            }
        }
        let mut tensors = HashMap::new();
        for _ in 0..tensor_count {
            let name = reader.name()?;
            let entry = reader.entry()?;
            if tensors.insert(name.clone(), entry).is_some() {
                return Err(damaged(format!("tensor {name} occurs twice")));
            }
        }
        let alignment = match metadata.get("general.alignment") {
            None => 32,
            Some(Value::Unsigned(size)) if size.is_power_of_two() && *size <= ALIGNMENT => *size,
            Some(other) => return Err(damaged(format!("general.alignment {other:?} is not supported"))),
        };
        let header = (bytes.len() - reader.rest.len()) as u64;
        // A file without tensors may end with its header.
        let padding = (header.next_multiple_of(alignment) - header).min(reader.rest.len() as u64);
        reader.take(padding)?;
        let file = Self { metadata, tensors, data: reader.rest };
        for (name, entry) in &file.tensors {
            if let Some(format) = Format::new(entry.format) {
                file.data_of(name, entry, format)?;
            }
        }
        Ok(file)
    }

    /// A value of the metadata.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// Names of all tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor with the dimension that varies fastest last, if there is such a tensor.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(name).map(|entry| entry.dims.iter().rev().copied().collect())
    }

    /// The values of a tensor as f32. Its type has to be one of [`Format`].
    pub fn tensor(&self, name: &str) -> Result<Vec<f32>, LoadError> {
        let entry = self.tensors.get(name).ok_or_else(|| LoadError::MissingTensor(name.into()))?;
        let unsupported = || LoadError::DType { name: name.into(), dtype: ggml::name(entry.format) };
        let format = Format::new(entry.format).ok_or_else(unsupported)?;
        Ok(format.values(self.data_of(name, entry, format)?))
    }

    fn data_of(&self, name: &str, entry: &Entry, format: Format) -> Result<&'a [u8], LoadError> {
        let row_fits = entry.dims.first().is_none_or(|row| row.is_multiple_of(format.block().0));
        let values = entry.dims.iter().try_fold(1usize, |size, dim| size.checked_mul(*dim));
        let length = values.filter(|_| row_fits).and_then(|values| format.bytes(values));
        let length = length.ok_or_else(|| damaged(format!("tensor {name} has no whole blocks")))?;
        let start = usize::try_from(entry.offset).ok();
        let range = start.and_then(|start| self.data.get(start..)?.get(..length));
        range.ok_or_else(|| damaged(format!("tensor {name} lies outside the file")))
    }
}
