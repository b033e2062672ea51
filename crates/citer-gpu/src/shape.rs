//! The shape of a model: every size that kernels are compiled for.

use crate::{format::PANEL, kernels::rotary::Heads, pack::blocks};

/// Sizes and constants of a Llama-type decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Tokens in the embedding.
    pub vocab: usize,
    /// Tokens that may be chosen: a model may have more for padding.
    pub known: usize,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Width of the MLP.
    pub intermediate: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Epsilon of RMSNorm.
    pub epsilon: f32,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether the attention output has a bias.
    pub output_bias: bool,
    /// Whether queries and keys are normalised head by head.
    pub head_norms: bool,
    /// Whether the head is the embedding.
    pub tied: bool,
    /// Positions in the KV cache.
    pub capacity: usize,
    /// Whether the KV cache holds 16-bit floats; asks for an adapter that has them.
    pub half_cache: bool,
}

impl Shape {
    /// Width of all queries, keys and values together.
    pub fn qkv(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Width of all query heads together.
    pub fn query(&self) -> usize {
        self.heads * self.head_dim
    }

    /// What attention is compiled for.
    pub(crate) fn attention(&self) -> Heads {
        Heads {
            queries: self.heads,
            keys: self.kv_heads,
            width: self.head_dim,
            capacity: self.capacity,
            row: padded(self.qkv()),
        }
    }

    /// Bytes of a number in the KV cache.
    pub fn cache_width(&self) -> usize {
        if self.half_cache { 2 } else { 4 }
    }
}

/// A row's length in buffers: a multiple of a block and of a panel.
pub(crate) const fn padded(length: usize) -> usize {
    blocks(length) * PANEL
}
