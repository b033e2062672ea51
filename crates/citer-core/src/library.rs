//! The model library as the page sees it: stored models, whether they run here, and the messages about them.

use serde::{Deserialize, Serialize};

/// A model in the browser's storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredModel {
    /// The name of its folder; messages about it carry it.
    pub id: String,
    /// What to call it.
    pub name: String,
    /// Where it comes from, for people.
    pub origin: String,
    /// Bytes of all its files, as far as they are known.
    pub bytes: u64,
    /// Bytes that are stored.
    pub stored: u64,
    /// What can be done with it.
    pub state: ModelState,
    /// Whether it will run here; `None` where nothing is known yet.
    pub verdict: Option<Verdict>,
}

/// How far a stored model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelState {
    /// Parts are missing: it can be resumed.
    Partial,
    /// Being downloaded or imported here.
    Downloading,
    /// Being read and compared with its hashes.
    Checking,
    /// Every byte is there and was checked.
    Complete,
    /// Its record cannot be read: it can only be removed.
    Damaged,
}

/// Whether a model will run here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It runs.
    Runs {
        /// Predicted decode speed, where the machine was measured.
        tokens_per_second: Option<f64>,
    },
    /// It runs, slower than most people read.
    Slowly {
        /// Predicted decode speed.
        tokens_per_second: f64,
    },
    /// It does not run.
    DoesNotFit(Obstacle),
}

/// Why a model does not run here. Sizes are bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "obstacle", rename_all = "kebab-case")]
pub enum Obstacle {
    /// Weights, KV cache and activations together are too large.
    Memory {
        /// What it needs.
        needed: u64,
        /// What there is.
        available: u64,
    },
    /// One tensor is larger than the graphics device takes.
    Buffer {
        /// Which tensor.
        tensor: String,
        /// Its size.
        needed: u64,
        /// The device's limit.
        available: u64,
    },
    /// The files do not fit into the storage.
    Storage {
        /// What is still to be stored.
        needed: u64,
        /// What is free.
        available: u64,
    },
    /// The engine does not know this kind of model.
    Unsupported {
        /// What it does not know.
        detail: String,
    },
}

/// Tokens a second of decode steps that read `bytes` and run `kernels`, on an adapter that goes through `bytes_per_s` and
/// takes `kernel_s` for a kernel besides; `None` where that was not measured.
pub fn tokens_per_second(bytes: u64, kernels: u64, bytes_per_s: f64, kernel_s: f64) -> Option<f64> {
    let known = bytes_per_s.is_finite() && bytes_per_s > 0.0;
    known.then(|| 1.0 / (bytes as f64 / bytes_per_s + (kernels as f64 * kernel_s).max(1e-6)))
}

/// How much of the browser's storage is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageUse {
    /// Bytes that this page uses.
    pub used: u64,
    /// Bytes that it may use, where the browser says it.
    pub quota: Option<u64>,
    /// Whether the browser keeps them when space gets short.
    pub persistent: bool,
}

impl StorageUse {
    /// Bytes still free.
    pub fn free(&self) -> Option<u64> {
        self.quota.map(|quota| quota.saturating_sub(self.used))
    }
}

/// What the page asks of the library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum LibraryRequest {
    /// List what is stored.
    List,
    /// Look up a model and record it; its weights are not downloaded yet.
    Add {
        /// A Hugging Face repository or an address, as typed.
        source: String,
    },
    /// Store files of this device; they travel beside the message.
    Import {
        /// What to call the model.
        name: String,
    },
    /// Download what is missing.
    Resume {
        /// Which model.
        model: String,
    },
    /// End the download or check in progress; what came stays.
    Pause {
        /// Which model.
        model: String,
    },
    /// Compare every stored byte with its hash, and fetch the damaged ones again.
    Check {
        /// Which model.
        model: String,
    },
    /// Delete it.
    Remove {
        /// Which model.
        model: String,
    },
}

/// What the library tells the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum LibraryNews {
    /// What is stored, after every change.
    Models {
        /// The models, by name.
        models: Vec<StoredModel>,
        /// The storage.
        storage: StorageUse,
        /// Bytes of the library worker's memory; it never shrinks, so this is its peak.
        memory: u64,
    },
    /// A download or check goes on.
    Progress {
        /// Which model.
        model: String,
        /// Bytes so far, over all files.
        done: u64,
        /// Bytes of all files.
        total: u64,
    },
    /// Something did not work; nothing stored is lost.
    Failed {
        /// The model; `None` for the library as a whole, or a source that names none.
        model: Option<String>,
        /// What is wrong and what to do.
        error: String,
    },
    /// Something that worked and is worth saying.
    Done {
        /// Which model.
        model: String,
        /// For people.
        text: String,
    },
}
