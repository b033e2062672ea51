//! Tensors by name: what a decoder is built from, however its files store them.

use crate::error::LoadError;

/// Named tensors, by the names of Hugging Face Llama-type models.
pub trait Tensors {
    /// The values of the tensor `name` as f32, row by row, after checking its shape and that every value is finite.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError>;
}

/// `values` if all are finite.
pub(crate) fn finite(name: &str, values: Vec<f32>) -> Result<Vec<f32>, LoadError> {
    if values.iter().all(|v| v.is_finite()) { Ok(values) } else { Err(LoadError::NotFinite(name.into())) }
}

/// Rows of a query or key matrix with the two halves of a rotated pair side by side (Meta, llama.cpp) in the order of
/// Hugging Face: first all first halves, then all second halves, head by head. A row has `width` elements.
pub(crate) fn halves<T: Copy>(data: &[T], head_dim: usize, width: usize) -> Vec<T> {
    let rows = data.len() / width;
    let source = |target: usize| {
        let (head, place) = (target / head_dim * head_dim, target % head_dim);
        let half = head_dim / 2;
        head + if place < half { 2 * place } else { 2 * (place - half) + 1 }
    };
    (0..rows).flat_map(|target| &data[source(target) * width..][..width]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_unwound_head_by_head() {
        assert_eq!(halves(&[0, 1, 2, 3, 4, 5, 6, 7], 4, 1), [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(halves(&[0, 0, 1, 1, 2, 2, 3, 3], 4, 2), [0, 0, 2, 2, 1, 1, 3, 3]);
    }
}
