//! Writes a safetensors file tensor by tensor.

use crate::{
    config::Config,
    error::WriteError,
    format::Format,
    source::TensorSource,
    write::{Progress, plan, tensor},
};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use std::io::Write;

/// Writes the tensors of `config` from `source`, all of them in `format` (F32, F16 or BF16).
pub fn write(
    config: &Config,
    source: &dyn TensorSource,
    format: Format,
    out: &mut dyn Write,
    progress: Progress,
) -> Result<(), WriteError> {
    let dtype = match format {
        Format::F32 => Dtype::F32,
        Format::F16 => Dtype::F16,
        Format::BF16 => Dtype::BF16,
        _ => return Err(WriteError::Format(format.name())),
    };
    let plan = plan(config, format, format)?;
    let mut end = 0;
    let entries = plan.iter().map(|planned| {
        let start = end;
        end += planned.bytes as usize;
        (planned.name.clone(), TensorInfo { dtype, shape: planned.shape.clone(), data_offsets: (start, end) })
    });
    let header = Metadata::new(None, entries.collect()).map_err(|e| WriteError::Header(e.to_string()))?;
    let mut header = serde_json::to_vec(&header).map_err(|e| WriteError::Header(e.to_string()))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    let mut written = 0;
    for planned in &plan {
        tensor(planned, source, out)?;
        written += planned.bytes;
        progress(written, end as u64);
    }
    Ok(out.flush()?)
}
