//! Decoding in registers: four weights from four words.

// The macro writes public items of its own beside each kernel.
#![allow(missing_docs)]

use crate::format::Format;
use cubecl::prelude::*;

/// Four floats.
pub type F4 = Vector<f32, Const<4>>;
/// Four words.
pub type U4 = Vector<u32, Const<4>>;

/// The four weights in slot `slot` of `word`, without their block's scale.
#[cube]
pub fn decode(word: U4, #[comptime] slot: usize, #[comptime] format: Format) -> F4 {
    decode_at(word, comptime!(slot as u32 * format.bits()).runtime(), format)
}

/// The same with the shift `bits * slot` known at run time.
#[cube]
pub fn decode_at(word: U4, shift: u32, #[comptime] format: Format) -> F4 {
    if comptime!(format == Format::F32) {
        F4::reinterpret(word)
    } else {
        let code = (word >> U4::new(shift)) & U4::new(comptime!((1u32 << format.bits()) - 1).runtime());
        if comptime!(format == Format::BF16) {
            F4::reinterpret(code << U4::new(16u32))
        } else if comptime!(format == Format::F16) {
            half_to_float(code)
        } else {
            // A code below 2^23 in the bits of 2^23 is exact and needs no conversion.
            F4::reinterpret(code | U4::new(1258291200u32))
                - F4::new(comptime!((8_388_608 + format.offset()) as f32).runtime())
        }
    }
}

/// The floats of four IEEE 754 halves (not infinite, not NaN), exactly, without a float below the normal range on the
/// way: an adapter may flush those.
#[cube]
fn half_to_float(code: U4) -> F4 {
    let sign = (code & U4::new(32768u32)) << U4::new(16u32);
    let body = (code & U4::new(32767u32)) << U4::new(13u32);
    // Exponent 0 (a subnormal half) is read with exponent 1 and the hidden bit taken off again.
    let smallest = F4::reinterpret(body + U4::new(947912704u32)) - F4::reinterpret(U4::new(947912704u32));
    let normal = F4::reinterpret(body + U4::new(939524096u32));
    let is_small = body.less_than(&U4::new(8388608u32));
    let size = select_many(is_small, smallest, normal);
    F4::reinterpret(U4::reinterpret(size) | sign)
}
