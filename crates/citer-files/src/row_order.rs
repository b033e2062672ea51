//! The two row orders of query and key matrices.
//!
//! A rotated pair of numbers comes from two rows of a head. Hugging Face keeps all first rows, then all second rows;
//! Meta's files, and llama.cpp's for the llama architecture, keep the two side by side.

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
