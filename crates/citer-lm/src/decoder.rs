//! The Llama-type decoder in plain burn operations: the one forward pass of training, inference and the tests' oracle.

use crate::{
    cache::KvCache,
    config::Config,
    rope::{self, Rope},
};
use burn::module::{Module, Param};
use burn::tensor::activation::{silu, softmax};
use burn::tensor::module::linear;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Deviation of a random embedding, which is also the head when tied: logits begin with a deviation near 1.
const EMBEDDING_DEVIATION: f64 = 0.1;

/// One layer. Weights are `[inputs, outputs]`; those that read the same input are stored side by side.
#[derive(Module, Debug)]
pub struct Layer {
    /// RMSNorm before attention, `[hidden]`.
    pub attention_norm: Param<Tensor<1>>,
    /// Queries, keys and values, `[hidden, query_width + 2 kv_width]`.
    pub qkv: Param<Tensor<2>>,
    /// Biases of queries, keys and values, `[query_width + 2 kv_width]`, where the family has them.
    pub attention_bias: Option<Param<Tensor<1>>>,
    /// RMSNorm of every query head, `[head_dim]`, where the family has it.
    pub query_norm: Option<Param<Tensor<1>>>,
    /// RMSNorm of every key head, `[head_dim]`, where the family has it.
    pub key_norm: Option<Param<Tensor<1>>>,
    /// Attention output, `[query_width, hidden]`.
    pub output: Param<Tensor<2>>,
    /// Bias of the attention output, `[hidden]`, where the family has it.
    pub mixed_bias: Option<Param<Tensor<1>>>,
    /// RMSNorm before the MLP, `[hidden]`.
    pub mlp_norm: Param<Tensor<1>>,
    /// Gate and up projections, `[hidden, 2 intermediate]`.
    pub gate_up: Param<Tensor<2>>,
    /// Down projection, `[intermediate, hidden]`.
    pub down: Param<Tensor<2>>,
}

/// The decoder's weights.
#[derive(Module, Debug)]
pub struct Decoder {
    /// Token embedding, `[vocab, hidden]`; also the output head when tied.
    pub embedding: Param<Tensor<2>>,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Final RMSNorm, `[hidden]`.
    pub norm: Param<Tensor<1>>,
    /// Output head, `[vocab, hidden]`; `None` when tied to the embedding.
    pub head: Option<Param<Tensor<2>>>,
}

/// `x` with a root mean square of 1 over its last dimension.
fn normalised<const D: usize>(x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    let scale = (x.clone().square().mean_dim(D - 1) + epsilon).sqrt().recip();
    x * scale
}

fn rms_norm(x: Tensor<3>, weight: &Param<Tensor<1>>, epsilon: f64) -> Tensor<3> {
    normalised(x, epsilon) * weight.val().unsqueeze::<3>()
}

/// `true` where query `i` (at position `start + i`) must not see key `j`, `[1, 1, tokens, start + tokens]`.
pub(crate) fn causal_mask(start: usize, tokens: usize, device: &Device) -> Tensor<4, Bool> {
    let end = start + tokens;
    let hidden: Vec<bool> = (0..tokens * end).map(|i| i % end > start + i / end).collect();
    Tensor::from_data(TensorData::new(hidden, [1, 1, tokens, end]), device)
}

/// The same for rows that begin with `padding` places that nothing may look at, `[batch, 1, tokens, start + tokens]`.
fn padded_mask(start: usize, tokens: usize, padding: &[usize], device: &Device) -> Tensor<4, Bool> {
    let end = start + tokens;
    let row = |pad: &usize| {
        let pad = *pad;
        (0..tokens * end).map(move |i| i % end > start + i / end || i % end < pad)
    };
    let hidden: Vec<bool> = padding.iter().flat_map(row).collect();
    Tensor::from_data(TensorData::new(hidden, [padding.len(), 1, tokens, end]), device)
}

impl Decoder {
    /// Random weights drawn on the host, uniform with variance 1 / inputs; residual outputs are scaled down by depth
    /// as in GPT-2 and the embedding has a deviation of 0.1, so that attention is not flat at the start.
    pub fn random(config: &Config, seed: u64, device: &Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = |shape: [usize; 2], deviation: f64| {
            let bound = (3.0f64.sqrt() * deviation) as f32;
            let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| rng.random_range(-bound..bound)).collect();
            Param::from_data(TensorData::new(values, shape), device)
        };
        let fan_in = |inputs: usize| 1.0 / (inputs as f64).sqrt();
        let residual = |inputs: usize| fan_in(inputs) / (2.0 * config.num_hidden_layers as f64).sqrt();
        let ones = || Param::from_tensor(Tensor::ones([config.hidden_size], device));
        let zeros = |size: usize| Param::from_tensor(Tensor::zeros([size], device));
        let head_norm = || config.head_norms().then(|| Param::from_tensor(Tensor::ones([config.head_dim()], device)));
        let (hidden, mlp, queries) = (config.hidden_size, config.intermediate_size, config.query_width());
        let layers = (0..config.num_hidden_layers).map(|_| Layer {
            attention_norm: ones(),
            qkv: uniform([hidden, queries + 2 * config.kv_width()], fan_in(hidden)),
            attention_bias: config.attention_bias.then(|| zeros(queries + 2 * config.kv_width())),
            query_norm: head_norm(),
            key_norm: head_norm(),
            output: uniform([queries, hidden], residual(queries)),
            mixed_bias: config.output_bias().then(|| zeros(hidden)),
            mlp_norm: ones(),
            gate_up: uniform([hidden, 2 * mlp], fan_in(hidden)),
            down: uniform([mlp, hidden], residual(mlp)),
        });
        let layers = layers.collect();
        Self {
            embedding: uniform([config.vocab_size, hidden], EMBEDDING_DEVIATION),
            layers,
            norm: ones(),
            head: (!config.tie_word_embeddings).then(|| uniform([config.vocab_size, hidden], fan_in(hidden))),
        }
    }

    /// Final hidden states `[batch, tokens, hidden]` (after the last norm: what the head and the router read) of
    /// `ids` `[batch, tokens]`. With a cache for as many sequences the tokens follow the cached ones and are cached too.
    pub fn hidden(&self, config: &Config, rope: &Rope, ids: Tensor<2, Int>, cache: Option<&mut KvCache>) -> Tensor<3> {
        self.hidden_padded(config, rope, ids, cache, &[])
    }

    /// The same for rows of different length, padded on the left to one: `padding` says by how many tokens each, once
    /// for the whole sequence. Positions are relative, so what a row says does not depend on its padding.
    pub fn hidden_padded(
        &self,
        config: &Config,
        rope: &Rope,
        ids: Tensor<2, Int>,
        mut cache: Option<&mut KvCache>,
        padding: &[usize],
    ) -> Tensor<3> {
        let tokens = ids.dims()[1];
        let device = ids.device();
        let start = cache.as_ref().map_or(0, |c| c.position());
        let rows = rope.rows(start, start + tokens);
        let mask = if padding.iter().any(|pad| *pad > 0) {
            Some(padded_mask(start, tokens, padding, &device))
        } else {
            (tokens > 1).then(|| causal_mask(start, tokens, &device))
        };
        let hidden = self.hidden_with(config, &rows, ids, |layer, query, key, value| {
            let (key, value) = match cache.as_deref_mut() {
                Some(cache) => cache.append(layer, key, value),
                None => (key, value),
            };
            attend(query, key, value, mask.as_ref())
        });
        if let Some(cache) = cache {
            cache.advance(tokens);
        }
        hidden
    }

    /// The same with the rotations of every token and whatever attention: `attention` gets the layer's index, queries
    /// `[batch, heads, tokens, head_dim]` and the new keys and values `[batch, kv_heads, tokens, head_dim]`, and returns
    /// what the queries found, in their shape.
    pub(crate) fn hidden_with(
        &self,
        config: &Config,
        rows: &(Tensor<4>, Tensor<4>),
        ids: Tensor<2, Int>,
        mut attention: impl FnMut(usize, Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>,
    ) -> Tensor<3> {
        let [batch, tokens] = ids.dims();
        let mut x = burn::tensor::module::embedding(self.embedding.val(), ids);
        for (index, layer) in self.layers.iter().enumerate() {
            let y = rms_norm(x.clone(), &layer.attention_norm, config.rms_norm_eps);
            let (query, key, value) = layer.project(config, y, rows);
            x = x + layer.join(attention(index, query, key, value));
            let y = rms_norm(x.clone(), &layer.mlp_norm, config.rms_norm_eps);
            let gate_up = linear(y, layer.gate_up.val(), None);
            let width = config.intermediate_size;
            let gate = gate_up.clone().slice([0..batch, 0..tokens, 0..width]);
            let up = gate_up.slice([0..batch, 0..tokens, width..2 * width]);
            x = x + linear(silu(gate) * up, layer.down.val(), None);
        }
        rms_norm(x, &self.norm, config.rms_norm_eps)
    }

    /// Logits `[rows, vocab]` of hidden states `[rows, hidden]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        hidden.matmul(self.head.as_ref().unwrap_or(&self.embedding).val().transpose())
    }
}

impl Layer {
    /// Queries, keys and values of `x`, turned to their positions.
    fn project(
        &self,
        config: &Config,
        x: Tensor<3>,
        rows: &(Tensor<4>, Tensor<4>),
    ) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
        let [batch, tokens, _] = x.dims();
        let (heads, kv_heads, width) = (config.num_attention_heads, config.kv_heads(), config.head_dim());
        let all_heads = heads + 2 * kv_heads;
        let qkv = linear(x, self.qkv.val(), self.attention_bias.as_ref().map(|bias| bias.val()));
        let qkv = qkv.reshape([batch, tokens, all_heads, width]).swap_dims(1, 2);
        let cut = |from: usize, to: usize| qkv.clone().slice([0..batch, from..to, 0..tokens, 0..width]);
        // Queries and keys are normalised and turned together: one rotation instead of two.
        let mut pair = cut(0, heads + kv_heads);
        if let (Some(query), Some(key)) = (&self.query_norm, &self.key_norm) {
            let row = |norm: &Param<Tensor<1>>, count: usize| norm.val().unsqueeze::<2>().expand([count, width]);
            let weights = Tensor::cat(vec![row(query, heads), row(key, kv_heads)], 0);
            pair = normalised(pair, config.rms_norm_eps) * weights.reshape([1, heads + kv_heads, 1, width]);
        }
        let rotated = rope::rotate(pair, rows);
        let query = rotated.clone().slice([0..batch, 0..heads, 0..tokens, 0..width]);
        let key = rotated.slice([0..batch, heads..heads + kv_heads, 0..tokens, 0..width]);
        (query, key, cut(heads + kv_heads, all_heads))
    }

    /// What all heads found, `[batch, heads, tokens, head_dim]`, as one vector a token.
    fn join(&self, mixed: Tensor<4>) -> Tensor<3> {
        let [batch, heads, tokens, width] = mixed.dims();
        let mixed = mixed.swap_dims(1, 2).reshape([batch, tokens, heads * width]);
        linear(mixed, self.output.val(), self.mixed_bias.as_ref().map(|bias| bias.val()))
    }
}

/// What queries `[batch, heads, tokens, head_dim]` find in keys and values `[batch, kv_heads, end, head_dim]`; `mask` is true
/// where they must not look.
pub(crate) fn attend(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, mask: Option<&Tensor<4, Bool>>) -> Tensor<4> {
    let [batch, heads, tokens, width] = query.dims();
    let [_, kv_heads, end, _] = key.dims();
    // Query heads that share a key head are stacked as rows of one product: keys are never copied.
    let group = heads / kv_heads;
    let query = query.reshape([batch, kv_heads, group * tokens, width]);
    let scores = query.matmul(key.swap_dims(2, 3)) * (1.0 / (width as f64).sqrt());
    let scores = match mask {
        Some(mask) => {
            let scores = scores.reshape([batch, kv_heads * group, tokens, end]);
            let shape = scores.shape();
            scores.mask_fill(mask.clone().expand(shape), -1e9).reshape([batch, kv_heads, group * tokens, end])
        }
        None => scores,
    };
    softmax(scores, 3).matmul(value).reshape([batch, heads, tokens, width])
}
