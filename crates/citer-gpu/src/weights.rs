//! Weights: where a model's numbers come from, part by part, so that nobody needs the whole file at once.

use crate::{
    buffer::Buffer,
    error::GpuError,
    format::{BLOCK, Format, PANEL},
    gpu::Gpu,
    kernels::matmul::Tiling,
    pack::{Packer, Panel, blocks},
    tuning::Choice,
};
use std::ops::Range;

/// A matrix of the model, `[outputs, inputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// Token embedding, `[vocab, hidden]`.
    Embedding,
    /// Output head, `[vocab, hidden]`; not asked for when tied.
    Head,
    /// Queries of a layer.
    Query(usize),
    /// Keys of a layer.
    Key(usize),
    /// Values of a layer.
    Value(usize),
    /// Attention output of a layer.
    Output(usize),
    /// Gate of a layer's MLP.
    Gate(usize),
    /// Up projection of a layer's MLP.
    Up(usize),
    /// Down projection of a layer's MLP.
    Down(usize),
}

/// A vector of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The final norm, `[hidden]`.
    Norm,
    /// Norm before a layer's attention, `[hidden]`.
    AttentionNorm(usize),
    /// Norm before a layer's MLP, `[hidden]`.
    MlpNorm(usize),
    /// Norm of query heads, `[head_dim]`.
    QueryNorm(usize),
    /// Norm of key heads, `[head_dim]`.
    KeyNorm(usize),
    /// Biases of queries, keys and values, `[qkv]`.
    Bias(usize),
    /// Bias of the attention output, `[hidden]`.
    OutputBias(usize),
}

/// Some rows of a matrix, as their source holds them.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// Floats, row by row.
    Values(Vec<f32>),
    /// Blocks of 32 along each row that are quantised already: signed codes and a scale a block.
    Blocks {
        /// Codes in the range of the matrix's format.
        codes: Vec<i8>,
        /// Scales, block by block.
        scales: Vec<f32>,
    },
}

/// Where weights come from.
pub trait Weights {
    /// What can go wrong while reading.
    type Error: From<GpuError>;

    /// The format in which a matrix shall be stored on the GPU.
    fn format(&self, matrix: Matrix) -> Result<Format, Self::Error>;

    /// Rows of a matrix; blocks only when they are in `format`.
    fn rows(&self, matrix: Matrix, rows: Range<usize>, format: Format) -> Result<Rows, Self::Error>;

    /// A vector.
    fn vector(&self, part: Part) -> Result<Vec<f32>, Self::Error>;
}

/// Rows read at once: bounds the memory that loading takes.
const PANELS_AT_ONCE: usize = 16;

/// A matrix on the GPU.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub words: Buffer,
    pub scales: Buffer,
    pub format: Format,
    pub rows: usize,
    pub columns: usize,
}

impl Stored {
    /// Room for a matrix.
    pub fn new(gpu: &Gpu, format: Format, rows: usize, columns: usize) -> Result<Self, GpuError> {
        let count = (rows.div_ceil(PANEL) as u64 * blocks(columns) as u64).saturating_mul(PANEL as u64);
        let words = gpu.empty(count.saturating_mul(format.words() as u64 * 16))?;
        let scales = gpu.empty(if format.is_quantised() { count.saturating_mul(4) } else { 0 })?;
        Ok(Self { words, scales, format, rows, columns })
    }

    /// Panels of rows.
    pub fn panels(&self) -> usize {
        self.rows.div_ceil(PANEL)
    }

    /// Bytes that a product with all rows reads.
    pub fn bytes(&self) -> usize {
        self.panels() * PANEL * blocks(self.columns) * self.format.block_bytes()
    }

    /// How a variant goes through this matrix.
    pub fn tiling(&self, choice: Choice) -> Tiling {
        let (blocks, panels) = (blocks(self.columns), self.panels());
        let Choice { rows, tokens, slices, span, faulty } = choice;
        Tiling { format: self.format, blocks, panels, rows, tokens, slices: slices.min(blocks), span, faulty }
    }

    /// Stores panel `index`.
    fn put(&self, gpu: &Gpu, index: usize, panel: &Panel) {
        let words = bytemuck::cast_slice(&panel.words).to_vec();
        gpu.write(&self.words, index * words.len(), words);
        let scales = bytemuck::cast_slice(&panel.scales).to_vec();
        gpu.write(&self.scales, index * scales.len(), scales);
    }

    /// Reads panel `index` back.
    pub async fn panel(&self, gpu: &Gpu, index: usize) -> Result<Panel, GpuError> {
        let count = blocks(self.columns) * PANEL;
        let size = count * self.format.words() * 16;
        let words = bytemuck::pod_collect_to_vec(&gpu.read(&self.words, index * size, size).await?);
        let scales = if self.format.is_quantised() {
            bytemuck::pod_collect_to_vec(&gpu.read(&self.scales, index * count * 4, count * 4).await?)
        } else {
            Vec::new()
        };
        Ok(Panel { words, scales })
    }
}

/// One source stacked into a stored matrix: which of its rows, and where in the matrix they go.
pub(crate) struct Stack {
    pub matrix: Matrix,
    pub rows: usize,
}

/// Loads matrices that lie behind each other, row by row.
pub(crate) fn load<W: Weights>(gpu: &Gpu, weights: &W, stack: &[Stack], columns: usize) -> Result<Stored, W::Error> {
    let format = common(weights, stack)?;
    let rows = stack.iter().map(|part| part.rows).sum();
    let stored = Stored::new(gpu, format, rows, columns)?;
    let mut packer = Packer::new(format, columns);
    let mut target = 0;
    for part in stack {
        let mut from = 0;
        while from < part.rows {
            let to = part.rows.min(from + PANELS_AT_ONCE * PANEL);
            let read = weights.rows(part.matrix, from..to, format)?;
            for row in 0..to - from {
                add(&mut packer, target % PANEL, &read, row, columns);
                target += 1;
                if target % PANEL == 0 {
                    let full = std::mem::replace(&mut packer, Packer::new(format, columns)).finish();
                    stored.put(gpu, target / PANEL - 1, &full);
                }
            }
            from = to;
        }
    }
    if target % PANEL != 0 {
        stored.put(gpu, target / PANEL, &packer.finish());
    }
    Ok(stored)
}

/// Loads two matrices of the same shape whose panels alternate.
pub(crate) fn load_pair<W: Weights>(
    gpu: &Gpu,
    weights: &W,
    pair: [Matrix; 2],
    rows: usize,
    columns: usize,
) -> Result<Stored, W::Error> {
    let format = common(weights, &pair.map(|matrix| Stack { matrix, rows }))?;
    let stored = Stored::new(gpu, format, 2 * rows.next_multiple_of(PANEL), columns)?;
    for (which, matrix) in pair.into_iter().enumerate() {
        for index in 0..rows.div_ceil(PANEL) {
            let (from, to) = (index * PANEL, rows.min((index + 1) * PANEL));
            let read = weights.rows(matrix, from..to, format)?;
            let mut packer = Packer::new(format, columns);
            for row in 0..to - from {
                add(&mut packer, row, &read, row, columns);
            }
            stored.put(gpu, 2 * index + which, &packer.finish());
        }
    }
    Ok(stored)
}

/// The format for matrices that are stored together: one that holds the numbers of all of them.
fn common<W: Weights>(weights: &W, stack: &[Stack]) -> Result<Format, W::Error> {
    let mut widest = None;
    for part in stack {
        let format = weights.format(part.matrix)?;
        widest = match (widest, format) {
            (None, format) => Some(format),
            (Some(a), b) if a == b => Some(a),
            (Some(Format::Q4 | Format::Q8), Format::Q4 | Format::Q8) => Some(Format::Q8),
            // Halves of both kinds and blocks keep different numbers: together they need F32.
            _ => Some(Format::F32),
        };
    }
    Ok(widest.unwrap_or(Format::F32))
}

fn add(packer: &mut Packer, to: usize, rows: &Rows, row: usize, columns: usize) {
    match rows {
        Rows::Values(values) => packer.row(to, &values[row * columns..(row + 1) * columns]),
        Rows::Blocks { codes, scales } => {
            let count = blocks(columns);
            for block in 0..count {
                let at = row * count + block;
                packer.codes(to, block, &codes[at * BLOCK..(at + 1) * BLOCK], scales[at]);
            }
        }
    }
}
