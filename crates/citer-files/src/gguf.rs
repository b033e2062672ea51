//! GGUF files (versions 1 to 3): metadata and tensors, read from bytes that need not be trusted.
//!
//! Format: the GGUF specification of the ggml project. Only metadata and the table of tensors are held; every length is
//! checked against what is left of the file, and against a limit, before anything is read or allocated.

use crate::{
    bytes::{Bytes, too_short},
    error::LoadError,
    format::{Format, ggml_name},
    source::{TensorInfo, TensorSource, read_rows},
};
use std::{collections::HashMap, ops::Range};

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

impl Entry {
    fn shape(&self) -> Vec<usize> {
        self.dims.iter().rev().copied().collect()
    }
}

/// A GGUF file.
pub struct Gguf<'a> {
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, Entry>,
    bytes: Box<dyn Bytes + 'a>,
    /// Where the tensors begin.
    data: u64,
}

/// Most dimensions of a tensor.
const DIMENSIONS: u32 = 4;
/// Arrays within arrays that are still read.
const DEPTH: u32 = 3;
/// Largest alignment accepted.
const ALIGNMENT: u64 = 1 << 16;
/// Longest header accepted: several times a large vocabulary with its merges and its tokenizer.json.
const HEADER: u64 = 1 << 26;
/// Most values in the metadata; a large vocabulary with types and merges has a third of it.
const VALUES: u64 = 1 << 21;
/// Most tensors; a decoder of a hundred layers has a fiftieth of it.
const TENSORS: u64 = 1 << 16;
/// Bytes read at once from the header.
const CHUNK: u64 = 1 << 16;

fn damaged(detail: impl std::fmt::Display) -> LoadError {
    LoadError::Weights(format!("GGUF: {detail}"))
}

/// Reads the header from its front.
struct Reader<'a> {
    bytes: &'a dyn Bytes,
    /// Where the next byte lies, and where reading has to end.
    at: u64,
    end: u64,
    /// Bytes from `start` on that have been read ahead.
    ahead: Vec<u8>,
    start: u64,
    version: u32,
    values_left: u64,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a dyn Bytes) -> Self {
        let end = bytes.len().min(HEADER);
        Self { bytes, at: 0, end, ahead: Vec::new(), start: 0, version: 0, values_left: VALUES }
    }

    /// The error of a header that does not end where it has to.
    fn too_long(&self) -> LoadError {
        if self.end == HEADER { damaged(format!("its header is longer than {HEADER} bytes")) } else { too_short() }
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), LoadError> {
        let length = into.len() as u64;
        let after = self.at.checked_add(length).filter(|after| *after <= self.end).ok_or_else(|| self.too_long())?;
        if length > CHUNK {
            self.bytes.read(self.at, into)?;
        } else {
            if after > self.start + self.ahead.len() as u64 {
                self.start = self.at;
                self.ahead.resize(CHUNK.min(self.end - self.at) as usize, 0);
                self.bytes.read(self.start, &mut self.ahead)?;
            }
            let from = (self.at - self.start) as usize;
            into.copy_from_slice(&self.ahead[from..][..into.len()]);
        }
        self.at = after;
        Ok(())
    }

    fn take(&mut self, length: u64) -> Result<Vec<u8>, LoadError> {
        if length > self.end - self.at {
            return Err(self.too_long());
        }
        let mut taken = vec![0; length as usize];
        self.fill(&mut taken)?;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LoadError> {
        let mut taken = [0; N];
        self.fill(&mut taken)?;
        Ok(taken)
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
        String::from_utf8(self.take(length)?).map_err(|_| damaged("a name is no UTF-8"))
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<Value, LoadError> {
        self.values_left =
            self.values_left.checked_sub(1).ok_or_else(|| damaged("its metadata has too many values"))?;
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
                Value::Text(String::from_utf8_lossy(&self.take(length)?).into_owned())
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
    pub fn is_gguf(bytes: &dyn Bytes) -> bool {
        let mut first = [0; 4];
        bytes.read(0, &mut first).is_ok_and(|()| &first == b"GGUF")
    }

    /// Reads metadata and the table of tensors; checks that every tensor lies within the file and on no other.
    pub fn parse(bytes: impl Bytes + 'a) -> Result<Self, LoadError> {
        let mut reader = Reader::new(&bytes);
        if &reader.array::<4>()? != b"GGUF" {
            return Err(damaged("it does not begin with GGUF"));
        }
        reader.version = reader.u32()?;
        if !(1..=3).contains(&reader.version) {
            return Err(damaged(format!("version {} is not supported (1 to 3, little-endian)", reader.version)));
        }
        let (tensor_count, metadata_count) = (reader.count()?, reader.count()?);
        if tensor_count > TENSORS {
            return Err(damaged(format!("it says that it has {tensor_count} tensors")));
        }
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
        // A file without tensors may end with its header.
        let data = reader.at.next_multiple_of(alignment).min(bytes.len());
        check_places(&tensors, bytes.len() - data)?;
        Ok(Self { metadata, tensors, bytes: Box::new(bytes), data })
    }

    /// A value of the metadata.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// Names of all tensors as they stand in the file, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor with the dimension that varies fastest last, if there is such a tensor.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(name).map(Entry::shape)
    }

    fn entry(&self, name: &str) -> Result<(TensorInfo, u64), LoadError> {
        let entry = self.tensors.get(name).ok_or_else(|| LoadError::MissingTensor(name.into()))?;
        let unsupported = || LoadError::DType { name: name.into(), dtype: ggml_name(entry.format) };
        let format = Format::from_ggml(entry.format).ok_or_else(unsupported)?;
        Ok((TensorInfo { shape: entry.shape(), format }, self.data + entry.offset))
    }
}

/// The tensors by the names and in the row order of the file.
impl TensorSource for Gguf<'_> {
    fn info(&self, name: &str) -> Result<TensorInfo, LoadError> {
        Ok(self.entry(name)?.0)
    }

    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
        let (info, start) = self.entry(name)?;
        read_rows(&*self.bytes, name, &info, start, &rows)
    }
}

/// Checks that the tensors of known formats lie within `length` bytes of data, each on its own.
fn check_places(tensors: &HashMap<String, Entry>, length: u64) -> Result<(), LoadError> {
    let mut places = Vec::new();
    for (name, entry) in tensors {
        let Some(format) = Format::from_ggml(entry.format) else { continue };
        // A shape with a zero has no bytes, however large its other dimensions.
        let absurd = entry.dims.iter().try_fold(1usize, |size, dim| size.checked_mul((*dim).max(1))).is_none();
        let rows = entry.dims.iter().skip(1).fold(1usize, |rows, dim| rows.saturating_mul(*dim));
        let row = format.row_bytes(entry.dims.first().copied().unwrap_or(1)).filter(|_| !absurd);
        let size = row.and_then(|row| row.checked_mul(rows));
        let size = size.ok_or_else(|| damaged(format!("tensor {name} has no whole blocks")))? as u64;
        let end = entry.offset.checked_add(size).filter(|end| *end <= length);
        places.push((entry.offset, end.ok_or_else(|| damaged(format!("tensor {name} lies outside the file")))?, name));
    }
    places.sort_unstable();
    match places.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        Some(pair) => Err(damaged(format!("tensors {} and {} overlap", pair[0].2, pair[1].2))),
        None => Ok(()),
    }
}
