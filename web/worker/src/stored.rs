//! Loading a model of the library: its weights are read from storage tensor by tensor.

use crate::engine::{Loaded, loading};
use crate::library::{opfs::Opfs, stored_folder::StoredFolder};
use citer_core::message::EngineInfo;
use citer_core::{LocalModel, RoutedDecoder, Settings};
use citer_files::{ModelFiles, model_files};
use citer_library::{Library, StorageError};
use citer_lm::Gpu;
use citer_lm::fused::{self, Options, Parts};
use web_time::Instant;

/// Most tokens in a conversation: the KV cache is allocated for all of them at once.
const CONTEXT: usize = 4096;

/// Loads the complete model `id` and runs it once. It has no router: its own tokens all stand unless the LLM makes every
/// token.
pub async fn load(id: &str) -> Result<Loaded, String> {
    let begun = Instant::now();
    loading("Opening the stored model", 0.0);
    let storage = Opfs::open().await.map_err(|e: StorageError| e.to_string())?;
    let folder = StoredFolder::open(&Library::new(storage), id).await.map_err(|e| e.to_string())?;
    let files = match folder.gguf() {
        Some(file) => model_files::Parts::in_gguf(file),
        None => model_files::Parts::in_folder(&folder),
    };
    let ModelFiles { config, tensors, tokenizer, format } =
        files.and_then(ModelFiles::new).map_err(|e| e.to_string())?;
    loading("Opening the graphics device", 0.2);
    let gpu = Gpu::open().await.map_err(|e| e.to_string())?;
    let parameters = config.parameters();
    let parts = Parts { config, tokenizer, format, router: None };
    let options = Options { capacity: CONTEXT, ..Options::default() };
    let progress = |share: f32| loading("Loading the model", 0.25 + 0.5 * share);
    let engine = fused::open(&gpu, parts, &*tensors, options, progress).await.map_err(|e| e.to_string())?;
    loading("Ready", 1.0);
    let info = EngineInfo {
        model: folder.manifest.source.name(),
        parameters,
        adapter: gpu.name.clone(),
        threshold: Settings::default().threshold,
        load_ms: begun.elapsed().as_secs_f64() * 1000.0,
        context: engine.capacity(),
        end_token: engine.format().end,
    };
    Ok(Loaded {
        engine,
        decoder: RoutedDecoder::new(),
        info,
        hashes: [folder.weights_sha256().unwrap_or_default(), String::new()],
    })
}
