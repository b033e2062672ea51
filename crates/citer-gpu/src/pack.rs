//! Packing: rows of a matrix into the panels that the kernels read.

use crate::format::{BLOCK, Format, PANEL};
use half::{bf16, f16};

/// One panel: up to [`PANEL`] rows, ready for the GPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// `blocks x words x PANEL` vectors of four.
    pub words: Vec<u32>,
    /// `blocks x PANEL`; empty unless quantised.
    pub scales: Vec<f32>,
}

/// Packs rows of one panel.
pub struct Packer {
    format: Format,
    columns: usize,
    panel: Panel,
}

/// Blocks that a row of `columns` values fills; the last one is padded with zeros.
pub const fn blocks(columns: usize) -> usize {
    columns.div_ceil(BLOCK)
}

impl Packer {
    /// An empty panel for rows of `columns` values.
    pub fn new(format: Format, columns: usize) -> Self {
        let blocks = blocks(columns);
        let zero = format.offset() as u32;
        let mut word = 0;
        for slot in 0..if format.is_quantised() { format.slots() as u32 } else { 0 } {
            word |= zero << (slot * format.bits());
        }
        let scales = if format.is_quantised() { vec![0.0; blocks * PANEL] } else { Vec::new() };
        Self { format, columns, panel: Panel { words: vec![word; blocks * format.words() * PANEL * 4], scales } }
    }

    /// The packed panel.
    pub fn finish(self) -> Panel {
        self.panel
    }

    /// Adds row `row` of the panel (below [`PANEL`]) from `columns` values; quantised formats round to the nearest of
    /// their levels.
    pub fn row(&mut self, row: usize, values: &[f32]) {
        debug_assert_eq!(values.len(), self.columns);
        for (block, values) in values.chunks(BLOCK).enumerate() {
            match self.format {
                Format::F32 => self.block(row, block, values, f32::to_bits),
                Format::F16 => self.block(row, block, values, |v| u32::from(f16::from_f32(v).to_bits())),
                Format::BF16 => self.block(row, block, values, |v| u32::from(bf16::from_f32(v).to_bits())),
                Format::Q8 => {
                    let peak = values.iter().fold(0.0f32, |peak, v| peak.max(v.abs()));
                    self.quantised(row, block, values, peak / 127.0, 127);
                }
                Format::Q4 => {
                    // The value furthest from zero becomes -8, so that all sixteen levels are used.
                    let peak = values.iter().fold(0.0f32, |peak, v| if v.abs() > peak.abs() { *v } else { peak });
                    self.quantised(row, block, values, peak / -8.0, 7);
                }
            }
        }
    }

    fn quantised(&mut self, row: usize, block: usize, values: &[f32], scale: f32, most: i32) {
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let offset = self.format.offset();
        self.block(row, block, values, |v| (((v * inverse).round() as i32).clamp(-offset, most) + offset) as u32);
        self.panel.scales[block * PANEL + row] = scale;
    }

    /// Adds one block that is already quantised: `codes` (signed, in the format's range) times `scale`.
    pub fn codes(&mut self, row: usize, block: usize, codes: &[i8], scale: f32) {
        let offset = self.format.offset();
        self.block(row, block, codes, |code| (i32::from(code) + offset) as u32);
        self.panel.scales[block * PANEL + row] = scale;
    }

    /// Puts up to [`BLOCK`] values, each as what `bits` makes of it.
    fn block<T: Copy>(&mut self, row: usize, block: usize, values: &[T], bits: impl Fn(T) -> u32) {
        let mut codes = [self.format.offset() as u32; BLOCK];
        for (code, value) in codes.iter_mut().zip(values) {
            *code = bits(*value);
        }
        let size = self.format.words() * PANEL * 4;
        let words = &mut self.panel.words[block * size..(block + 1) * size];
        match self.format {
            Format::F32 => fill::<1>(words, row, &codes),
            Format::F16 | Format::BF16 => fill::<2>(words, row, &codes),
            Format::Q8 => fill::<4>(words, row, &codes),
            Format::Q4 => fill::<8>(words, row, &codes),
        }
    }
}

/// Puts a block's codes into the words of `row`, `SLOTS` codes a word. Millions of blocks pass here while a model loads.
fn fill<const SLOTS: usize>(words: &mut [u32], row: usize, codes: &[u32; BLOCK]) {
    for (vector, codes) in codes.chunks_exact(4 * SLOTS).enumerate() {
        let mut four = [0; 4];
        for (slot, codes) in codes.chunks_exact(4).enumerate() {
            for (word, code) in four.iter_mut().zip(codes) {
                *word |= code << (slot * (32 / SLOTS));
            }
        }
        words[(vector * PANEL + row) * 4..][..4].copy_from_slice(&four);
    }
}

/// The value at `row`, `column` of a panel: the inverse of packing.
pub fn value(format: Format, panel: &Panel, row: usize, column: usize) -> f32 {
    let (block, element, slots) = (column / BLOCK, column % BLOCK, format.slots());
    let (vector, slot, lane) = (element / (4 * slots), element / 4 % slots, element % 4);
    let word = panel.words[(((block * format.words() + vector) * PANEL) + row) * 4 + lane];
    let code = word >> (slot as u32 * format.bits());
    match format {
        Format::F32 => f32::from_bits(word),
        Format::F16 => f16::from_bits(code as u16).to_f32(),
        Format::BF16 => bf16::from_bits(code as u16).to_f32(),
        Format::Q8 => ((code & 255) as i32 - 128) as f32 * panel.scales[block * PANEL + row],
        Format::Q4 => ((code & 15) as i32 - 8) as f32 * panel.scales[block * PANEL + row],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_found_again_within_half_a_step() {
        let columns = 70;
        let rows: Vec<Vec<f32>> =
            (0..3).map(|r| (0..columns).map(|c| ((r * 31 + c * 7) % 23) as f32 / 11.0 - 1.0).collect()).collect();
        for (format, bound) in [
            (Format::F32, 0.0),
            (Format::F16, 5e-4),
            (Format::BF16, 4e-3),
            (Format::Q8, 0.5 / 127.0 + 1e-6),
            (Format::Q4, 1.0 / 8.0 + 1e-6),
        ] {
            let mut packer = Packer::new(format, columns);
            rows.iter().enumerate().for_each(|(index, row)| packer.row(index, row));
            let panel = packer.finish();
            for (r, row) in rows.iter().enumerate() {
                for (c, expected) in row.iter().enumerate() {
                    let found = value(format, &panel, r, c);
                    assert!((found - expected).abs() <= bound, "{format:?} {r} {c}: {found} for {expected}");
                }
            }
            // Padding and absent rows are zero.
            assert_eq!((value(format, &panel, 1, 95), value(format, &panel, 9, 3)), (0.0, 0.0), "{format:?}");
        }
    }

    #[test]
    fn blocks_that_are_quantised_already_keep_their_codes() {
        let mut packer = Packer::new(Format::Q4, BLOCK);
        packer.codes(5, 0, &std::array::from_fn::<i8, BLOCK, _>(|i| (i % 16) as i8 - 8), 0.25);
        let panel = packer.finish();
        for column in 0..32 {
            assert_eq!(value(Format::Q4, &panel, 5, column), ((column % 16) as i32 - 8) as f32 * 0.25);
        }
    }
}
