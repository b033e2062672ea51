//! A safetensors file with the tensor names and layouts of Hugging Face Llama models, of which only the header is held.

use crate::{
    bytes::{Bytes, too_short},
    error::LoadError,
    format::Format,
    source::{TensorInfo, TensorSource, read_rows},
};
use safetensors::{Dtype, tensor::Metadata};
use std::ops::Range;

/// Longest header accepted; those of the largest models have a tenth of it.
const HEADER: u64 = 1 << 24;
/// Bytes of the header's length.
const LENGTH: u64 = 8;

/// A safetensors file.
pub struct Safetensors<'a> {
    bytes: Box<dyn Bytes + 'a>,
    header: Metadata,
    /// Where the tensors begin.
    data: u64,
}

/// The format of a safetensors type, if it is supported.
fn format(dtype: Dtype) -> Option<Format> {
    match dtype {
        Dtype::F32 => Some(Format::F32),
        Dtype::F16 => Some(Format::F16),
        Dtype::BF16 => Some(Format::BF16),
        _ => None,
    }
}

impl<'a> Safetensors<'a> {
    /// Reads the header and checks it against the file's length: tensors fill it without gap or overlap.
    pub fn parse(bytes: impl Bytes + 'a) -> Result<Self, LoadError> {
        let damaged = |detail: String| LoadError::Weights(detail);
        let mut length = [0; LENGTH as usize];
        bytes.read(0, &mut length)?;
        let length = u64::from_le_bytes(length);
        if length > HEADER {
            return Err(damaged(format!("its header says that it is {length} bytes long")));
        }
        let data = LENGTH + length;
        let tensors = bytes.len().checked_sub(data).ok_or_else(too_short)?;
        let mut header = vec![0; length as usize];
        bytes.read(LENGTH, &mut header)?;
        let header: Metadata = serde_json::from_slice(&header).map_err(|e| damaged(e.to_string()))?;
        if header.data_len() as u64 != tensors {
            return Err(damaged(format!("its tensors have {} bytes and {tensors} are there", header.data_len())));
        }
        // A shape with a zero has no bytes, however large its other dimensions.
        let absurd = |shape: &[usize]| shape.iter().try_fold(1usize, |size, d| size.checked_mul((*d).max(1))).is_none();
        if header.tensors().values().any(|info| absurd(&info.shape)) {
            return Err(damaged("a tensor has an absurd shape".into()));
        }
        Ok(Self { bytes: Box::new(bytes), header, data })
    }

    /// Names of all tensors.
    pub fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    fn entry(&self, name: &str) -> Result<(TensorInfo, u64), LoadError> {
        let entry = self.header.info(name).ok_or_else(|| LoadError::MissingTensor(name.into()))?;
        let unsupported = || LoadError::DType { name: name.into(), dtype: format!("{:?}", entry.dtype) };
        let format = format(entry.dtype).ok_or_else(unsupported)?;
        Ok((TensorInfo { shape: entry.shape.clone(), format }, self.data + entry.data_offsets.0 as u64))
    }
}

impl TensorSource for Safetensors<'_> {
    fn info(&self, name: &str) -> Result<TensorInfo, LoadError> {
        Ok(self.entry(name)?.0)
    }

    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
        let (info, start) = self.entry(name)?;
        read_rows(&*self.bytes, name, &info, start, &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::values;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn refused(header: &str, data: &[u8]) -> String {
        Safetensors::parse(file(header, data)).err().expect(header).to_string()
    }

    #[test]
    fn rows_are_read_where_they_lie() {
        let header = r#"{"b":{"dtype":"F16","shape":[3,2],"data_offsets":[4,16]},"a":{"dtype":"F32","shape":[],
            "data_offsets":[0,4]}}"#;
        let halves: Vec<u8> = (0..6u8).flat_map(|v| half::f16::from(v).to_le_bytes()).collect();
        let bytes = file(header, &[&2.5f32.to_le_bytes()[..], &halves].concat());
        let file = Safetensors::parse(&bytes).unwrap();
        assert_eq!(file.rows("b", 1..2).unwrap(), halves[4..8]);
        assert_eq!(values(&file, "b", &[3, 2]).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(values(&file, "a", &[]).unwrap(), [2.5]);
        assert_eq!(file.names(), ["a", "b"]);
        assert!(file.rows("b", 2..4).is_err());
    }

    #[test]
    fn headers_that_lie_are_refused() {
        for (why, header) in [
            ("a gap", r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#),
            (
                "an overlap",
                r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            ),
            ("another size", r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#),
            ("beyond the end", r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#),
            ("bytes left", r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#),
            (
                "a size that cannot be told",
                r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}}"#,
            ),
            (
                "no values in many rows",
                r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,2,0],"data_offsets":[0,0]},
                "b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            ),
            ("no JSON", "{"),
        ] {
            assert!(refused(header, &[0; 8]).contains("damaged"), "{why}");
        }
        for length in [u64::MAX, HEADER + 1, HEADER] {
            assert!(Safetensors::parse(length.to_le_bytes().to_vec()).is_err(), "{length}");
        }
        assert!(Safetensors::parse(vec![0; 7]).is_err());
    }
}
