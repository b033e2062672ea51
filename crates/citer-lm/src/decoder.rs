//! The Llama-type decoder in plain burn operations: the one forward pass of training, inference and the tests' oracle.

use crate::{
    cache::KvCache,
    config::Config,
    rope::{self, Rope},
};
use burn::module::{Module, Param};
use burn::tensor::activation::{silu, softmax};
use burn::tensor::module::linear;
use burn::tensor::{Bool, Device, Distribution, Int, Tensor, TensorData};

/// One layer. Weights are `[inputs, outputs]`; those that read the same input are stored side by side.
#[derive(Module, Debug)]
pub struct Layer {
    /// RMSNorm before attention, `[hidden]`.
    pub attention_norm: Param<Tensor<1>>,
    /// Queries, keys and values, `[hidden, query_width + 2 kv_width]`.
    pub qkv: Param<Tensor<2>>,
    /// Attention output, `[query_width, hidden]`.
    pub output: Param<Tensor<2>>,
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

fn rms_norm(x: Tensor<3>, weight: &Param<Tensor<1>>, epsilon: f64) -> Tensor<3> {
    let scale = (x.clone().square().mean_dim(2) + epsilon).sqrt().recip();
    x * scale * weight.val().unsqueeze::<3>()
}

/// `true` where query `i` (at position `start + i`) must not see key `j`, `[1, 1, tokens, start + tokens]`.
fn causal_mask(start: usize, tokens: usize, device: &Device) -> Tensor<4, Bool> {
    let end = start + tokens;
    let hidden: Vec<bool> = (0..tokens * end).map(|i| i % end > start + i / end).collect();
    Tensor::from_data(TensorData::new(hidden, [1, 1, tokens, end]), device)
}

impl Decoder {
    /// Random weights, N(0, 0.02), residual outputs scaled down by depth as in GPT-2.
    pub fn random(config: &Config, seed: u64, device: &Device) -> Self {
        device.seed(seed);
        let normal = |shape: [usize; 2], deviation: f64| {
            Param::from_tensor(Tensor::random(shape, Distribution::Normal(0.0, deviation), device))
        };
        let ones = || Param::from_tensor(Tensor::ones([config.hidden_size], device));
        let (hidden, mlp) = (config.hidden_size, config.intermediate_size);
        let residual = 0.02 / (2.0 * config.num_hidden_layers as f64).sqrt();
        let layers = (0..config.num_hidden_layers).map(|_| Layer {
            attention_norm: ones(),
            qkv: normal([hidden, config.query_width() + 2 * config.kv_width()], 0.02),
            output: normal([config.query_width(), hidden], residual),
            mlp_norm: ones(),
            gate_up: normal([hidden, 2 * mlp], 0.02),
            down: normal([mlp, hidden], residual),
        });
        Self {
            embedding: normal([config.vocab_size, hidden], 0.02),
            layers: layers.collect(),
            norm: ones(),
            head: (!config.tie_word_embeddings).then(|| normal([config.vocab_size, hidden], 0.02)),
        }
    }

    /// Final hidden states `[batch, tokens, hidden]` (after the last norm: what the head and the router read) of
    /// `ids` `[batch, tokens]`. With a cache (batch 1) the tokens follow the cached ones and are cached too.
    pub fn hidden(
        &self,
        config: &Config,
        rope: &Rope,
        ids: Tensor<2, Int>,
        mut cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        let [batch, tokens] = ids.dims();
        let device = ids.device();
        let start = cache.as_ref().map_or(0, |c| c.position());
        let rows = rope.rows(start, start + tokens);
        let mask = (tokens > 1).then(|| causal_mask(start, tokens, &device));
        let mut x = burn::tensor::module::embedding(self.embedding.val(), ids);
        for (index, layer) in self.layers.iter().enumerate() {
            let y = rms_norm(x.clone(), &layer.attention_norm, config.rms_norm_eps);
            let attended = layer.attention(config, y, &rows, mask.as_ref(), cache.as_deref_mut().map(|c| (index, c)));
            x = x + attended;
            let y = rms_norm(x.clone(), &layer.mlp_norm, config.rms_norm_eps);
            let gate_up = linear(y, layer.gate_up.val(), None);
            let width = config.intermediate_size;
            let gate = gate_up.clone().slice([0..batch, 0..tokens, 0..width]);
            let up = gate_up.slice([0..batch, 0..tokens, width..2 * width]);
            x = x + linear(silu(gate) * up, layer.down.val(), None);
        }
        if let Some(cache) = cache {
            cache.advance(tokens);
        }
        rms_norm(x, &self.norm, config.rms_norm_eps)
    }

    /// Logits `[rows, vocab]` of hidden states `[rows, hidden]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        hidden.matmul(self.head.as_ref().unwrap_or(&self.embedding).val().transpose())
    }
}

impl Layer {
    fn attention(
        &self,
        config: &Config,
        x: Tensor<3>,
        rows: &(Tensor<4>, Tensor<4>),
        mask: Option<&Tensor<4, Bool>>,
        cache: Option<(usize, &mut KvCache)>,
    ) -> Tensor<3> {
        let [batch, tokens, _] = x.dims();
        let (heads, kv_heads, width) = (config.num_attention_heads, config.kv_heads(), config.head_dim());
        let all_heads = heads + 2 * kv_heads;
        let qkv = linear(x, self.qkv.val(), None).reshape([batch, tokens, all_heads, width]).swap_dims(1, 2);
        let cut = |from: usize, to: usize| qkv.clone().slice([0..batch, from..to, 0..tokens, 0..width]);
        // Queries and keys turn together: one rotation instead of two.
        let rotated = rope::rotate(cut(0, heads + kv_heads), rows);
        let query = rotated.clone().slice([0..batch, 0..heads, 0..tokens, 0..width]);
        let key = rotated.slice([0..batch, heads..heads + kv_heads, 0..tokens, 0..width]);
        let value = cut(heads + kv_heads, all_heads);
        let (key, value) = match cache {
            Some((layer, cache)) => cache.append(layer, key, value),
            None => (key, value),
        };
        let [_, _, end, _] = key.dims();
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
        let mixed = softmax(scores, 3).matmul(value).reshape([batch, heads, tokens, width]);
        linear(mixed.swap_dims(1, 2).reshape([batch, tokens, heads * width]), self.output.val(), None)
    }
}
