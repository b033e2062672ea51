//! Paged decoding: many sequences through one model at once, their keys and values in blocks that sequences share.
//!
//! All new tokens of all sequences pass the matrices together, whatever their number and position, so nothing is padded.
//! Only attention looks at one sequence at a time. Short steps read keys and values where they lie; long ones copy them side
//! by side first, which is cheap beside what a long step computes.

use crate::{
    config::Config,
    decoder::{Decoder, attend, causal_mask},
    error::{EngineError, LoadError},
    model::Model,
    rope::Rope,
};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use citer_core::TokenId;
use std::sync::Arc;

/// Tokens of a block.
pub const BLOCK: usize = 16;

/// Steps of at most so many tokens read keys and values in place.
const SHORT: usize = 4;

/// Keys and values of up to [`BLOCK`] tokens in every layer, `[layer, keys then values, kv_head, token, head_dim]`. Clones
/// share them until one of them is written.
#[derive(Clone, Debug)]
pub struct KvBlock(Arc<Vec<f32>>);

/// A sequence that goes on.
pub struct PagedRow<'a> {
    /// What holds its first `position` tokens: as many blocks as these need. The new tokens are added.
    pub blocks: &'a mut Vec<KvBlock>,
    /// Number of tokens before the new ones.
    pub position: usize,
    /// The new tokens, at least one.
    pub tokens: &'a [TokenId],
}

/// A model for many sequences.
pub struct Paged {
    config: Config,
    decoder: Decoder,
    rope: Rope,
    capacity: usize,
    device: Device,
}

/// Where things lie in a block.
#[derive(Clone, Copy)]
struct Layout {
    heads: usize,
    kv_heads: usize,
    width: usize,
}

impl Layout {
    /// Where the keys (0) or values (1) of a layer's head begin.
    fn start(self, layer: usize, kind: usize, head: usize) -> usize {
        ((layer * 2 + kind) * self.kv_heads + head) * BLOCK * self.width
    }
}

impl Paged {
    /// Takes the model's weights; sequences have at most `capacity` tokens, and no more than the model has positions.
    ///
    /// # Errors
    /// A tokenizer that does not fit the model.
    pub fn new(model: &Model, capacity: usize, device: &Device) -> Result<Self, LoadError> {
        let (tokens, vocab) = (model.tokenizer.vocab_size(), model.config.vocab_size);
        if tokens > vocab {
            return Err(LoadError::Tokenizer(format!("it has {tokens} tokens and the model {vocab}")));
        }
        let config = model.config.clone();
        let capacity = capacity.min(config.max_position_embeddings);
        let rope = Rope::new(&config, capacity, device);
        Ok(Self { decoder: model.decoder.clone(), config, rope, capacity, device: device.clone() })
    }

    /// Most tokens of a sequence.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of a block.
    pub fn block_bytes(&self) -> usize {
        self.block_len() * size_of::<f32>()
    }

    fn block_len(&self) -> usize {
        self.config.num_hidden_layers * 2 * self.config.kv_width() * BLOCK
    }

    fn layout(&self) -> Layout {
        let config = &self.config;
        Layout { heads: config.num_attention_heads, kv_heads: config.kv_heads(), width: config.head_dim() }
    }

    /// Adds every row's tokens to its sequence and returns the logits after the last of them, one vector a row.
    ///
    /// # Errors
    /// Tokens that the model has not, or too many; nothing is changed then.
    pub fn step(&self, rows: &mut [PagedRow<'_>]) -> Result<Vec<Vec<f32>>, EngineError> {
        let (mut ids, mut positions, mut last, mut masks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in rows.iter() {
            self.check(row)?;
            ids.extend(row.tokens.iter().map(|id| *id as i32));
            positions.extend(row.position..row.position + row.tokens.len());
            last.push(ids.len() as i32 - 1);
            let is_long = row.tokens.len() > SHORT;
            masks.push(is_long.then(|| causal_mask(row.position, row.tokens.len(), &self.device)));
        }
        for row in rows.iter_mut() {
            row.blocks.truncate(row.position.div_ceil(BLOCK));
            let needed = (row.position + row.tokens.len()).div_ceil(BLOCK);
            row.blocks.resize_with(needed, || KvBlock(Arc::new(vec![0.0; self.block_len()])));
        }
        let (tokens, width, layout) = (ids.len(), self.config.hidden_size, self.layout());
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, tokens]), &self.device);
        let turns = self.rope.at(&positions);
        let hidden = self.decoder.hidden_with(&self.config, &turns, ids, |layer, query, key, value| {
            attend_rows(layout, layer, rows, &masks, query, key, value, &self.device)
        });
        let count = last.len();
        let last = Tensor::<1, Int>::from_data(TensorData::new(last, [count]), &self.device);
        let logits = self.decoder.logits(hidden.reshape([tokens, width]).select(0, last));
        let values = floats(logits)?;
        Ok(values.chunks(self.config.vocab_size).map(<[f32]>::to_vec).collect())
    }

    fn check(&self, row: &PagedRow<'_>) -> Result<(), EngineError> {
        let (needed, vocab) = (row.position + row.tokens.len(), self.config.vocab_size);
        if row.tokens.is_empty() {
            return Err(EngineError::Empty);
        }
        if needed > self.capacity {
            return Err(EngineError::ContextFull { needed, capacity: self.capacity });
        }
        match row.tokens.iter().copied().find(|id| *id as usize >= vocab) {
            Some(id) => Err(EngineError::Token { id, vocab }),
            None => Ok(()),
        }
    }
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, EngineError> {
    tensor.into_data().try_to_vec::<f32>().map_err(|error| EngineError::Device(format!("{error:?}")))
}

/// Stores the new keys and values of a layer and attends, row by row. A device that gives no floats fails at the logits.
#[allow(clippy::too_many_arguments)]
fn attend_rows(
    layout: Layout,
    layer: usize,
    rows: &mut [PagedRow<'_>],
    masks: &[Option<Tensor<4, Bool>>],
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    device: &Device,
) -> Tensor<4> {
    let Layout { heads, width, .. } = layout;
    let tokens = query.dims()[2];
    let shape = query.dims();
    let (Ok(keys), Ok(values)) = (floats(key), floats(value)) else { return Tensor::full(shape, f32::NAN, device) };
    let Ok(queries) = floats(query.clone()) else { return Tensor::full(shape, f32::NAN, device) };
    let mut found = vec![0.0; heads * tokens * width];
    let mut start = 0;
    for (row, mask) in rows.iter_mut().zip(masks) {
        let count = row.tokens.len();
        store(layout, layer, row, [&keys, &values], start, tokens);
        if let Some(mask) = mask {
            let end = row.position + count;
            let [key, value] = [0, 1].map(|kind| gather(layout, layer, kind, row.blocks, end, device));
            let query = query.clone().slice([0..1, 0..heads, start..start + count, 0..width]);
            let Ok(mixed) = floats(attend(query, key, value, Some(mask))) else {
                return Tensor::full(shape, f32::NAN, device);
            };
            for (head, part) in mixed.chunks(count * width).enumerate() {
                let at = (head * tokens + start) * width;
                found[at..at + part.len()].copy_from_slice(part);
            }
        } else {
            for token in 0..count {
                let at = |head: usize| (head * tokens + start + token) * width;
                attend_in_place(layout, layer, row.blocks, row.position + token + 1, &queries, &mut found, at);
            }
        }
        start += count;
    }
    Tensor::from_data(TensorData::new(found, shape), device)
}

/// Writes a row's new keys and values; blocks that others share are copied first.
fn store(layout: Layout, layer: usize, row: &mut PagedRow<'_>, new: [&[f32]; 2], start: usize, tokens: usize) {
    let width = layout.width;
    for token in 0..row.tokens.len() {
        let place = row.position + token;
        let block = Arc::make_mut(&mut row.blocks[place / BLOCK].0);
        for (kind, values) in new.iter().enumerate() {
            for head in 0..layout.kv_heads {
                let from = (head * tokens + start + token) * width;
                let to = layout.start(layer, kind, head) + place % BLOCK * width;
                block[to..to + width].copy_from_slice(&values[from..from + width]);
            }
        }
    }
}

/// A layer's keys (0) or values (1) of the first `end` tokens, `[1, kv_heads, end, head_dim]`.
fn gather(layout: Layout, layer: usize, kind: usize, blocks: &[KvBlock], end: usize, device: &Device) -> Tensor<4> {
    let Layout { kv_heads, width, .. } = layout;
    let mut all = Vec::with_capacity(kv_heads * end * width);
    for head in 0..kv_heads {
        let from = layout.start(layer, kind, head);
        for (index, block) in blocks.iter().enumerate() {
            let count = BLOCK.min(end.saturating_sub(index * BLOCK));
            all.extend_from_slice(&block.0[from..from + count * width]);
        }
    }
    Tensor::from_data(TensorData::new(all, [1, kv_heads, end, width]), device)
}

/// Attention of one token over the first `end` tokens, keys and values read where they lie. `at` says where a head's query
/// and what it finds are.
fn attend_in_place(
    layout: Layout,
    layer: usize,
    blocks: &[KvBlock],
    end: usize,
    queries: &[f32],
    found: &mut [f32],
    at: impl Fn(usize) -> usize,
) {
    let Layout { heads, kv_heads, width } = layout;
    let (group, scale) = (heads / kv_heads, 1.0 / (width as f32).sqrt());
    let mut weights = vec![0.0; group * end];
    for kv_head in 0..kv_heads {
        let from = layout.start(layer, 0, kv_head);
        let rows = |kind: usize| {
            let from = from + kind * kv_heads * BLOCK * width;
            let blocks = blocks.iter().flat_map(move |block| block.0[from..from + BLOCK * width].chunks_exact(width));
            blocks.take(end).enumerate()
        };
        for (place, key) in rows(0) {
            for member in 0..group {
                let query = &queries[at(kv_head * group + member)..][..width];
                weights[member * end + place] = dot(query, key) * scale;
            }
        }
        weights.chunks_exact_mut(end).for_each(soften);
        for (place, value) in rows(1) {
            for member in 0..group {
                let weight = weights[member * end + place];
                let sum = &mut found[at(kv_head * group + member)..][..width];
                sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += weight * value);
            }
        }
    }
}

/// The sum of products, in eight lanes that the compiler turns into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (mut left, mut right) = (a.chunks_exact(8), b.chunks_exact(8));
    for (x, y) in left.by_ref().zip(right.by_ref()) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Scores become weights that sum to one.
fn soften(scores: &mut [f32]) {
    let peak = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - peak).exp();
        total += *score;
    }
    scores.iter_mut().for_each(|score| *score /= total);
}
