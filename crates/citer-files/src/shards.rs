//! Split weights: `model.safetensors.index.json` says which of several safetensors files holds a tensor.

use crate::{
    bytes::Bytes,
    error::LoadError,
    safetensors_file::Safetensors,
    source::{TensorInfo, TensorSource},
};
use serde::Deserialize;
use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

/// Name of the index in a model's folder.
pub const INDEX: &str = "model.safetensors.index.json";

/// Most files of one model.
const FILES: usize = 1000;

/// Weights split over several files.
pub struct Shards<'a> {
    weight_map: HashMap<String, String>,
    files: HashMap<String, Safetensors<'a>>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

impl<'a> Shards<'a> {
    /// Reads the index and the headers of the files that it names, which `open` opens. A file name that leaves the
    /// folder is an error.
    pub fn open<B: Bytes + 'a>(index: &[u8], open: impl Fn(&str) -> Result<B, LoadError>) -> Result<Self, LoadError> {
        let invalid = |detail: String| LoadError::Json { file: INDEX.into(), detail };
        let Index { weight_map } = serde_json::from_slice(index).map_err(|e| invalid(e.to_string()))?;
        let names: BTreeSet<&str> = weight_map.values().map(String::as_str).collect();
        let outside = |name: &&&str| name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', ':', '\0']);
        if let Some(name) = names.iter().find(outside) {
            return Err(invalid(format!("{name:?} names no file of this folder")));
        }
        if names.len() > FILES {
            return Err(invalid(format!("it names {} files", names.len())));
        }
        let file = |name: &str| {
            let opened = open(name).and_then(Safetensors::parse);
            let named = |error: LoadError| match error {
                shard @ LoadError::Shard { .. } => shard,
                other => LoadError::Shard { file: name.into(), detail: other.to_string() },
            };
            Ok((name.to_owned(), opened.map_err(named)?))
        };
        let files = names.into_iter().map(file).collect::<Result<_, LoadError>>()?;
        Ok(Self { weight_map, files })
    }

    fn file(&self, tensor: &str) -> Result<&Safetensors<'a>, LoadError> {
        let file = self.weight_map.get(tensor).and_then(|file| self.files.get(file));
        file.ok_or_else(|| LoadError::MissingTensor(tensor.into()))
    }
}

impl TensorSource for Shards<'_> {
    fn info(&self, name: &str) -> Result<TensorInfo, LoadError> {
        self.file(name)?.info(name)
    }

    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
        self.file(name)?.rows(name, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::values;
    use safetensors::{Dtype, tensor::TensorView};

    const MAP: &str = r#"{"metadata":{"total_size":8},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;

    fn shard(name: &str) -> Vec<u8> {
        let tensor = if name == "1.safetensors" { "a" } else { "b" };
        let data = 1.5f32.to_le_bytes();
        safetensors::serialize([(tensor, TensorView::new(Dtype::F32, vec![1], &data).unwrap())], None).unwrap()
    }

    #[test]
    fn a_tensor_is_read_from_the_file_that_the_index_names() {
        let shards = Shards::open(MAP.as_bytes(), |name| Ok(shard(name))).unwrap();
        for name in ["a", "b"] {
            assert_eq!(values(&shards, name, &[1]).unwrap(), [1.5]);
        }
        assert_eq!(shards.info("c").unwrap_err(), LoadError::MissingTensor("c".into()));
        let swapped = MAP.replace("\"a\"", "\"x\"").replace("\"b\"", "\"a\"");
        let shards = Shards::open(swapped.as_bytes(), |name| Ok(shard(name))).unwrap();
        assert_eq!(shards.info("a").unwrap_err(), LoadError::MissingTensor("a".into()), "the other file has it");
    }

    #[test]
    fn the_missing_or_damaged_file_is_named() {
        let absent = |name: &str| Err::<Vec<u8>, _>(LoadError::Io { path: name.into(), detail: "not found".into() });
        let error = Shards::open(MAP.as_bytes(), absent).err().unwrap();
        assert!(matches!(&error, LoadError::Shard { file, .. } if file == "1.safetensors"), "{error}");
        let cut = |name: &str| Ok(shard(name)[..20].to_vec());
        let error = Shards::open(MAP.as_bytes(), cut).err().unwrap();
        assert!(matches!(&error, LoadError::Shard { file, .. } if file == "1.safetensors"), "{error}");
    }

    #[test]
    fn an_index_cannot_reach_outside_its_folder() {
        for name in ["../secret", "/etc/passwd", "..", "c:x", "a\\\\b", "", "a\\u0000b"] {
            let index = format!(r#"{{"weight_map":{{"a":"{name}"}}}}"#);
            let opened = Shards::open(index.as_bytes(), |_| Ok(shard("1.safetensors")));
            assert!(matches!(opened, Err(LoadError::Json { .. })), "{name}");
        }
    }
}
