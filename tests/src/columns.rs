//! The columns of a file of labels (safetensors).

use serde_json::Value;
use std::{fs, path::Path};

/// A file of labels.
pub struct Columns {
    header: Value,
    data: Vec<u8>,
}

impl Columns {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Self {
        let mut bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let data = bytes.split_off(8 + length);
        Self { header: serde_json::from_slice(&bytes[8..]).unwrap(), data }
    }

    /// The bytes of a column.
    pub fn bytes(&self, name: &str) -> &[u8] {
        let place = |i: usize| {
            let offset = self.header[name]["data_offsets"][i].as_u64();
            offset.unwrap_or_else(|| panic!("there is no column {name}")) as usize
        };
        &self.data[place(0)..place(1)]
    }

    /// The numbers of a column of F32.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.bytes(name).as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
    }
}
