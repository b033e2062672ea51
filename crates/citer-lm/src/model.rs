//! A model from its own files: the folder that Hugging Face tools write, or a GGUF file.

use crate::{
    config::Config,
    decoder::Decoder,
    error::LoadError,
    gguf::Gguf,
    gguf_model::{self, GgufTensors},
    pair::{CONFIG, WEIGHTS},
    shards::{INDEX, Shards},
    weights,
};
use burn::tensor::Device;
use std::path::Path;

/// Reads a file, or says which one it was.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|e| LoadError::Io { path: path.display().to_string(), detail: e.to_string() })
}

/// The configuration and the weights in `folder`: config.json with model.safetensors or, when they are split,
/// model.safetensors.index.json and the files that it names.
pub fn open_folder(folder: &Path, device: &Device) -> Result<(Config, Decoder), LoadError> {
    let config = Config::from_json(&read(&folder.join(CONFIG))?)?;
    let index = folder.join(INDEX);
    let decoder = if index.is_file() {
        let shard = |name: &str| {
            let cannot = |e: std::io::Error| LoadError::Shard { file: name.into(), detail: e.to_string() };
            std::fs::read(folder.join(name)).map_err(cannot)
        };
        weights::decoder(&config, &Shards::new(&read(&index)?, shard)?, device)?
    } else {
        weights::load(&config, &read(&folder.join(WEIGHTS))?, device)?
    };
    Ok((config, decoder))
}

/// The configuration and the weights in the GGUF file at `path`.
pub fn open_gguf(path: &Path, device: &Device) -> Result<(Config, Decoder), LoadError> {
    let bytes = read(path)?;
    let file = Gguf::parse(&bytes)?;
    let config = gguf_model::config(&file)?;
    let decoder = weights::decoder(&config, &GgufTensors::new(&file, &config), device)?;
    Ok((config, decoder))
}
