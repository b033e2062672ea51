//! Number formats of weights on the GPU: blocks of 32 values along a row, in words that decode four values at once.

/// Values a block holds, in all formats.
pub const BLOCK: usize = 32;
/// Rows stored side by side, so that neighbouring invocations read neighbouring words.
pub const PANEL: usize = 32;

/// How a matrix is stored.
///
/// A block is `words()` vectors of four `u32`. Value `e` of a block is in vector `e / (4 n)`, word `e % 4`, at bit
/// `bits() * (e / 4 % n)`, where a word holds `n = 32 / bits()` values: one shift and one mask decode four neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// 32-bit floats.
    F32,
    /// 16-bit floats of IEEE 754.
    F16,
    /// The upper half of a 32-bit float.
    BF16,
    /// Signed bytes with one scale a block (GGUF's Q8_0), stored with 128 added.
    Q8,
    /// Four bits with one scale a block (GGUF's Q4_0), stored with 8 added.
    Q4,
}

impl Format {
    /// Bits of a value without its share of the scale.
    pub const fn bits(self) -> u32 {
        match self {
            Self::F32 => 32,
            Self::F16 | Self::BF16 => 16,
            Self::Q8 => 8,
            Self::Q4 => 4,
        }
    }

    /// Values in one `u32`.
    pub const fn slots(self) -> usize {
        32 / self.bits() as usize
    }

    /// Vectors of four `u32` a block.
    pub const fn words(self) -> usize {
        BLOCK / (4 * self.slots())
    }

    /// Whether every block has a scale.
    pub const fn is_quantised(self) -> bool {
        matches!(self, Self::Q8 | Self::Q4)
    }

    /// What is added to a quantised value before it is stored.
    pub const fn offset(self) -> i32 {
        match self {
            Self::Q8 => 128,
            Self::Q4 => 8,
            Self::F32 | Self::F16 | Self::BF16 => 0,
        }
    }

    /// Bytes of a block, with its scale.
    pub const fn block_bytes(self) -> usize {
        self.words() * 16 + if self.is_quantised() { 4 } else { 0 }
    }

    /// The format's usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q8 => "Q8_0",
            Self::Q4 => "Q4_0",
        }
    }
}
