//! A model from its own files: the folder that Hugging Face tools write, or a GGUF file.

use crate::{
    chat::ChatFormat,
    chat_template::TokenizerConfig,
    config::Config,
    decoder::Decoder,
    engine::Engine,
    error::LoadError,
    gguf::Gguf,
    gguf_model::{self, GgufTensors},
    gguf_tokenizer,
    pair::{CONFIG, TOKENIZER, WEIGHTS},
    shards::{INDEX, Shards},
    stops::stop_ids,
    tokenizer::Tokenizer,
    weights,
};
use burn::tensor::Device;
use citer_core::TokenId;
use std::{path::Path, sync::Arc};

/// Special tokens and the chat template within a model's folder.
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// The chat template where newer tools write it.
const TEMPLATE: &str = "chat_template.jinja";
/// Stop ids within a model's folder.
const GENERATION_CONFIG: &str = "generation_config.json";

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
        if path.is_dir() {
            let (config, decoder) = open_folder(path, device)?;
            let tokenizer = Tokenizer::from_json(&read(&path.join(TOKENIZER))?)?;
            let mut settings = optional(&path.join(TOKENIZER_CONFIG))?
                .map_or_else(|| Ok(TokenizerConfig::default()), |json| TokenizerConfig::from_json(&json))?;
            if let Some(source) = optional(&path.join(TEMPLATE))? {
                settings.chat_template = Some(String::from_utf8_lossy(&source).into_owned());
            }
            let mut stops = match optional(&path.join(GENERATION_CONFIG))? {
                Some(json) => stop_ids(&json, GENERATION_CONFIG)?,
                None => Vec::new(),
            };
            if stops.is_empty() {
                stops = stop_ids(&read(&path.join(CONFIG))?, CONFIG)?;
            }
            return Self::assemble((config, decoder), tokenizer, &settings, stops);
        }
        let bytes = read(path)?;
        let file = Gguf::parse(&bytes)?;
        let tokenizer = gguf_tokenizer::tokenizer(&file)?;
        let (settings, stops) = (gguf_tokenizer::settings(&file)?, gguf_tokenizer::stop_ids(&file));
        Self::assemble(from_gguf(&file, device)?, tokenizer, &settings, stops)
    }

    fn assemble(
        (config, decoder): (Config, Decoder),
        tokenizer: Tokenizer,
        settings: &TokenizerConfig,
        mut stops: Vec<TokenId>,
    ) -> Result<Self, LoadError> {
        let format = match settings.template()? {
            Some(template) => {
                if stops.is_empty() && !settings.eos_token.is_empty() {
                    stops.push(tokenizer.token(&settings.eos_token)?);
                }
                ChatFormat::from_template(template, &stops)?
            }
            // A model of the shipped kind has control tokens instead.
            None => ChatFormat::new(&tokenizer).map_err(|_| {
                LoadError::Template("there is none: choose a model that was tuned for conversations".into())
            })?,
        };
        Ok(Self { config, decoder, tokenizer: Arc::new(tokenizer), format })
    }

    /// An engine that holds at most `capacity` tokens.
    pub fn engine(self, capacity: usize, device: &Device) -> Result<Engine, LoadError> {
        Engine::with_format(self.config, self.decoder, None, self.tokenizer, self.format, capacity, device)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|e| LoadError::Io { path: path.display().to_string(), detail: e.to_string() })
}

fn optional(path: &Path) -> Result<Option<Vec<u8>>, LoadError> {
    path.is_file().then(|| read(path)).transpose()
}

/// The configuration and the weights in `folder`: config.json with model.safetensors or, when they are split,
/// model.safetensors.index.json and the files that it names.
pub fn open_folder(folder: &Path, device: &Device) -> Result<(Config, Decoder), LoadError> {
    let config = Config::from_json(&read(&folder.join(CONFIG))?)?;
    let decoder = match optional(&folder.join(INDEX))? {
        Some(index) => {
            let shard = |name: &str| {
                let cannot = |e: std::io::Error| LoadError::Shard { file: name.into(), detail: e.to_string() };
                std::fs::read(folder.join(name)).map_err(cannot)
            };
            weights::decoder(&config, &Shards::new(&index, shard)?, device)?
        }
        None => weights::load(&config, &read(&folder.join(WEIGHTS))?, device)?,
    };
    Ok((config, decoder))
}

/// The configuration and the weights in the GGUF file at `path`.
pub fn open_gguf(path: &Path, device: &Device) -> Result<(Config, Decoder), LoadError> {
    from_gguf(&Gguf::parse(&read(path)?)?, device)
}

fn from_gguf(file: &Gguf, device: &Device) -> Result<(Config, Decoder), LoadError> {
    let config = gguf_model::config(file)?;
    let decoder = weights::decoder(&config, &GgufTensors::new(file, &config), device)?;
    Ok((config, decoder))
}
