//! Tensors in another format, streamed: what the writers of safetensors and GGUF share.

use crate::{
    config::Config,
    error::{LoadError, WriteError},
    format::Format,
    source::{TensorInfo, TensorSource, for_each_chunk},
};
use std::io::Write;

/// Is told the bytes of tensors that are written, and those that there will be.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// A tensor to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub name: String,
    pub shape: Vec<usize>,
    pub format: Format,
    pub bytes: u64,
}

/// The tensors of `config`: vectors in `vectors`, matrices in `format` or, where their rows are no whole blocks, F16.
pub(crate) fn plan(config: &Config, vectors: Format, format: Format) -> Result<Vec<Planned>, WriteError> {
    if !format.writable() {
        return Err(WriteError::Format(format.name()));
    }
    let planned = |(name, shape): (String, Vec<usize>)| {
        let columns = shape.last().copied().unwrap_or(1);
        let wanted = if shape.len() < 2 { vectors } else { format };
        let format = if wanted.row_bytes(columns).is_some() { wanted } else { Format::F16 };
        let info = TensorInfo { shape, format };
        let bytes = format.row_bytes(columns).unwrap_or(0) as u64 * info.rows() as u64;
        Planned { name, shape: info.shape, format, bytes }
    };
    Ok(config.tensors().into_iter().map(planned).collect())
}

/// Writes the bytes of one tensor.
pub(crate) fn tensor(planned: &Planned, source: &dyn TensorSource, out: &mut dyn Write) -> Result<(), WriteError> {
    let Planned { name, shape, format, .. } = planned;
    let info = source.info(name)?;
    if info.shape != *shape {
        return Err(LoadError::Shape { name: name.clone(), found: info.shape, expected: shape.clone() }.into());
    }
    for_each_chunk(source, name, &info, |first, values| {
        // Blocks that already have the format are taken over; encoding them again would move their values.
        let bytes = if info.format == *format {
            source.rows(name, first..first + values.len() / info.columns().max(1))?
        } else {
            let cannot = || WriteError::Value { name: name.clone(), format: format.name() };
            format.encode(&values).ok_or_else(cannot)?
        };
        Ok(out.write_all(&bytes)?)
    })
}
