//! Weights for the fused path: the tensors of a model file, in the number formats of the GPU.

use crate::error::{EngineError, LoadError};
use citer_files::{Config, Format as FileFormat, TensorSource, source::values};
use citer_gpu::{Format, GpuError, Matrix, Part, Rows, Shape, Weights, format::BLOCK};
use half::f16;
use std::ops::Range;

/// The tensors of a model as the GPU wants them.
pub struct FileWeights<'a> {
    config: &'a Config,
    source: &'a dyn TensorSource,
    floats: Option<Format>,
}

impl<'a> FileWeights<'a> {
    /// Tensors of `source`. `floats` says how floating-point matrices are stored, `None` as they are. Q8_0, Q5_0 and Q4_0
    /// keep every number; Q4_K and Q6_K are rounded to Q8_0, which moves a weight by at most a 254th of the largest in its
    /// block of 32.
    pub fn new(config: &'a Config, source: &'a dyn TensorSource, floats: Option<Format>) -> Self {
        Self { config, source, floats }
    }

    /// Name and shape of a matrix.
    fn place(&self, matrix: Matrix) -> (String, [usize; 2]) {
        let config = self.config;
        let (hidden, query, kv, mlp) =
            (config.hidden_size, config.query_width(), config.kv_width(), config.intermediate_size);
        let layer = |index: usize, part: &str| format!("model.layers.{index}.{part}.weight");
        match matrix {
            Matrix::Embedding => ("model.embed_tokens.weight".into(), [config.vocab_size, hidden]),
            Matrix::Head => ("lm_head.weight".into(), [config.vocab_size, hidden]),
            Matrix::Query(index) => (layer(index, "self_attn.q_proj"), [query, hidden]),
            Matrix::Key(index) => (layer(index, "self_attn.k_proj"), [kv, hidden]),
            Matrix::Value(index) => (layer(index, "self_attn.v_proj"), [kv, hidden]),
            Matrix::Output(index) => (layer(index, "self_attn.o_proj"), [hidden, query]),
            Matrix::Gate(index) => (layer(index, "mlp.gate_proj"), [mlp, hidden]),
            Matrix::Up(index) => (layer(index, "mlp.up_proj"), [mlp, hidden]),
            Matrix::Down(index) => (layer(index, "mlp.down_proj"), [hidden, mlp]),
        }
    }

    /// The format of a matrix in its file, after checking its shape.
    fn stored(&self, matrix: Matrix) -> Result<(String, FileFormat), LoadError> {
        let (name, shape) = self.place(matrix);
        let info = self.source.info(&name)?;
        if info.shape != shape {
            return Err(LoadError::Shape { name, found: info.shape, expected: shape.to_vec() });
        }
        Ok((name, info.format))
    }
}

/// The GPU's format for a format of files.
fn on_gpu(format: FileFormat, floats: Option<Format>) -> Format {
    match format {
        FileFormat::F32 => floats.unwrap_or(Format::F32),
        FileFormat::F16 => floats.unwrap_or(Format::F16),
        FileFormat::BF16 => floats.unwrap_or(Format::BF16),
        FileFormat::Q4_0 => Format::Q4,
        FileFormat::Q8_0 | FileFormat::Q5_0 | FileFormat::Q4_K | FileFormat::Q6_K => Format::Q8,
    }
}

/// Bytes that a matrix of `values` values takes on the GPU where its file stores it in `format`.
pub fn device_bytes(format: FileFormat, values: u64) -> u64 {
    values.div_ceil(BLOCK as u64).saturating_mul(on_gpu(format, None).block_bytes() as u64)
}

/// Codes and scales of blocks of 32 with one scale, which the GPU's format `target` holds exactly; `None` where it does not.
fn blocks(format: FileFormat, target: Format, bytes: &[u8]) -> Option<Rows> {
    let size = format.block().1;
    let codes = match (format, target) {
        (FileFormat::Q8_0, Format::Q8) => codes(bytes, size, |block, i| block[2 + i] as i8),
        (FileFormat::Q4_0, Format::Q4 | Format::Q8) => codes(bytes, size, |block, i| nibble(&block[2..], i) as i8 - 8),
        (FileFormat::Q5_0, Format::Q8) => codes(bytes, size, |block, i| {
            let fifth = block[2 + i / 8] >> (i % 8) & 1;
            (nibble(&block[6..], i) | fifth << 4) as i8 - 16
        }),
        _ => return None,
    };
    let scale = |block: &[u8]| f16::from_le_bytes([block[0], block[1]]).to_f32();
    Some(Rows::Blocks { codes, scales: bytes.chunks_exact(size).map(scale).collect() })
}

/// What `code` says of every value of blocks of `size` bytes.
fn codes(bytes: &[u8], size: usize, code: impl Fn(&[u8], usize) -> i8) -> Vec<i8> {
    let blocks = bytes.chunks_exact(size);
    let mut codes = vec![0; blocks.len() * BLOCK];
    for (codes, block) in codes.chunks_exact_mut(BLOCK).zip(blocks) {
        codes.iter_mut().enumerate().for_each(|(i, to)| *to = code(block, i));
    }
    codes
}

/// The 4-bit number `i` of 32 packed as all low halves, then all high halves.
fn nibble(packed: &[u8], i: usize) -> u8 {
    if i < 16 { packed[i] & 15 } else { packed[i - 16] >> 4 }
}

/// What stops a model from running on the GPU: its files or the device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The files.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

impl Weights for FileWeights<'_> {
    type Error = OpenError;

    fn format(&self, matrix: Matrix) -> Result<Format, OpenError> {
        Ok(on_gpu(self.stored(matrix)?.1, self.floats))
    }

    fn rows(&self, matrix: Matrix, rows: Range<usize>, format: Format) -> Result<Rows, OpenError> {
        let (name, stored) = self.stored(matrix)?;
        let bytes = self.source.rows(&name, rows)?;
        let rows = blocks(stored, format, &bytes).unwrap_or_else(|| Rows::Values(stored.values(&bytes)));
        let numbers = match &rows {
            Rows::Values(values) => values,
            Rows::Blocks { scales, .. } => scales,
        };
        // A number that 16 bits do not reach would become infinite on the GPU.
        let limit = if format == Format::F16 { f16::MAX.to_f32() } else { f32::MAX };
        if numbers.iter().all(|number| number.abs() <= limit) {
            Ok(rows)
        } else {
            Err(LoadError::NotFinite(name).into())
        }
    }

    fn vector(&self, part: Part) -> Result<Vec<f32>, OpenError> {
        let config = self.config;
        let hidden = config.hidden_size;
        let layer = |index: usize, part: &str| format!("model.layers.{index}.{part}");
        let read = |name: String, size: usize| values(self.source, &name, &[size]);
        let found = match part {
            Part::Norm => read("model.norm.weight".into(), hidden),
            Part::AttentionNorm(index) => read(layer(index, "input_layernorm.weight"), hidden),
            Part::MlpNorm(index) => read(layer(index, "post_attention_layernorm.weight"), hidden),
            Part::QueryNorm(index) => read(layer(index, "self_attn.q_norm.weight"), config.head_dim()),
            Part::KeyNorm(index) => read(layer(index, "self_attn.k_norm.weight"), config.head_dim()),
            Part::OutputBias(index) => read(layer(index, "self_attn.o_proj.bias"), hidden),
            Part::Bias(index) => {
                let mut all = read(layer(index, "self_attn.q_proj.bias"), config.query_width())?;
                for part in ["self_attn.k_proj.bias", "self_attn.v_proj.bias"] {
                    all.extend(read(layer(index, part), config.kv_width())?);
                }
                Ok(all)
            }
        };
        Ok(found?)
    }
}

/// The shape that the GPU's kernels are compiled for; `known` is the tokenizer's vocabulary.
pub fn shape(config: &Config, known: usize, capacity: usize) -> Shape {
    Shape {
        vocab: config.vocab_size,
        known: known.min(config.vocab_size),
        hidden: config.hidden_size,
        intermediate: config.intermediate_size,
        layers: config.num_hidden_layers,
        heads: config.num_attention_heads,
        kv_heads: config.kv_heads(),
        head_dim: config.head_dim(),
        epsilon: config.rms_norm_eps as f32,
        qkv_bias: config.attention_bias,
        output_bias: config.output_bias(),
        head_norms: config.head_norms(),
        tied: config.tie_word_embeddings,
        capacity,
        half_cache: false,
    }
}

impl From<GpuError> for EngineError {
    fn from(error: GpuError) -> Self {
        match error {
            GpuError::Empty => Self::Empty,
            GpuError::Stopped => Self::Stopped,
            GpuError::ContextFull { needed, capacity } => Self::ContextFull { needed, capacity },
            other => Self::Device(other.to_string()),
        }
    }
}
