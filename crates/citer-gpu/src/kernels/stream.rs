//! A read of a large buffer, to measure what memory gives.

// The macro writes public items of its own beside each kernel.
#![allow(missing_docs)]

use super::decode::F4;
use cubecl::prelude::*;

/// Sums `data` with as many invocations as `out` has places, each reading every so many vectors.
#[cube(launch_unchecked)]
pub fn stream(data: &[F4], out: &mut [F4], #[comptime] vectors: usize, #[comptime] places: usize) {
    let place = ABSOLUTE_POS;
    if place < places {
        let mut sum = F4::new(0.0f32);
        for at in range_stepped(place, vectors, places) {
            sum += data[at];
        }
        out[place] = sum;
    }
}
