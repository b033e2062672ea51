//! The kernel variants that were fastest for a model on this adapter, kept between visits: they are tried first, and alone
//! where they still compute right.

use crate::library::opfs::Opfs;
use citer_library::Storage;
use citer_lm::fused::Tuning;
use citer_lm::{Engine, Gpu, hash::sha256};

/// The folder that holds them.
const FOLDER: &str = "engine";
/// The folder in it, of one file a model and adapter.
const TUNING: &str = "tuning";

/// Where one model's variants are kept. Another version of the engine may have others.
fn place(gpu: &Gpu, weights_sha256: &str) -> String {
    sha256(format!("{}\n{}\n{weights_sha256}", env!("CARGO_PKG_VERSION"), gpu.name).as_bytes())
}

/// What was found last time, if anything.
pub async fn tuning(gpu: &Gpu, weights_sha256: &str) -> Option<Tuning> {
    let storage = Opfs::named(FOLDER).await.ok()?;
    let json = storage.read(TUNING, &place(gpu, weights_sha256)).await.ok()??;
    serde_json::from_slice(&json).ok()
}

/// Keeps what `engine` runs. Where storage is refused, the next visit tries everything again.
pub async fn keep(gpu: &Gpu, weights_sha256: &str, engine: &mut Engine) {
    let json = engine.gpu().and_then(|decoder| serde_json::to_vec(decoder.tuning()).ok());
    if let (Some(json), Ok(storage)) = (json, Opfs::named(FOLDER).await) {
        let _ = storage.write(TUNING, &place(gpu, weights_sha256), &json).await;
    }
}
