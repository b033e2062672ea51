//! The embedding: rows of the table by token id, with the first norm's gain applied beside them.

// The macro writes public items of its own beside each kernel.
#![allow(missing_docs)]

use super::decode::{F4, U4, decode_at};
use crate::format::{Format, PANEL};
use cubecl::prelude::*;

/// `tokens` bounds the rows that there are, not those that are asked for: an id beyond the step is an older one.
///
/// `plain = table[ids]`, `scaled = plain gain`, both `[tokens, blocks, 8]` vectors; one invocation a vector.
#[cube(launch_unchecked)]
pub fn embed(
    quants: &[U4],
    scales: &[f32],
    ids: &[u32],
    gain: &[F4],
    plain: &mut [F4],
    scaled: &mut [F4],
    #[comptime] format: Format,
    #[comptime] blocks: usize,
    #[comptime] tokens: usize,
) {
    let groups = comptime!(blocks * 8);
    let words = comptime!(format.words());
    let slots = comptime!(format.slots());
    let at = ABSOLUTE_POS;
    if at < tokens * groups {
        let group = at % groups;
        let row = ids[at / groups] as usize;
        let place = row / PANEL * blocks + group / 8;
        let element = group % 8;
        let word = quants[(place * words + element / slots) * PANEL + row % PANEL];
        let shift = (element % slots) as u32 * comptime!(format.bits()).runtime();
        let mut value = decode_at(word, shift, format);
        if comptime!(format.is_quantised()) {
            value *= F4::new(scales[place * PANEL + row % PANEL]);
        }
        plain[at] = value;
        scaled[at] = value * gain[group];
    }
}
