//! The model library in the browser: requests of the page, carried out one model at a time.

pub mod blob;
pub mod local_files;
pub mod lock;
pub mod machine;
pub mod network;
pub mod opfs;
pub mod stored_folder;
pub mod wait;

use crate::device::{self, device_bytes};
use crate::{memory, post};
use citer_core::StopFlag;
use citer_core::library::{LibraryNews, LibraryRequest, ModelState, Obstacle, StoredModel, Verdict};
use citer_core::message::FromWorker;
use citer_files::{Config, folder::CONFIG};
use citer_library::{
    Fetch, Library, LibraryError, Machine, Manifest, Needs, Outline, Progress, Sizes, Source, StorageError, complete,
    complete_one, verdict,
};
use local_files::LocalFiles;
use network::Network;
use opfs::Opfs;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use web_sys::File;
use web_time::Instant;

/// Tokens of context that a verdict counts on.
const CONTEXT: u64 = 4096;
/// Milliseconds between two reports of progress.
const REPORT_MS: u128 = 100;

/// What the library is busy with: models by id.
#[derive(Default)]
pub struct Shelf {
    busy: RefCell<BTreeMap<String, (ModelState, StopFlag)>>,
    /// What a decode step costs here, once it was measured.
    speed: Cell<Option<machine::Speed>>,
    /// Whether that was begun: once a visit.
    measured: Cell<bool>,
    /// Bytes that were used when the browser last refused to store more.
    refused: Cell<Option<u64>>,
}

fn tell(news: LibraryNews) {
    post(&FromWorker::Library(news));
}

fn failed(model: Option<&str>, error: &LibraryError) {
    tell(LibraryNews::Failed { model: model.map(Into::into), error: error.to_string() });
}

impl Shelf {
    /// Carries out a request; `files` came beside the message. The page hears what came of it.
    pub async fn handle(&self, request: LibraryRequest, files: Vec<File>) {
        let library = match Opfs::open().await {
            Ok(storage) => Library::new(storage),
            Err(error) => return failed(None, &error.into()),
        };
        match request {
            LibraryRequest::List => {
                if self.list(&library).await > 0 {
                    self.measure(&library).await;
                }
            }
            LibraryRequest::Add { source } => {
                if let Err(error) = self.add(&library, &source).await {
                    failed(None, &error);
                }
                if self.list(&library).await > 0 {
                    self.measure(&library).await;
                }
            }
            LibraryRequest::Import { name } => {
                let files = LocalFiles(files);
                match library.import(&name, &files.listing()).await {
                    Ok(manifest) => self.download(&library, &manifest.id(), |_| files).await,
                    Err(error) => failed(None, &error),
                }
            }
            LibraryRequest::Resume { model } => match library.manifest(&model).await {
                Ok(Manifest { source: Source::Local { name }, .. }) => {
                    failed(Some(&model), &LibraryError::NeedsFiles(name));
                }
                _ => self.download(&library, &model, Network::new).await,
            },
            LibraryRequest::Pause { model } => {
                if let Some((_, stop)) = self.busy.borrow().get(&model) {
                    stop.stop();
                }
            }
            LibraryRequest::Check { model } => self.check(&library, &model).await,
            LibraryRequest::Remove { model } => {
                if let Some((_, stop)) = self.busy.borrow().get(&model) {
                    stop.stop();
                }
                match lock::take(&lock_name(&model)).await {
                    Some(_lock) => {
                        if let Err(error) = library.remove(&model).await {
                            failed(Some(&model), &error);
                        }
                    }
                    None => self.remove_when_free(&library, &model).await,
                }
                self.list(&library).await;
            }
        }
    }

    /// Looks a model up, records it and reads its configuration, so that a verdict comes before the download.
    async fn add(&self, library: &Library<Opfs>, source: &str) -> Result<(), LibraryError> {
        let stop = StopFlag::default();
        let network = Network::new(&stop);
        let mut manifest = library.add(&network, &Source::parse(source)?, &stop).await?;
        complete_one(&library.storage, &network, &mut manifest, CONFIG, &stop).await?;
        library.outline(&network, &mut manifest, &stop, device_bytes).await
    }

    /// Measures this machine, the first time it is asked; the verdicts then predict a speed.
    async fn measure(&self, library: &Library<Opfs>) {
        if !self.measured.replace(true) {
            self.speed.set(device::measure().await);
            self.list(library).await;
        }
    }

    /// The download that was just told to stop lets go of the lock within a moment; another tab's does not.
    async fn remove_when_free(&self, library: &Library<Opfs>, model: &str) {
        for _ in 0..20 {
            wait::sleep(250).await;
            if let Some(_lock) = lock::take(&lock_name(model)).await {
                if let Err(error) = library.remove(model).await {
                    failed(Some(model), &error);
                }
                return;
            }
        }
        failed(Some(model), &StorageError::Busy.into());
    }

    /// Fetches what is missing. One tab at a time does it.
    async fn download<F: Fetch>(&self, library: &Library<Opfs>, model: &str, source: impl FnOnce(&StopFlag) -> F) {
        let Some((stop, _lock)) = self.begin(model, ModelState::Downloading).await else { return };
        // Whoever tries again may have made room.
        self.refused.set(None);
        self.list(library).await;
        machine::persist().await;
        let made = async {
            let mut manifest = library.manifest(model).await?;
            let fetch = source(&stop);
            library.outline(&fetch, &mut manifest, &stop, device_bytes).await?;
            complete(&library.storage, &fetch, &mut manifest, &stop, reporter(model)).await
        };
        self.end(library, model, made.await).await;
    }

    /// Reads every byte, and fetches the damaged ones again where the source is on the network.
    async fn check(&self, library: &Library<Opfs>, model: &str) {
        let Some((stop, _lock)) = self.begin(model, ModelState::Checking).await else { return };
        self.list(library).await;
        let made = async {
            let (mut manifest, damaged) = library.check(model, &stop, reporter(model)).await?;
            let local = matches!(manifest.source, Source::Local { .. });
            if damaged > 0 && !local {
                complete(&library.storage, &Network::new(&stop), &mut manifest, &stop, reporter(model)).await?;
            }
            let found = if damaged == 1 { "1 damaged part".to_owned() } else { format!("{damaged} damaged parts") };
            let text = match (damaged, local) {
                (0, _) => "Every byte is as it should be.".to_owned(),
                (_, false) => format!("{found}: found and fetched again."),
                (_, true) => format!("{found}: choose the same files again to replace it."),
            };
            tell(LibraryNews::Done { model: model.into(), text });
            Ok(())
        };
        self.end(library, model, made.await).await;
    }

    /// Takes the model's lock; says so when this or another tab is at it already.
    async fn begin(&self, model: &str, state: ModelState) -> Option<(StopFlag, lock::Lock)> {
        let Some(lock) = lock::take(&lock_name(model)).await else {
            let error = "this model is being downloaded or checked already, perhaps in another tab: wait for it";
            tell(LibraryNews::Failed { model: Some(model.into()), error: error.into() });
            return None;
        };
        let stop = StopFlag::default();
        self.busy.borrow_mut().insert(model.into(), (state, stop.clone()));
        Some((stop, lock))
    }

    async fn end(&self, library: &Library<Opfs>, model: &str, result: Result<(), LibraryError>) {
        self.busy.borrow_mut().remove(model);
        match result {
            Ok(()) | Err(LibraryError::Stopped) => {}
            Err(error) => {
                if error == LibraryError::Storage(StorageError::Full) {
                    self.refused.set(Some(machine::storage().await.used));
                }
                failed(Some(model), &error);
            }
        }
        self.list(library).await;
    }

    /// Tells the page what is stored; returns how many models that are.
    async fn list(&self, library: &Library<Opfs>) -> usize {
        let storage = machine::storage().await;
        let machine = machine::machine(&storage, self.refused.get(), self.speed.get()).await;
        let listed = match library.list().await {
            Ok(listed) => listed,
            Err(error) => {
                failed(None, &error);
                return 0;
            }
        };
        let mut models = Vec::new();
        for (id, manifest) in listed {
            models.push(match manifest {
                Some(manifest) => self.row(library, id, &manifest, &machine).await,
                None => StoredModel {
                    name: id.clone(),
                    id,
                    origin: String::new(),
                    bytes: 0,
                    stored: 0,
                    state: ModelState::Damaged,
                    verdict: None,
                },
            });
        }
        let count = models.len();
        tell(LibraryNews::Models { models, storage, memory: memory::size().unwrap_or_default() });
        count
    }

    async fn row(&self, library: &Library<Opfs>, id: String, manifest: &Manifest, machine: &Machine) -> StoredModel {
        let (bytes, stored) = (manifest.size(), manifest.stored());
        let busy = self.busy.borrow().get(&id).map(|(state, _)| *state);
        let state = if manifest.is_complete() { ModelState::Complete } else { ModelState::Partial };
        StoredModel {
            name: manifest.source.name(),
            origin: manifest.source.label(),
            bytes,
            stored,
            state: busy.unwrap_or(state),
            verdict: judge(library, manifest, machine).await,
            id,
        }
    }
}

/// Whether the model will run here, from its configuration where that is stored.
async fn judge(library: &Library<Opfs>, manifest: &Manifest, machine: &Machine) -> Option<Verdict> {
    if machine.max_buffer == 0 {
        let detail = "this browser offers no WebGPU".into();
        return Some(Verdict::DoesNotFit(Obstacle::Unsupported { detail }));
    }
    let (weights, missing) = (manifest.weights(), manifest.size().saturating_sub(manifest.stored()));
    if weights == 0 {
        return None;
    }
    let unsupported = |detail: String| Some(Verdict::DoesNotFit(Obstacle::Unsupported { detail }));
    let (json, sizes) = match &manifest.outline {
        Some(Outline::Unsupported { detail }) => return unsupported(detail.clone()),
        Some(Outline::Model { config, sizes }) => (config.clone().into_bytes(), Some(sizes.clone())),
        None => match library.read(manifest, CONFIG).await {
            Ok(Some(json)) => (json, None),
            Ok(None) => return Some(verdict(&Needs::at_least(weights, missing), machine)),
            Err(_) => return None,
        },
    };
    match Config::from_json(&json) {
        Ok(config) => {
            let sizes = sizes.unwrap_or_else(|| Sizes::even(&config, weights));
            Some(verdict(&Needs::of(&config, &sizes, CONTEXT, device::CHUNK as u64, missing), machine))
        }
        Err(error) => unsupported(error.to_string()),
    }
}

/// Tells the page of progress, now and then.
fn reporter(model: &str) -> impl FnMut(Progress) + use<> {
    let (model, mut last) = (model.to_owned(), None::<Instant>);
    move |Progress { done, total, .. }| {
        if done < total && last.is_some_and(|last| last.elapsed().as_millis() < REPORT_MS) {
            return;
        }
        last = Some(Instant::now());
        tell(LibraryNews::Progress { model: model.clone(), done, total });
    }
}

fn lock_name(model: &str) -> String {
    format!("citer.model.{model}")
}
