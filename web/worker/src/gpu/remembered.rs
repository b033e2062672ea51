//! The kernel variants that were fastest for a model on this adapter, kept between visits: they are tried first, and alone
//! where they still compute right.

use crate::library::opfs::Opfs;
use citer_library::Storage;
use citer_lm::fused::Tuning;
use citer_lm::{Engine, Gpu, hash::sha256};
use serde::{Deserialize, Serialize};

/// The folder that holds them.
const FOLDER: &str = "engine";
/// The folder in it, of one file a model and adapter.
const TUNING: &str = "tuning";

/// What is kept, with what it belongs to: a record of another engine, adapter or model is none.
#[derive(PartialEq, Serialize, Deserialize)]
struct Record {
    engine: String,
    adapter: String,
    weights: String,
    tuning: Tuning,
}

impl Record {
    fn new(gpu: &Gpu, weights_sha256: &str, tuning: Tuning) -> Self {
        Self {
            engine: env!("CARGO_PKG_VERSION").into(),
            adapter: gpu.name.clone(),
            weights: weights_sha256.into(),
            tuning,
        }
    }

    /// The name of the file: a word for all that it belongs to.
    fn place(&self) -> String {
        sha256(format!("{}\n{}\n{}", self.engine, self.adapter, self.weights).as_bytes())
    }
}

/// What was found last time, if anything.
pub async fn tuning(gpu: &Gpu, weights_sha256: &str) -> Option<Tuning> {
    let here = Record::new(gpu, weights_sha256, Tuning::default());
    let storage = Opfs::named(FOLDER).await.ok()?;
    let json = storage.read(TUNING, &here.place()).await.ok()??;
    let found: Record = serde_json::from_slice(&json).ok()?;
    let tuning = found.tuning;
    (found == Record { tuning, ..here }).then_some(tuning)
}

/// Keeps what `engine` runs, unless it is what was `known` already, and says whether it is. Where storage is refused, the
/// next visit tries everything again.
pub async fn keep(gpu: &Gpu, weights_sha256: &str, engine: &mut Engine, known: Option<Tuning>) -> bool {
    let Some(tuning) = engine.gpu().map(|decoder| *decoder.tuning()) else { return false };
    if known == Some(tuning) {
        return true;
    }
    let record = Record::new(gpu, weights_sha256, tuning);
    if let (Ok(json), Ok(storage)) = (serde_json::to_vec(&record), Opfs::named(FOLDER).await) {
        let _ = storage.write(TUNING, &record.place(), &json).await;
    }
    false
}
