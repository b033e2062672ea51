//! A model on a device, from its own files: the folder that Hugging Face tools write, or a GGUF file.

use crate::{decoder::Decoder, engine::Engine, error::LoadError, weights};
use burn::tensor::Device;
use citer_files::{
    Config, Tokenizer,
    bytes::DiskFile,
    chat::ChatFormat,
    model_files::{ModelFiles, folder_weights, gguf_weights},
};
use std::{path::Path, sync::Arc};

/// A model with all that a conversation needs.
pub struct Model {
    /// Its configuration.
    pub config: Config,
    /// Its weights.
    pub decoder: Decoder,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// How its conversations are written and what ends an answer.
    pub format: ChatFormat,
}

impl Model {
    /// Reads the model at `path`: a folder, or a GGUF file.
    pub fn open(path: &Path, device: &Device) -> Result<Self, LoadError> {
        let ModelFiles { config, tensors, tokenizer, format } = ModelFiles::open(path)?;
        let decoder = weights::decoder(&config, &*tensors, device)?;
        Ok(Self { config, decoder, tokenizer, format })
    }

    /// An engine that holds at most `capacity` tokens.
    pub fn engine(self, capacity: usize, device: &Device) -> Result<Engine, LoadError> {
        Engine::with_format(self.config, self.decoder, None, self.tokenizer, self.format, capacity, device)
    }
}

/// The configuration and the weights in `folder`, without a tokenizer.
pub fn open_folder(folder: &Path, device: &Device) -> Result<(Config, Decoder), LoadError> {
    let (config, tensors) = folder_weights(folder)?;
    let decoder = weights::decoder(&config, &*tensors, device)?;
    Ok((config, decoder))
}

/// The configuration and the weights in the GGUF file at `path`, without a tokenizer.
pub fn open_gguf(path: &Path, device: &Device) -> Result<(Config, Decoder), LoadError> {
    let (config, tensors) = gguf_weights(DiskFile::open(path)?)?;
    let decoder = weights::decoder(&config, &*tensors, device)?;
    Ok((config, decoder))
}
