//! The library: the models in storage, by the names of their folders.

use crate::{
    discover::{Wanted, discover, local},
    download::{Progress, check},
    error::LibraryError,
    fetch::Fetch,
    manifest::Manifest,
    outline::Outline,
    slots::{self, SLOTS},
    source::{Source, is_gguf},
    storage::Storage,
};
use citer_core::StopFlag;
use citer_files::Format;

/// The models in storage.
#[derive(Clone, Debug)]
pub struct Library<S> {
    /// Where they are.
    pub storage: S,
    /// Bytes in a chunk of models added from now on; `None` chooses by their size.
    pub chunk_size: Option<u64>,
}

impl<S: Storage> Library<S> {
    /// The library in `storage`.
    pub fn new(storage: S) -> Self {
        Self { storage, chunk_size: None }
    }

    /// Every model by its folder's name, with its manifest or `None` where that is damaged. What an interrupted deletion
    /// left is deleted.
    pub async fn list(&self) -> Result<Vec<(String, Option<Manifest>)>, LibraryError> {
        let mut models = Vec::new();
        let mut names = self.storage.models().await?;
        names.sort_unstable();
        for id in names {
            match slots::load(&self.storage, &id).await? {
                Some(manifest) => models.push((id, Some(manifest))),
                None if self.had_manifest(&id).await? => models.push((id, None)),
                None => self.storage.delete_model(&id).await?,
            }
        }
        Ok(models)
    }

    /// Whether an unreadable folder was a model. A first record that was torn, and an interrupted deletion, leave none.
    async fn had_manifest(&self, id: &str) -> Result<bool, LibraryError> {
        let pieces = self.storage.pieces(id).await?;
        let records = pieces.iter().filter(|(piece, _)| SLOTS.contains(&piece.as_str())).count();
        Ok(records > 0 && pieces.len() > 1)
    }

    /// The manifest of a model.
    pub async fn manifest(&self, id: &str) -> Result<Manifest, LibraryError> {
        match slots::load(&self.storage, id).await? {
            Some(manifest) => Ok(manifest),
            None if self.had_manifest(id).await? => Err(LibraryError::Manifest(id.into())),
            None => Err(LibraryError::Unknown(id.into())),
        }
    }

    /// Records the model at `source`, after asking what it consists of; nothing is downloaded yet. A model that is there
    /// already stays as it is.
    pub async fn add<F: Fetch>(&self, fetch: &F, source: &Source, stop: &StopFlag) -> Result<Manifest, LibraryError> {
        match self.manifest(&source.id()).await {
            Err(LibraryError::Unknown(_)) => {}
            other => return other,
        }
        let wanted = discover(fetch, source, stop).await?;
        self.record(source.clone(), wanted).await
    }

    /// Records a model of local files, given by names with lengths. One that is there already stays as it is, so that an
    /// import can be resumed with the same files.
    pub async fn import(&self, name: &str, files: &[(String, u64)]) -> Result<Manifest, LibraryError> {
        let source = Source::Local { name: name.into() };
        let wanted = local(files)?;
        match self.manifest(&source.id()).await {
            Err(LibraryError::Unknown(_)) => self.record(source, wanted).await,
            Ok(manifest) => {
                let stored = manifest.files.iter().map(|file| (&file.name, file.size));
                let same = stored.eq(wanted.iter().map(|file| (&file.name, file.size)));
                if same { Ok(manifest) } else { Err(LibraryError::Taken(name.into())) }
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what the model's GGUF file says of itself from its source, unless that is known; a model of other files has no
    /// outline. See [`Outline::fetch`].
    pub async fn outline<F: Fetch>(
        &self,
        fetch: &F,
        manifest: &mut Manifest,
        stop: &StopFlag,
        device: impl Fn(Format, u64) -> u64,
    ) -> Result<(), LibraryError> {
        let file = manifest.files.iter().find(|file| is_gguf(&file.name) && manifest.outline.is_none());
        let Some(file) = file else { return Ok(()) };
        let outline = Outline::fetch(fetch, file, stop, device).await?;
        if outline.is_some() {
            manifest.outline = outline;
            slots::save(&self.storage, manifest).await?;
        }
        Ok(())
    }

    async fn record(&self, source: Source, wanted: Vec<Wanted>) -> Result<Manifest, LibraryError> {
        let chunk_size = self.chunk_size.unwrap_or_else(|| Manifest::chunk_size(&wanted));
        let mut manifest = Manifest::new(source, wanted, chunk_size);
        if !manifest.holds() {
            let detail = "it names a file twice, or one that no disk could hold".into();
            return Err(LibraryError::BadListing { file: manifest.source.name(), detail });
        }
        slots::save(&self.storage, &mut manifest).await?;
        Ok(manifest)
    }

    /// Reads every stored byte of a model and marks what is damaged as missing; returns the number of such chunks.
    /// [`crate::complete`] fetches them again.
    pub async fn check(
        &self,
        id: &str,
        stop: &StopFlag,
        progress: impl FnMut(Progress),
    ) -> Result<(Manifest, u64), LibraryError> {
        let mut manifest = self.manifest(id).await?;
        let damaged = check(&self.storage, &mut manifest, stop, progress).await?;
        Ok((manifest, damaged))
    }

    /// Deletes a model. The manifest goes first: without it [`Library::list`] finishes an interrupted deletion.
    pub async fn remove(&self, id: &str) -> Result<(), LibraryError> {
        for slot in SLOTS {
            self.storage.delete(id, slot).await?;
        }
        Ok(self.storage.delete_model(id).await?)
    }

    /// The manifest of a model that can be read as it is: complete, and every chunk there in its full length. The contents
    /// were checked when they came; [`Library::check`] checks them again.
    pub async fn ready(&self, id: &str) -> Result<Manifest, LibraryError> {
        let manifest = self.manifest(id).await?;
        let pieces = self.storage.pieces(id).await?;
        let is_there = |file: usize, chunk: usize| {
            let length = manifest.files[file].chunk_length(chunk, manifest.chunk_size);
            let piece = Manifest::piece(file, chunk);
            pieces.iter().any(|(name, found)| *name == piece && Some(*found) == length)
        };
        let whole = |file: usize| (0..manifest.files[file].chunks.len()).all(|chunk| is_there(file, chunk));
        match manifest.is_complete() && (0..manifest.files.len()).all(whole) {
            true => Ok(manifest),
            false => Err(LibraryError::Partial(manifest.source.name())),
        }
    }

    /// The whole contents of a small file of a complete model, `config.json` say; `None` where the model has no such file.
    pub async fn read(&self, manifest: &Manifest, name: &str) -> Result<Option<Vec<u8>>, LibraryError> {
        let Some(file) = manifest.file(name) else { return Ok(None) };
        let mut bytes = Vec::new();
        for chunk in 0..manifest.files[file].chunks.len() {
            let piece = self.storage.read(&manifest.id(), &Manifest::piece(file, chunk)).await?;
            bytes.extend(piece.ok_or_else(|| LibraryError::Partial(manifest.source.name()))?);
        }
        match manifest.files[file].size == Some(bytes.len() as u64) {
            true => Ok(Some(bytes)),
            false => Err(LibraryError::Partial(manifest.source.name())),
        }
    }
}
