//! The two row orders of query and key matrices.
//!
//! A rotated pair of numbers comes from two rows of a head. Hugging Face keeps all first rows, then all second rows;
//! Meta's files, and llama.cpp's for the llama architecture, keep the two side by side.

use crate::{error::LoadError, source::TensorSource};
use std::ops::Range;

/// The row of the side-by-side order that is row `row` of Hugging Face's order.
pub(crate) fn side_by_side(row: usize, head_dim: usize) -> usize {
    let (head, place, half) = (row / head_dim * head_dim, row % head_dim, head_dim / 2);
    head + if place < half { 2 * place } else { 2 * (place - half) + 1 }
}

/// The row of Hugging Face's order that is row `row` of the side-by-side order.
pub(crate) fn halves(row: usize, head_dim: usize) -> usize {
    let (head, place) = (row / head_dim * head_dim, row % head_dim);
    head + place / 2 + place % 2 * (head_dim / 2)
}

/// Some rows of the tensor `name` of `source`, whose rows belong to heads, in another order: row `order(i, head_dim)` of
/// the tensor at place `i`.
pub(crate) fn rows(
    source: &dyn TensorSource,
    name: &str,
    rows: Range<usize>,
    head_dim: usize,
    order: fn(usize, usize) -> usize,
) -> Result<Vec<u8>, LoadError> {
    let info = source.info(name)?;
    // The elements of a bias are in the order of the rows that they belong to.
    let vector = info.shape.len() < 2;
    let (count, columns) = if vector { (info.columns(), 1) } else { (info.rows(), info.columns()) };
    let width = info.format.row_bytes(columns).filter(|width| *width > 0 && count.is_multiple_of(head_dim));
    let width = width.ok_or_else(|| LoadError::Weights(format!("tensor {name} has no whole heads")))?;
    if vector {
        return Ok(reordered(&source.rows(name, rows)?, width, |row| order(row, head_dim)));
    }
    // All rows of the heads that the wanted rows are spread over.
    let first = rows.start / head_dim * head_dim;
    let end = rows.end.checked_next_multiple_of(head_dim).filter(|end| *end <= count).unwrap_or(rows.end);
    let data = source.rows(name, first..end)?;
    let wanted = rows.flat_map(|row| &data[(order(row, head_dim) - first) * width..][..width]);
    Ok(wanted.copied().collect())
}

/// The rows of `data`, each `width` long, with row `order(i)` at place `i`.
pub(crate) fn reordered<T: Copy>(data: &[T], width: usize, order: impl Fn(usize) -> usize) -> Vec<T> {
    let rows = data.len().checked_div(width).unwrap_or(0);
    (0..rows).flat_map(|row| &data[order(row) * width..][..width]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_unwound_head_by_head() {
        let unwound = |data: &[u8], width| reordered(data, width, |row| side_by_side(row, 4));
        assert_eq!(unwound(&[0, 1, 2, 3, 4, 5, 6, 7], 1), [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(unwound(&[0, 0, 1, 1, 2, 2, 3, 3], 2), [0, 0, 2, 2, 1, 1, 3, 3]);
    }

    #[test]
    fn each_order_undoes_the_other() {
        for row in 0..36 {
            assert_eq!(halves(side_by_side(row, 12), 12), row);
            assert_eq!(side_by_side(halves(row, 12), 12), row);
        }
    }
}
