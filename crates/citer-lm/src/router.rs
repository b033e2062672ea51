//! The router: CITER's MLP over the SLM's final hidden state, P(the SLM's token is good enough).
//!
//! CITER (arXiv 2502.01976) trains Linear, BatchNorm, ReLU, Linear, Linear, sigmoid with no nonlinearity between the
//! last two layers. For inference that is one hidden layer: sigmoid(out . relu(hidden x + bias) + bias). This is that
//! form, trained directly.

use crate::{error::LoadError, router_file::RouterFile, weights::WeightsWriter};
use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::module::linear;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// The router's weights; `width` is the SLM's hidden size.
#[derive(Module, Debug)]
pub struct Router {
    /// `[width, 2 width]`.
    pub hidden: Param<Tensor<2>>,
    /// `[2 width]`.
    pub hidden_bias: Param<Tensor<1>>,
    /// `[2 width, 1]`.
    pub out: Param<Tensor<2>>,
    /// `[1]`.
    pub out_bias: Param<Tensor<1>>,
}

impl Router {
    /// Random weights, uniform with variance 1 / inputs.
    pub fn random(width: usize, seed: u64, device: &Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = |shape: [usize; 2]| {
            let bound = (3.0 / shape[0] as f32).sqrt();
            let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| rng.random_range(-bound..bound)).collect();
            Param::from_data(TensorData::new(values, shape), device)
        };
        let (hidden, out) = (uniform([width, 2 * width]), uniform([2 * width, 1]));
        let zeros = |size: usize| Param::from_tensor(Tensor::zeros([size], device));
        Self { hidden, hidden_bias: zeros(2 * width), out, out_bias: zeros(1) }
    }

    /// Logits `[rows, 1]` of final hidden states `[rows, width]`; their sigmoid is the score.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let hidden = relu(linear(hidden, self.hidden.val(), Some(self.hidden_bias.val())));
        linear(hidden, self.out.val(), Some(self.out_bias.val()))
    }

    /// Reads a router for hidden states of `width` from the bytes of a safetensors file.
    pub fn load(width: usize, bytes: &[u8], device: &Device) -> Result<Self, LoadError> {
        Ok(Self::of(RouterFile::parse(width, bytes)?, device))
    }

    /// The router of a file.
    pub fn of(file: RouterFile, device: &Device) -> Self {
        let RouterFile { width, hidden, hidden_bias, out, out_bias } = file;
        let matrix = |values, shape: [usize; 2]| Param::from_data(TensorData::new(values, shape), device);
        let vector = |values: Vec<f32>| {
            let size = values.len();
            Param::from_data(TensorData::new(values, [size]), device)
        };
        Self {
            hidden: matrix(hidden, [width, 2 * width]),
            hidden_bias: vector(hidden_bias),
            out: matrix(out, [2 * width, 1]),
            out_bias: vector(vec![out_bias]),
        }
    }

    /// The bytes of a safetensors file (F16).
    pub async fn save(&self) -> Result<Vec<u8>, LoadError> {
        let mut file = WeightsWriter::default();
        file.add("router.hidden.weight", self.hidden.val()).await?;
        file.add("router.hidden.bias", self.hidden_bias.val()).await?;
        file.add("router.out.weight", self.out.val()).await?;
        file.add("router.out.bias", self.out_bias.val()).await?;
        file.finish(HashMap::new())
    }
}

/// The score of a router logit: P(the SLM's token is good enough), 0 to 1.
pub fn score(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}
