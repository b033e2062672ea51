//! Loading a model of the library: its weights are read from storage tensor by tensor.

use crate::device::{self, Device};
use crate::download::download;
use crate::engine::{CONTEXT, LoadFailure, Loaded, loading};
use crate::library::{opfs::Opfs, stored_folder::StoredFolder};
use crate::memory;
use citer_core::message::EngineInfo;
use citer_core::{LocalModel, RoutedDecoder, Settings};
use citer_files::{ModelFiles, folder::Folder, model_files};
use citer_library::{Library, StorageError};
use citer_lm::entropy::{ENTROPY_CARD, EntropyCard};
use citer_lm::hash::sha256;
use citer_lm::pair::{ROUTER, ROUTER_CARD, RouterCard};
use citer_lm::parts::Parts;
use citer_lm::router_file::RouterFile;
use web_time::Instant;

/// A router with its card and the SHA-256 of its weights.
struct Router {
    file: RouterFile,
    card: RouterCard,
    hash: String,
}

/// Loads the complete model `id` and runs it once, with the router that belongs to it: its own, or the shipped one where
/// that was trained for it. Without one the entropy of its next token, calibrated on the shipped pair, stands in for it.
pub async fn load(id: &str, models_url: &str) -> Result<Loaded, LoadFailure> {
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
    let weights = folder.weights_sha256().unwrap_or_default();
    let router = router(&folder, models_url, [&weights, tokenizer.sha256()], config.hidden_size).await?;
    loading("Opening the device", 0.2);
    let device = Device::open().await?;
    let parameters = config.parameters();
    let has_router = router.is_some();
    let (router, stand_in, threshold, hash) = match router {
        Some(Router { file, card, hash }) => (Some(file), None, card.threshold, hash),
        None => match entropy(models_url).await? {
            Some((card, hash)) => (None, Some(card.score), card.threshold, hash),
            None => (None, None, Settings::default().threshold, String::new()),
        },
    };
    let parts = Parts { config, tokenizer, format, router };
    let progress = |share: f32| loading("Loading the model", 0.25 + 0.5 * share);
    let mut engine = device.load(parts, &*tensors, &weights, CONTEXT, progress).await?;
    engine.stand_in = stand_in;
    let remembered = device.remembered();
    loading("Ready", 1.0);
    let info = EngineInfo {
        model: folder.manifest.source.name(),
        parameters,
        adapter: device.name(),
        on_processor: device::ON_PROCESSOR,
        threshold,
        load_ms: begun.elapsed().as_secs_f64() * 1000.0,
        context: engine.capacity(),
        end_token: engine.format().end,
        has_router,
        by_entropy: stand_in.is_some(),
        has_system: engine.format().has_system,
        memory: memory::size().unwrap_or_default(),
    };
    Ok(Loaded { engine, decoder: RoutedDecoder::new(), info, hashes: [weights, hash], remembered })
}

/// The shipped pair's calibrated entropy with the SHA-256 of its card; a page that comes without a pair has none.
async fn entropy(models_url: &str) -> Result<Option<(EntropyCard, String)>, String> {
    let address = format!("{}/{ENTROPY_CARD}", models_url.trim_end_matches('/'));
    let Ok(json) = download(&address, |_, _| {}).await else { return Ok(None) };
    let card = EntropyCard::parse(&json).map_err(|e| e.to_string())?;
    Ok(Some((card, sha256(&json))))
}

/// The router that was trained for the model with weights and tokenizer of these hashes, if there is one.
async fn router(
    folder: &StoredFolder,
    models_url: &str,
    [weights, tokenizer]: [&str; 2],
    width: usize,
) -> Result<Option<Router>, String> {
    let base = models_url.trim_end_matches('/');
    let shipped = async |name: &str| download(&format!("{base}/{name}"), |_, _| {}).await;
    // A router beside the model is asked for first; a card that names other weights belongs to another model.
    let of = |json: &[u8]| RouterCard::parse(json).ok().filter(|card| card.is_for(weights, tokenizer));
    let own = |path: &str| folder.read(path.rsplit('/').next().unwrap_or(path)).map_err(|e| e.to_string());
    let (card, bytes) = match own(ROUTER_CARD)?.as_deref().and_then(of) {
        Some(card) => (card, own(ROUTER)?),
        // A page that is offline, or comes without a pair, has none to offer.
        None => match shipped(ROUTER_CARD).await.ok().as_deref().and_then(of) {
            Some(card) => (card, Some(shipped(ROUTER).await?)),
            None => return Ok(None),
        },
    };
    let Some(bytes) = bytes else { return Ok(None) };
    let file = RouterFile::parse(width, &bytes).map_err(|e| e.to_string())?;
    Ok(Some(Router { file, card, hash: sha256(&bytes) }))
}
