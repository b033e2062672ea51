//! Writes a GGUF file (version 3) as llama.cpp reads it: metadata, tokenizer and tensors, one after the other.

use crate::{
    config::Config,
    error::{LoadError, WriteError},
    format::Format,
    gguf_model::{ROPE_FACTORS, llama_cpp, rotated},
    gguf_vocabulary,
    model_files::Parts,
    rope_scaling::RopeScaling,
    row_order::{self, halves},
    source::{TensorInfo, TensorSource},
    write::{Planned, Progress, plan, tensor},
};
use std::{io::Write, ops::Range};

/// Alignment of the tensors: GGUF's default.
const ALIGNMENT: u64 = 32;

/// The metadata of a file, as bytes.
#[derive(Default)]
pub(crate) struct Metadata {
    bytes: Vec<u8>,
    count: u64,
}

impl Metadata {
    fn add(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.bytes.extend(string(key));
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(value);
        self.count += 1;
    }

    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.add(key, 8, &string(text));
    }

    pub(crate) fn bool(&mut self, key: &str, value: bool) {
        self.add(key, 7, &[value.into()]);
    }

    pub(crate) fn number(&mut self, key: &str, value: u32) {
        self.add(key, 4, &value.to_le_bytes());
    }

    fn size(&mut self, key: &str, value: usize) -> Result<(), WriteError> {
        let value = u32::try_from(value).map_err(|_| WriteError::Header(format!("{key} is {value}")))?;
        self.number(key, value);
        Ok(())
    }

    fn float(&mut self, key: &str, value: f64) {
        self.add(key, 6, &(value as f32).to_le_bytes());
    }

    pub(crate) fn texts<'a>(&mut self, key: &str, texts: impl ExactSizeIterator<Item = &'a str>) {
        let head = [8u32.to_le_bytes().as_slice(), &(texts.len() as u64).to_le_bytes()].concat();
        self.add(key, 9, &head.into_iter().chain(texts.flat_map(string)).collect::<Vec<u8>>());
    }

    pub(crate) fn floats(&mut self, key: &str, values: &[f64]) {
        let head = [6u32.to_le_bytes().as_slice(), &(values.len() as u64).to_le_bytes()].concat();
        let values = values.iter().flat_map(|value| (*value as f32).to_le_bytes());
        self.add(key, 9, &head.into_iter().chain(values).collect::<Vec<u8>>());
    }

    pub(crate) fn integers(&mut self, key: &str, values: &[i32]) {
        let head = [5u32.to_le_bytes().as_slice(), &(values.len() as u64).to_le_bytes()].concat();
        let values = values.iter().flat_map(|value| value.to_le_bytes());
        self.add(key, 9, &head.into_iter().chain(values).collect::<Vec<u8>>());
    }
}

fn string(text: &str) -> Vec<u8> {
    [(text.len() as u64).to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// Writes a model; its matrices in `format`, all else in F32.
pub fn write(
    name: &str,
    parts: &Parts,
    format: Format,
    out: &mut dyn Write,
    progress: Progress,
) -> Result<(), WriteError> {
    let config = &parts.config;
    let mut metadata = Metadata::default();
    describe(config, name, format, &mut metadata)?;
    gguf_vocabulary::write(parts, &mut metadata)?;
    let plan = plan(config, Format::F32, format)?;
    let factors = frequency_factors(config);
    // The table of tensors; frequency factors come first.
    let mut table = Vec::new();
    let mut end = 0u64;
    let mut entry = |name: &str, shape: &[usize], format: Format, bytes: u64| {
        table.extend(string(name));
        table.extend((shape.len() as u32).to_le_bytes());
        table.extend(shape.iter().rev().flat_map(|dim| (*dim as u64).to_le_bytes()));
        table.extend(format.ggml().to_le_bytes());
        table.extend(end.to_le_bytes());
        end = (end + bytes).next_multiple_of(ALIGNMENT);
    };
    if let Some(factors) = &factors {
        entry(ROPE_FACTORS, &[factors.len()], Format::F32, 4 * factors.len() as u64);
    }
    for Planned { name, shape, format, bytes } in &plan {
        entry(&stored(name)?, shape, *format, *bytes);
    }
    let tensors = plan.len() as u64 + u64::from(factors.is_some());
    let counts = [tensors.to_le_bytes(), metadata.count.to_le_bytes()].concat();
    let header = [b"GGUF\x03\0\0\0".as_slice(), &counts, &metadata.bytes, &table].concat();
    out.write_all(&header)?;
    pad(header.len() as u64, out)?;
    if let Some(factors) = factors {
        let bytes: Vec<u8> = factors.iter().flat_map(|factor| factor.to_le_bytes()).collect();
        out.write_all(&bytes)?;
        pad(bytes.len() as u64, out)?;
    }
    let source = LlamaCpp { source: &*parts.tensors, config };
    let mut written = 0;
    for planned in &plan {
        tensor(planned, &source, out)?;
        pad(planned.bytes, out)?;
        written += planned.bytes;
        progress(written, end);
    }
    Ok(out.flush()?)
}

fn stored(name: &str) -> Result<String, LoadError> {
    llama_cpp(name).ok_or_else(|| LoadError::UnknownTensor(name.into()))
}

fn pad(length: u64, out: &mut dyn Write) -> std::io::Result<()> {
    let padding = length.next_multiple_of(ALIGNMENT) - length;
    out.write_all(&[0; ALIGNMENT as usize][..padding as usize])
}

/// The tensors in llama.cpp's row order.
struct LlamaCpp<'a> {
    source: &'a dyn TensorSource,
    config: &'a Config,
}

impl TensorSource for LlamaCpp<'_> {
    fn info(&self, name: &str) -> Result<TensorInfo, LoadError> {
        self.source.info(name)
    }

    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
        if self.config.model_type == "llama" && rotated(name) {
            return row_order::rows(self.source, name, rows, self.config.head_dim(), halves);
        }
        self.source.rows(name, rows)
    }
}

/// Writes what the configuration says.
fn describe(config: &Config, name: &str, format: Format, to: &mut Metadata) -> Result<(), WriteError> {
    let architecture = config.model_type.as_str();
    let key = |field: &str| format!("{architecture}.{field}");
    to.text("general.architecture", architecture);
    to.text("general.name", name);
    to.number("general.quantization_version", 2);
    // llama.cpp's number of a file whose matrices mostly have this format.
    let file_type = match format {
        Format::F32 => Some(0),
        Format::F16 => Some(1),
        Format::Q4_0 => Some(2),
        Format::Q8_0 => Some(7),
        Format::BF16 => Some(32),
        Format::Q5_0 | Format::Q4_K | Format::Q6_K => None,
    };
    if let Some(number) = file_type {
        to.number("general.file_type", number);
    }
    for (field, value) in [
        ("vocab_size", config.vocab_size),
        ("context_length", config.max_position_embeddings),
        ("embedding_length", config.hidden_size),
        ("block_count", config.num_hidden_layers),
        ("feed_forward_length", config.intermediate_size),
        ("attention.head_count", config.num_attention_heads),
        ("attention.head_count_kv", config.kv_heads()),
        ("attention.key_length", config.head_dim()),
        ("attention.value_length", config.head_dim()),
        ("rope.dimension_count", config.head_dim()),
    ] {
        to.size(&key(field), value)?;
    }
    to.float(&key("attention.layer_norm_rms_epsilon"), config.rms_norm_eps);
    to.float(&key("rope.freq_base"), config.rope_theta);
    match &config.rope_scaling {
        Some(RopeScaling::Linear { factor }) => {
            to.text(&key("rope.scaling.type"), "linear");
            to.float(&key("rope.scaling.factor"), *factor);
        }
        Some(RopeScaling::Yarn {
            factor,
            original_max_position_embeddings,
            beta_fast,
            beta_slow,
            attention_factor,
        }) => {
            to.text(&key("rope.scaling.type"), "yarn");
            to.float(&key("rope.scaling.factor"), *factor);
            let original = original_max_position_embeddings.unwrap_or(config.max_position_embeddings);
            to.size(&key("rope.scaling.original_context_length"), original)?;
            to.float(&key("rope.scaling.yarn_beta_fast"), *beta_fast);
            to.float(&key("rope.scaling.yarn_beta_slow"), *beta_slow);
            if let Some(given) = attention_factor {
                // llama.cpp multiplies what follows from the factor by this.
                to.float(&key("rope.scaling.attn_factor"), given / (0.1 * factor.ln() + 1.0));
            }
        }
        // These stand in a tensor.
        Some(RopeScaling::Llama3 { .. } | RopeScaling::Factors { .. }) | None => {}
    }
    Ok(())
}

/// The divisor of every frequency, where a tensor tells it.
fn frequency_factors(config: &Config) -> Option<Vec<f32>> {
    match config.rope_scaling.as_ref()? {
        RopeScaling::Factors { factors } => Some(factors.iter().map(|factor| *factor as f32).collect()),
        scaling @ RopeScaling::Llama3 { .. } => {
            let width = config.head_dim();
            let frequency = |i: usize| config.rope_theta.powf(-(i as f64) / width as f64);
            let plain: Vec<f64> = (0..width).step_by(2).map(frequency).collect();
            let scaled = scaling.scale(&plain, config.rope_theta, config.max_position_embeddings);
            Some(plain.iter().zip(scaled).map(|(plain, scaled)| (plain / scaled) as f32).collect())
        }
        RopeScaling::Linear { .. } | RopeScaling::Yarn { .. } => None,
    }
}
