//! A model from its own files: the folder that Hugging Face tools write, or a GGUF file.

use crate::{
    bytes::Bytes,
    chat::ChatFormat,
    chat_template::TokenizerConfig,
    config::Config,
    error::{LoadError, WriteError},
    folder::{CONFIG, Folder, GENERATION_CONFIG, TEMPLATE, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS},
    gguf::Gguf,
    gguf_model::{self, GgufTensors},
    gguf_tokenizer,
    safetensors_file::Safetensors,
    shards::{INDEX, Shards},
    source::TensorSource,
    stops::stop_ids,
    tokenizer::Tokenizer,
};
use citer_core::TokenId;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// What a model's files hold, with the weights still where they are.
pub struct Parts {
    /// Its configuration.
    pub config: Config,
    /// Its weights, read as they are needed.
    pub tensors: Box<dyn TensorSource>,
    /// Its tokenizer.json.
    pub tokenizer_json: Vec<u8>,
    /// Its special tokens and its chat template.
    pub settings: TokenizerConfig,
    /// The tokens that end an answer, as far as the files name them.
    pub stops: Vec<TokenId>,
}

impl Parts {
    /// Opens the model at `path`: a folder, or a GGUF file.
    #[cfg(not(target_family = "wasm"))]
    pub fn open(path: &std::path::Path) -> Result<Self, LoadError> {
        if !path.is_dir() {
            return Self::in_gguf(crate::bytes::DiskFile::open(path)?);
        }
        let mut parts = Self::in_folder(&InPair(path))?;
        parts.describe_control_tokens()?;
        Ok(parts)
    }

    /// Gives a model of the shipped kind, which has control tokens instead of a template, the template that says the
    /// same. Another model stays as it is.
    #[cfg(not(target_family = "wasm"))]
    fn describe_control_tokens(&mut self) -> Result<(), LoadError> {
        if self.settings.chat_template.is_some() {
            return Ok(());
        }
        if let Ok(format) = ChatFormat::new(&Tokenizer::from_json(&self.tokenizer_json)?) {
            self.settings.chat_template = Some(crate::chat::TEMPLATE.into());
            self.settings.eos_token = crate::chat::END.into();
            self.stops = vec![format.end];
        }
        Ok(())
    }

    /// The small files of a folder, by name: all but the weights.
    pub fn folder_files(&self) -> Result<[(&'static str, Vec<u8>); 4], WriteError> {
        let TokenizerConfig { chat_template, bos_token, eos_token } = &self.settings;
        let token = |text: &String| if text.is_empty() { Json::Null } else { text.as_str().into() };
        let settings = json!({"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": chat_template,
            "bos_token": token(bos_token), "eos_token": token(eos_token)});
        Ok([
            (CONFIG, pretty(&self.config)?),
            (TOKENIZER, self.tokenizer_json.clone()),
            (TOKENIZER_CONFIG, pretty(&settings)?),
            (GENERATION_CONFIG, pretty(&json!({"eos_token_id": self.stops}))?),
        ])
    }

    /// Opens the model whose files are in `folder`.
    pub fn in_folder<F: Folder + ?Sized>(folder: &F) -> Result<Self, LoadError> {
        let (config, tensors) = folder_weights(folder)?;
        let mut settings = folder
            .read(TOKENIZER_CONFIG)?
            .map_or_else(|| Ok(TokenizerConfig::default()), |json| TokenizerConfig::from_json(&json))?;
        if let Some(source) = folder.read(TEMPLATE)? {
            settings.chat_template = Some(String::from_utf8_lossy(&source).into_owned());
        }
        let mut stops = match folder.read(GENERATION_CONFIG)? {
            Some(json) => stop_ids(&json, GENERATION_CONFIG)?,
            None => Vec::new(),
        };
        if stops.is_empty() {
            stops = stop_ids(&folder.read_needed(CONFIG)?, CONFIG)?;
        }
        Ok(Self { config, tensors, tokenizer_json: folder.read_needed(TOKENIZER)?, settings, stops })
    }

    /// Opens the model in a GGUF file.
    pub fn in_gguf(bytes: impl Bytes + 'static) -> Result<Self, LoadError> {
        let file = Gguf::parse(bytes)?;
        let tokenizer_json = gguf_tokenizer::json(&file)?;
        let (settings, stops) = (gguf_tokenizer::settings(&file)?, gguf_tokenizer::stop_ids(&file));
        let (config, tensors) = tensors(file)?;
        Ok(Self { config, tensors, tokenizer_json, settings, stops })
    }
}

/// A folder whose tokenizer may lie in the folder above: the models of a pair share one.
#[cfg(not(target_family = "wasm"))]
struct InPair<'a>(&'a std::path::Path);

#[cfg(not(target_family = "wasm"))]
impl Folder for InPair<'_> {
    type File = crate::bytes::DiskFile;

    fn open(&self, name: &str) -> Result<Option<Self::File>, LoadError> {
        match (self.0.open(name)?, self.0.parent()) {
            (None, Some(above)) if name == TOKENIZER => above.open(name),
            (found, _) => Ok(found),
        }
    }

    fn label(&self, name: &str) -> String {
        self.0.label(name)
    }
}

/// A model ready for conversations, with the weights still where they are.
pub struct ModelFiles {
    /// Its configuration.
    pub config: Config,
    /// Its weights, read as they are needed.
    pub tensors: Box<dyn TensorSource>,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// How its conversations are written and what ends an answer.
    pub format: ChatFormat,
}

impl ModelFiles {
    /// Opens the model at `path`: a folder, or a GGUF file.
    #[cfg(not(target_family = "wasm"))]
    pub fn open(path: &std::path::Path) -> Result<Self, LoadError> {
        Self::new(Parts::open(path)?)
    }

    /// Reads the tokenizer and compiles the chat template.
    pub fn new(parts: Parts) -> Result<Self, LoadError> {
        let Parts { config, tensors, tokenizer_json, settings, mut stops } = parts;
        let tokenizer = Tokenizer::from_json(&tokenizer_json)?;
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
        Ok(Self { config, tensors, tokenizer: Arc::new(tokenizer), format })
    }
}

/// The configuration and the weights in `folder`: config.json with model.safetensors or, when they are split,
/// model.safetensors.index.json and the files that it names.
pub fn folder_weights<F: Folder + ?Sized>(folder: &F) -> Result<(Config, Box<dyn TensorSource>), LoadError> {
    let config = Config::from_json(&folder.read_needed(CONFIG)?)?;
    let tensors: Box<dyn TensorSource> = match folder.read(INDEX)? {
        Some(index) => Box::new(Shards::open(&index, |name| folder.needed(name))?),
        None => Box::new(Safetensors::parse(folder.needed(WEIGHTS)?)?),
    };
    Ok((config, tensors))
}

/// The configuration and the weights in a GGUF file.
pub fn gguf_weights(bytes: impl Bytes + 'static) -> Result<(Config, Box<dyn TensorSource>), LoadError> {
    tensors(Gguf::parse(bytes)?)
}

fn tensors(file: Gguf<'static>) -> Result<(Config, Box<dyn TensorSource>), LoadError> {
    let config = gguf_model::config(&file)?;
    let tensors = GgufTensors::new(file, &config);
    Ok((config, Box::new(tensors)))
}

fn pretty(value: &impl serde::Serialize) -> Result<Vec<u8>, WriteError> {
    serde_json::to_vec_pretty(value).map_err(|e| WriteError::Header(e.to_string()))
}
