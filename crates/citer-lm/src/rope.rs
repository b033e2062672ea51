//! Rotary position embedding (RoPE, arXiv 2104.09864) in the half-split layout of Llama models.

use crate::{config::Config, rotation};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Cosines and sines of every position, `[max_position_embeddings, head_dim / 2]` each.
#[derive(Clone, Debug)]
pub struct Rope {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Rope {
    /// Tables for `positions` positions.
    pub fn new(config: &Config, positions: usize, device: &Device) -> Self {
        let half = config.head_dim() / 2;
        let table = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [positions, half]), device);
        let [cos, sin] = rotation::tables(config, positions).map(table);
        Self { cos, sin }
    }

    /// The rows for positions `start..end`, shaped `[1, 1, end - start, head_dim / 2]` to broadcast over heads.
    pub fn rows(&self, start: usize, end: usize) -> (Tensor<4>, Tensor<4>) {
        let half = self.cos.dims()[1];
        let cut = |t: &Tensor<2>| t.clone().slice([start..end, 0..half]).unsqueeze::<4>();
        (cut(&self.cos), cut(&self.sin))
    }

    /// The rows for `positions` in any order, shaped likewise.
    pub fn at(&self, positions: &[usize]) -> (Tensor<4>, Tensor<4>) {
        let places: Vec<i32> = positions.iter().map(|position| *position as i32).collect();
        let data = TensorData::new(places, [positions.len()]);
        let places = Tensor::<1, Int>::from_data(data, &self.cos.device());
        let pick = |t: &Tensor<2>| t.clone().select(0, places.clone()).unsqueeze::<4>();
        (pick(&self.cos), pick(&self.sin))
    }
}

/// Rotates `x` `[batch, heads, tokens, head_dim]` by the given rows.
pub fn rotate(x: Tensor<4>, (cos, sin): &(Tensor<4>, Tensor<4>)) -> Tensor<4> {
    let [batch, heads, tokens, width] = x.dims();
    let half = width / 2;
    let low = x.clone().slice([0..batch, 0..heads, 0..tokens, 0..half]);
    let high = x.slice([0..batch, 0..heads, 0..tokens, half..width]);
    let rotated_low = low.clone() * cos.clone() - high.clone() * sin.clone();
    let rotated_high = high * cos.clone() + low * sin.clone();
    Tensor::cat(vec![rotated_low, rotated_high], 3)
}
