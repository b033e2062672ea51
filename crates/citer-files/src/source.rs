//! Tensors by name, read row by row: what a decoder is built from, however its files store them.

use crate::{bytes::Bytes, error::LoadError, format::Format};
use std::ops::Range;

/// Shape and number format of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// The dimension that varies fastest comes last.
    pub shape: Vec<usize>,
    /// How its values are stored.
    pub format: Format,
}

impl TensorInfo {
    /// Values of a row: the last dimension.
    pub fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows: the product of the other dimensions.
    pub fn rows(&self) -> usize {
        self.shape.split_last().map_or(1, |(_, rest)| rest.iter().product())
    }
}

/// Named tensors, by the names and in the row order of Hugging Face Llama-type models.
pub trait TensorSource {
    /// Shape and format of the tensor `name`.
    fn info(&self, name: &str) -> Result<TensorInfo, LoadError>;

    /// The stored bytes of some rows of the tensor `name`.
    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError>;
}

/// Bytes read at once where a tensor is read whole.
const CHUNK: usize = 1 << 20;

/// The values of the tensor `name` as f32, row by row, after checking its shape and that every value is finite.
pub fn values(source: &dyn TensorSource, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
    let info = source.info(name)?;
    if info.shape != shape {
        return Err(LoadError::Shape { name: name.into(), found: info.shape, expected: shape.to_vec() });
    }
    let mut values = Vec::with_capacity(shape.iter().product());
    for_each_chunk(source, name, &info, |_, chunk| {
        values.extend(chunk);
        Ok(())
    })?;
    Ok(values)
}

/// Hands over the values of the tensor `name`, some rows at a time with the number of the first, after checking that
/// every value is finite.
pub fn for_each_chunk<E: From<LoadError>>(
    source: &dyn TensorSource,
    name: &str,
    info: &TensorInfo,
    mut take: impl FnMut(usize, Vec<f32>) -> Result<(), E>,
) -> Result<(), E> {
    let rows = info.rows();
    let step = (CHUNK / info.format.row_bytes(info.columns()).unwrap_or(CHUNK).max(1)).max(1);
    for from in (0..rows).step_by(step) {
        let values = info.format.values(&source.rows(name, from..rows.min(from + step))?);
        if !values.iter().all(|v| v.is_finite()) {
            return Err(LoadError::NotFinite(name.into()).into());
        }
        take(from, values)?;
    }
    Ok(())
}

/// Where the rows lie that `range` asks for, as offset and length within a tensor's bytes.
pub(crate) fn span(name: &str, info: &TensorInfo, range: &Range<usize>) -> Result<(u64, usize), LoadError> {
    let outside = || LoadError::Weights(format!("tensor {name} has no rows {} to {}", range.start, range.end));
    let row = info.format.row_bytes(info.columns()).ok_or_else(outside)?;
    let count = Some(range.end).filter(|end| *end <= info.rows()).and_then(|end| end.checked_sub(range.start));
    let length = count.and_then(|count| count.checked_mul(row)).ok_or_else(outside)?;
    Ok((range.start as u64 * row as u64, length))
}

/// The stored bytes of some rows of a tensor that begins at `start` of `bytes`.
pub(crate) fn read_rows(
    bytes: &dyn Bytes,
    name: &str,
    info: &TensorInfo,
    start: u64,
    rows: &Range<usize>,
) -> Result<Vec<u8>, LoadError> {
    let (offset, length) = span(name, info, rows)?;
    let mut data = vec![0; length];
    bytes.read(start + offset, &mut data)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One tensor of ten F32 rows of `columns` values, which counts what it is asked.
    struct Ten {
        columns: usize,
        asked: std::cell::RefCell<Vec<Range<usize>>>,
    }

    impl TensorSource for Ten {
        fn info(&self, _: &str) -> Result<TensorInfo, LoadError> {
            Ok(TensorInfo { shape: vec![2, 5, self.columns], format: Format::F32 })
        }

        fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
            let (_, length) = span(name, &self.info(name)?, &rows)?;
            let value = if rows.start == 9 { f32::INFINITY } else { 1.0 };
            self.asked.borrow_mut().push(rows);
            Ok(value.to_le_bytes().repeat(length / 4))
        }
    }

    #[test]
    fn a_tensor_is_read_in_whole_rows_of_about_a_megabyte() {
        let ten = Ten { columns: CHUNK / 12, asked: Default::default() };
        let error = values(&ten, "a", &[2, 5, CHUNK / 12]).unwrap_err();
        assert_eq!(error, LoadError::NotFinite("a".into()), "the last row is met");
        assert_eq!(*ten.asked.borrow(), [0..3, 3..6, 6..9, 9..10]);
        assert!(matches!(values(&ten, "a", &[10, CHUNK / 12]), Err(LoadError::Shape { .. })));
    }

    #[test]
    fn rows_that_are_not_there_are_errors() {
        let info = TensorInfo { shape: vec![4, 32], format: Format::Q8_0 };
        assert_eq!(span("a", &info, &(1..3)).unwrap(), (34, 68));
        for (start, end) in [(0, 5), (3, 2), (usize::MAX, usize::MAX)] {
            assert!(span("a", &info, &(start..end)).is_err(), "{start} to {end}");
        }
        let uneven = TensorInfo { shape: vec![4, 33], format: Format::Q8_0 };
        assert!(span("a", &uneven, &(0..1)).is_err());
    }
}
