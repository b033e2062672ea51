//! Split weights: `model.safetensors.index.json` says which of several safetensors files holds a tensor.

use crate::{error::LoadError, tensors::Tensors, weights_file::WeightsFile};
use serde::Deserialize;
use std::{cell::RefCell, collections::HashMap, rc::Rc};

/// Name of the index in a model's folder.
pub const INDEX: &str = "model.safetensors.index.json";

/// Files kept in memory: a layer may lie across the border of two.
const KEPT: usize = 2;

/// Weights split over several files, which `read` returns by name. Only the two used last are held.
pub struct Shards<R> {
    weight_map: HashMap<String, String>,
    read: R,
    newest: RefCell<Vec<(String, Rc<Vec<u8>>)>>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

impl<R: Fn(&str) -> Result<Vec<u8>, LoadError>> Shards<R> {
    /// Reads the index. A file name that leaves the folder is an error.
    pub fn new(index: &[u8], read: R) -> Result<Self, LoadError> {
        let invalid = |detail: String| LoadError::Json { file: INDEX.into(), detail };
        let Index { weight_map } = serde_json::from_slice(index).map_err(|e| invalid(e.to_string()))?;
        let outside = |name: &&String| name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', ':']);
        match weight_map.values().find(outside) {
            Some(name) => Err(invalid(format!("{name:?} names no file of this folder"))),
            None => Ok(Self { weight_map, read, newest: RefCell::default() }),
        }
    }

    fn shard(&self, name: &str) -> Result<Rc<Vec<u8>>, LoadError> {
        let mut newest = self.newest.borrow_mut();
        if let Some(index) = newest.iter().position(|(kept, _)| kept == name) {
            let found = newest.remove(index);
            newest.push(found);
        } else {
            if newest.len() == KEPT {
                newest.remove(0);
            }
            newest.push((name.into(), Rc::new((self.read)(name)?)));
        }
        newest.last().map(|(_, bytes)| bytes.clone()).ok_or_else(|| LoadError::Weights(name.into()))
    }
}

impl<R: Fn(&str) -> Result<Vec<u8>, LoadError>> Tensors for Shards<R> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let shard = self.weight_map.get(name).ok_or_else(|| LoadError::MissingTensor(name.into()))?;
        let bytes = self.shard(shard)?;
        let file = WeightsFile::parse(&bytes).map_err(|error| match error {
            LoadError::Weights(detail) => LoadError::Weights(format!("{shard}: {detail}")),
            other => other,
        })?;
        file.tensor(name, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::{Dtype, tensor::TensorView};
    use std::cell::Cell;

    const MAP: &str = r#"{"metadata":{"total_size":8},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;

    fn shard(name: &str) -> Vec<u8> {
        let tensor = if name == "1.safetensors" { "a" } else { "b" };
        let data = 1.5f32.to_le_bytes();
        safetensors::serialize([(tensor, TensorView::new(Dtype::F32, vec![1], &data).unwrap())], None).unwrap()
    }

    #[test]
    fn files_are_read_once_while_they_are_in_use() {
        let reads = Cell::new(0);
        let read = |name: &str| {
            reads.set(reads.get() + 1);
            Ok(shard(name))
        };
        let shards = Shards::new(MAP.as_bytes(), read).unwrap();
        for name in ["a", "b", "a", "b"] {
            assert_eq!(shards.tensor(name, &[1]).unwrap(), [1.5]);
        }
        assert_eq!(reads.get(), 2);
        assert_eq!(shards.tensor("c", &[1]).unwrap_err(), LoadError::MissingTensor("c".into()));
    }

    #[test]
    fn the_missing_or_damaged_file_is_named() {
        let absent = |name: &str| Err(LoadError::Shard { file: name.into(), detail: "not found".into() });
        let error = Shards::new(MAP.as_bytes(), absent).unwrap().tensor("b", &[1]).unwrap_err();
        assert!(error.to_string().contains("2.safetensors"), "{error}");
        let cut = |name: &str| Ok(shard(name)[..20].to_vec());
        let error = Shards::new(MAP.as_bytes(), cut).unwrap().tensor("a", &[1]).unwrap_err();
        assert!(error.to_string().contains("1.safetensors"), "{error}");
    }

    #[test]
    fn an_index_cannot_reach_outside_its_folder() {
        for name in ["../secret", "/etc/passwd", "..", "c:x", "a\\\\b", ""] {
            let index = format!(r#"{{"weight_map":{{"a":"{name}"}}}}"#);
            assert!(matches!(Shards::new(index.as_bytes(), |_| Ok(vec![])), Err(LoadError::Json { .. })), "{name}");
        }
    }
}
