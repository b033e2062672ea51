//! The files of a pair: SLM, LLM, tokenizer and router, and how they become engines.

#[cfg(any(feature = "cpu", feature = "gpu"))]
use crate::engine::Engine;
#[cfg(feature = "cpu")]
use crate::plain;
use crate::{chat::ChatFormat, config::Config, error::LoadError, hash::sha256, tokenizer::Tokenizer};
#[cfg(feature = "gpu")]
use crate::{
    fused::{self, Options},
    fused_weights::OpenError,
};
#[cfg(all(feature = "cpu", not(target_family = "wasm")))]
use crate::{model::Model, weights};
use crate::{parts::Parts, router_file::RouterFile};
#[cfg(feature = "cpu")]
use burn::tensor::Device;
use citer_files::Safetensors;
pub use citer_files::folder::{CONFIG, TOKENIZER, WEIGHTS};
#[cfg(feature = "gpu")]
use citer_gpu::Gpu;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The SLM's folder.
pub const SLM: &str = "slm";
/// The LLM's folder.
pub const LLM: &str = "llm";
/// The router's weights.
pub const ROUTER: &str = "router/router.safetensors";
/// The router's card.
pub const ROUTER_CARD: &str = "router/router.json";

/// What a router was trained for and how to use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterCard {
    /// SHA-256 of the SLM's weights file.
    pub slm_sha256: String,
    /// SHA-256 of the LLM's weights file.
    pub llm_sha256: String,
    /// SHA-256 of tokenizer.json.
    pub tokenizer_sha256: String,
    /// Recommended threshold.
    pub threshold: f32,
    /// The share of remote tokens that this threshold gave on validation questions.
    pub validation_share: f32,
    /// Seed of labels and training.
    pub seed: u64,
    /// How it was trained.
    #[serde(default)]
    pub training: RouterTraining,
    /// Other thresholds, by the share of remote tokens they gave on validation questions.
    #[serde(default)]
    pub thresholds: Vec<ThresholdAt>,
}

impl RouterCard {
    /// Reads a card.
    pub fn parse(json: &[u8]) -> Result<Self, LoadError> {
        serde_json::from_slice(json).map_err(|e| LoadError::Json { file: ROUTER_CARD.into(), detail: e.to_string() })
    }

    /// Whether the router was trained for the SLM with weights and tokenizer of these hashes.
    pub fn is_for(&self, slm_sha256: &str, tokenizer_sha256: &str) -> bool {
        self.slm_sha256 == slm_sha256 && self.tokenizer_sha256 == tokenizer_sha256
    }
}

/// How a router was trained, for its card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouterTraining {
    /// Questions that were labelled.
    pub questions: usize,
    /// Rounds that were run.
    pub rounds: usize,
    /// The round whose router this is.
    pub best_round: usize,
    /// States that the loss saw or could have seen.
    pub states: usize,
    /// Slope and shift of the calibration folded into the weights.
    pub calibration: [f64; 2],
    /// Expected calibration error before and after, on questions that neither weights nor calibration were fitted to.
    pub calibration_error: [f64; 2],
    /// The method of calibration that did best on questions it was not fitted to.
    #[serde(default)]
    pub calibration_method: String,
    /// Whether both preferences weighed the same in all.
    #[serde(default)]
    pub balanced: bool,
    /// What it was fitted to, in words.
    #[serde(default)]
    pub objective: String,
    /// The questions, in words.
    #[serde(default)]
    pub data: String,
    /// SHA-256 over the questions.
    #[serde(default)]
    pub data_sha256: String,
}

/// A threshold and what it gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdAt {
    /// The threshold.
    pub threshold: f64,
    /// Share of remote tokens.
    pub remote: f64,
    /// Share of right answers.
    pub accuracy: f64,
    /// Requests an answer.
    #[serde(default)]
    pub calls: f64,
    /// Bytes an answer on the network, without a session.
    #[serde(default)]
    pub bytes: f64,
    /// US dollars an answer at the prices of the training, without a session.
    #[serde(default)]
    pub usd: f64,
}

/// The files that run in the browser.
pub struct SlmFiles {
    /// `slm/config.json`.
    pub config: Vec<u8>,
    /// `slm/model.safetensors`.
    pub weights: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `router/router.safetensors`.
    pub router: Vec<u8>,
    /// `router/router.json`.
    pub router_card: Vec<u8>,
}

impl SlmFiles {
    /// Checks the files against each other.
    fn check(&self) -> Result<(RouterCard, Config, Arc<Tokenizer>), LoadError> {
        let card = RouterCard::parse(&self.router_card)?;
        // A file cut short is damaged rather than foreign, and has to be called so.
        Safetensors::parse(&self.weights)?;
        Safetensors::parse(&self.router)?;
        if card.slm_sha256 != sha256(&self.weights) {
            return Err(LoadError::Router("the card names other SLM weights".into()));
        }
        if card.tokenizer_sha256 != sha256(&self.tokenizer) {
            return Err(LoadError::Router("the card names another tokenizer".into()));
        }
        Ok((card, Config::from_json(&self.config)?, Arc::new(Tokenizer::from_json(&self.tokenizer)?)))
    }

    /// The parts and the weights, after checking the files against each other.
    pub fn parts(&self) -> Result<(Parts, Safetensors<'_>, RouterCard), LoadError> {
        let (card, config, tokenizer) = self.check()?;
        let format = ChatFormat::new(&tokenizer)?;
        let router = Some(RouterFile::parse(config.hidden_size, &self.router)?);
        Ok((Parts { config, tokenizer, format, router }, Safetensors::parse(&self.weights)?, card))
    }

    /// Builds the engine on the plain path.
    #[cfg(feature = "cpu")]
    pub fn engine(&self, capacity: usize, device: &Device) -> Result<(Engine, RouterCard), LoadError> {
        let (parts, tensors, card) = self.parts()?;
        Ok((plain::open(parts, &tensors, capacity, device)?, card))
    }

    /// Builds the engine on the fused path; `progress` hears the share of the weights that is loaded.
    #[cfg(feature = "gpu")]
    pub async fn fused(
        &self,
        options: Options,
        gpu: &Gpu,
        progress: impl FnMut(f32),
    ) -> Result<(Engine, RouterCard), OpenError> {
        let (parts, tensors, card) = self.parts()?;
        Ok((fused::open(gpu, parts, &tensors, options, progress).await?, card))
    }
}

/// The files of a model without a router: the LLM, or an SLM before it has one.
pub struct LlmFiles {
    /// `config.json`.
    pub config: Vec<u8>,
    /// `model.safetensors`.
    pub weights: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
}

#[cfg(all(feature = "cpu", not(target_family = "wasm")))]
impl LlmFiles {
    /// Builds the model.
    pub fn model(&self, device: &Device) -> Result<Model, LoadError> {
        let config = Config::from_json(&self.config)?;
        let tokenizer = Arc::new(Tokenizer::from_json(&self.tokenizer)?);
        let format = ChatFormat::new(&tokenizer)?;
        Ok(Model { decoder: weights::load(&config, &self.weights, device)?, config, tokenizer, format })
    }

    /// Builds the engine.
    pub fn engine(&self, capacity: usize, device: &Device) -> Result<Engine, LoadError> {
        self.model(device)?.engine(capacity, device)
    }
}

/// Reading the files from a folder.
#[cfg(not(target_family = "wasm"))]
mod folder {
    use super::*;
    use std::path::Path;

    fn read(folder: &Path, name: &str) -> Result<Vec<u8>, LoadError> {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|e| LoadError::Io { path: path.display().to_string(), detail: e.to_string() })
    }

    impl SlmFiles {
        /// Reads the files from a pair's folder.
        pub fn read(folder: &Path) -> Result<Self, LoadError> {
            Self::routed(LlmFiles::read(folder, SLM)?, folder)
        }

        /// An SLM's files with the router in `folder`.
        pub fn routed(slm: LlmFiles, folder: &Path) -> Result<Self, LoadError> {
            let LlmFiles { config, weights, tokenizer } = slm;
            let (router, router_card) = (read(folder, ROUTER)?, read(folder, ROUTER_CARD)?);
            Ok(Self { config, weights, tokenizer, router, router_card })
        }
    }

    impl LlmFiles {
        /// Reads the model `name` (`slm` or `llm`) from a pair's folder.
        pub fn read(folder: &Path, name: &str) -> Result<Self, LoadError> {
            Ok(Self {
                config: read(folder, &format!("{name}/{CONFIG}"))?,
                weights: read(folder, &format!("{name}/{WEIGHTS}"))?,
                tokenizer: read(folder, TOKENIZER)?,
            })
        }

        /// Reads a model from its own folder; its tokenizer lies there or, as in a pair, beside the folder.
        pub fn open(folder: &Path) -> Result<Self, LoadError> {
            let beside = folder.join("..");
            let place =
                if folder.join(TOKENIZER).is_file() || !beside.join(TOKENIZER).is_file() { folder } else { &beside };
            Ok(Self {
                config: read(folder, CONFIG)?,
                weights: read(folder, WEIGHTS)?,
                tokenizer: read(place, TOKENIZER)?,
            })
        }
    }
}
