//! A model's weights on the GPU, loaded part by part.

use crate::{
    buffer::Buffer,
    error::GpuError,
    format::Format,
    gpu::Gpu,
    shape::{Shape, padded},
    weights::{Matrix, Part, Rows, Stack, Stored, Weights, load, load_pair},
};
use std::ops::Range;

/// One layer.
pub(crate) struct Layer {
    pub attention_norm: Buffer,
    pub qkv: Stored,
    pub qkv_bias: Buffer,
    pub head_norms: Buffer,
    pub output: Stored,
    pub output_bias: Buffer,
    pub mlp_norm: Buffer,
    pub gate_up: Stored,
    pub down: Stored,
}

/// The router on the GPU: its hidden layer as a matrix, its last layer with the bias behind it.
pub(crate) struct Judge {
    pub hidden: Stored,
    pub bias: Buffer,
    pub out: Buffer,
    pub width: usize,
}

/// The router's weights: `sigmoid(out . relu(hidden x + bias) + out_bias)` of the final hidden state `x`.
#[derive(Clone, Debug, PartialEq)]
pub struct RouterWeights {
    /// `[width, hidden]`, row by row.
    pub hidden: Vec<f32>,
    /// `[width]`.
    pub bias: Vec<f32>,
    /// `[width]`.
    pub out: Vec<f32>,
    /// One number.
    pub out_bias: f32,
}

/// All weights of a model.
pub(crate) struct Model {
    pub shape: Shape,
    pub embedding: Stored,
    pub head: Option<Stored>,
    pub norm: Buffer,
    pub layers: Vec<Layer>,
    pub judge: Option<Judge>,
    pub cosines: Buffer,
    pub sines: Buffer,
}

impl Model {
    /// Loads all weights; `progress` hears the share that is loaded, 0 to 1.
    pub fn load<W: Weights>(
        gpu: &Gpu,
        shape: &Shape,
        weights: &W,
        router: Option<&RouterWeights>,
        rotation: [&[f32]; 2],
        mut progress: impl FnMut(f32),
    ) -> Result<Self, W::Error> {
        let hidden = shape.hidden;
        let vector = |part, length: usize| Ok::<_, W::Error>(gpu.floats(&weights.vector(part)?, padded(length))?);
        let nothing = gpu.zeros(16)?;
        let one = |matrix, rows, columns| load(gpu, weights, &[Stack { matrix, rows }], columns);
        let embedding = one(Matrix::Embedding, shape.vocab, hidden)?;
        let mut layers = Vec::with_capacity(shape.layers);
        for index in 0..shape.layers {
            progress((index + 1) as f32 / (shape.layers + 2) as f32);
            let kv = shape.kv_heads * shape.head_dim;
            let qkv = [
                Stack { matrix: Matrix::Query(index), rows: shape.query() },
                Stack { matrix: Matrix::Key(index), rows: kv },
                Stack { matrix: Matrix::Value(index), rows: kv },
            ];
            let head_norms = if shape.head_norms {
                let mut both = weights.vector(Part::QueryNorm(index))?;
                both.extend(weights.vector(Part::KeyNorm(index))?);
                gpu.floats(&both, both.len())?
            } else {
                nothing.clone()
            };
            layers.push(Layer {
                attention_norm: vector(Part::AttentionNorm(index), hidden)?,
                qkv: load(gpu, weights, &qkv, hidden)?,
                qkv_bias: if shape.qkv_bias { vector(Part::Bias(index), shape.qkv())? } else { nothing.clone() },
                head_norms,
                output: one(Matrix::Output(index), hidden, shape.query())?,
                output_bias: if shape.output_bias { vector(Part::OutputBias(index), hidden)? } else { nothing.clone() },
                mlp_norm: vector(Part::MlpNorm(index), hidden)?,
                gate_up: load_pair(gpu, weights, [Matrix::Gate(index), Matrix::Up(index)], shape.intermediate, hidden)?,
                down: one(Matrix::Down(index), hidden, shape.intermediate)?,
            });
        }
        let model = Self {
            shape: shape.clone(),
            embedding,
            head: if shape.tied { None } else { Some(one(Matrix::Head, shape.vocab, hidden)?) },
            norm: vector(Part::Norm, hidden)?,
            layers,
            judge: router.map(|router| judge(gpu, hidden, router)).transpose()?,
            cosines: gpu.floats(rotation[0], rotation[0].len())?,
            sines: gpu.floats(rotation[1], rotation[1].len())?,
        };
        progress(1.0);
        Ok(model)
    }

    /// The output head.
    pub fn head(&self) -> &Stored {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    /// Bytes of weights that one decoded token reads (one row of the embedding counts nothing).
    pub fn bytes_per_token(&self) -> usize {
        let layer =
            |layer: &Layer| layer.qkv.bytes() + layer.output.bytes() + layer.gate_up.bytes() + layer.down.bytes();
        let judge = self.judge.as_ref().map_or(0, |judge| judge.hidden.bytes());
        self.layers.iter().map(layer).sum::<usize>() + self.head().bytes() + judge
    }
}

/// The router's hidden layer as a source of weights.
struct Hidden<'a> {
    values: &'a [f32],
    columns: usize,
}

impl Weights for Hidden<'_> {
    type Error = GpuError;

    fn format(&self, _: Matrix) -> Result<Format, GpuError> {
        Ok(Format::F32)
    }

    fn rows(&self, _: Matrix, rows: Range<usize>, _: Format) -> Result<Rows, GpuError> {
        Ok(Rows::Values(self.values[rows.start * self.columns..rows.end * self.columns].to_vec()))
    }

    fn vector(&self, _: Part) -> Result<Vec<f32>, GpuError> {
        Ok(Vec::new())
    }
}

fn judge(gpu: &Gpu, columns: usize, router: &RouterWeights) -> Result<Judge, GpuError> {
    let width = router.bias.len();
    if router.out.len() != width || router.hidden.len() != width * columns {
        return Err(GpuError::Router);
    }
    let source = Hidden { values: &router.hidden, columns };
    let mut out = router.out.clone();
    out.push(router.out_bias);
    Ok(Judge {
        hidden: load(gpu, &source, &[Stack { matrix: Matrix::Head, rows: width }], columns)?,
        bias: gpu.floats(&router.bias, padded(width))?,
        out: gpu.floats(&out, out.len())?,
        width,
    })
}
