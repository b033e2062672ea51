//! The KV cache: keys and values of every layer in buffers of fixed size, so taking tokens back is moving a cursor.

use crate::config::Config;
use burn::tensor::{Device, Tensor};

/// Keys and values, `[batch, kv_heads, capacity, head_dim]` a layer, of one sequence or of several of one length.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<(Tensor<4>, Tensor<4>)>,
    position: usize,
    capacity: usize,
}

impl KvCache {
    /// An empty cache for at most `capacity` tokens.
    pub fn new(config: &Config, capacity: usize, device: &Device) -> Self {
        Self::batched(config, 1, capacity, device)
    }

    /// An empty cache for `batch` sequences that grow together.
    pub fn batched(config: &Config, batch: usize, capacity: usize, device: &Device) -> Self {
        let shape = [batch, config.kv_heads(), capacity, config.head_dim()];
        let layers =
            (0..config.num_hidden_layers).map(|_| (Tensor::zeros(shape, device), Tensor::zeros(shape, device)));
        Self { layers: layers.collect(), position: 0, capacity }
    }

    /// Number of cached tokens.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Most tokens that fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all tokens from `position` on; a later position changes nothing.
    pub fn truncate(&mut self, position: usize) {
        self.position = self.position.min(position);
    }

    /// Counts `tokens` as cached once every layer has stored them.
    pub(crate) fn advance(&mut self, tokens: usize) {
        self.position += tokens;
    }

    /// Stores a layer's new keys and values `[batch, kv_heads, tokens, head_dim]` behind the cached ones and returns all
    /// of them, `[batch, kv_heads, position + tokens, head_dim]`.
    pub(crate) fn append(&mut self, layer: usize, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [batch, heads, tokens, width] = key.dims();
        let end = self.position + tokens;
        let store = |buffer: &mut Tensor<4>, new: Tensor<4>| {
            // The buffer is moved out so that burn owns the only handle and writes in place.
            let empty = Tensor::empty([0, 0, 0, 0], &buffer.device());
            let full = core::mem::replace(buffer, empty);
            *buffer = full.slice_assign([0..batch, 0..heads, self.position..end, 0..width], new);
            buffer.clone().slice([0..batch, 0..heads, 0..end, 0..width])
        };
        let (keys, values) = &mut self.layers[layer];
        (store(keys, key), store(values, value))
    }
}
