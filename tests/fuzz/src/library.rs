//! A hub and a storage in memory for the library's targets: every future is ready at once.

use citer_library::{Body, ContentRange, Fetch, FetchError, Reply, Storage, StorageError};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// The value of a future that never waits.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// Files by a part of their address; everything else is not there.
pub struct Site<'a> {
    /// Parts of addresses with what is there.
    pub files: Vec<(&'a str, &'a [u8])>,
    /// How long a file is said to be beyond what is there; none where nothing is said.
    pub beyond: Option<u64>,
}

/// What is left of an answer.
pub struct Rest(Option<Vec<u8>>);

impl Body for Rest {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        Ok(self.0.take())
    }
}

impl Fetch for Site<'_> {
    type Body = Rest;

    async fn get(&self, url: &str, from: u64, to: Option<u64>) -> Result<Reply<Rest>, FetchError> {
        let found = self.files.iter().find(|(part, _)| url.contains(part)).map(|(_, bytes)| *bytes);
        let all = found.unwrap_or_default();
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(all.len());
        let end = to.map_or(all.len(), |to| usize::try_from(to).unwrap_or(usize::MAX).clamp(start, all.len()));
        let total = self.beyond.map(|beyond| beyond.saturating_add(all.len() as u64));
        Ok(Reply {
            status: if found.is_some() { 206 } else { 404 },
            range: Some(ContentRange { from, total }),
            length: None,
            etag: None,
            retry_after_ms: None,
            body: Rest(Some(all[start..end].to_vec()).filter(|bytes| !bytes.is_empty())),
        })
    }

    async fn wait(&self, _: u64) {}
}

/// Pieces by model and name.
#[derive(Default)]
pub struct Memory(pub RefCell<BTreeMap<(String, String), Vec<u8>>>);

impl Storage for Memory {
    async fn models(&self) -> Result<Vec<String>, StorageError> {
        let mut models: Vec<String> = self.0.borrow().keys().map(|(model, _)| model.clone()).collect();
        models.dedup();
        Ok(models)
    }

    async fn pieces(&self, model: &str) -> Result<Vec<(String, u64)>, StorageError> {
        let all = self.0.borrow();
        let own = all.iter().filter(|((folder, _), _)| folder == model);
        Ok(own.map(|((_, piece), bytes)| (piece.clone(), bytes.len() as u64)).collect())
    }

    async fn read(&self, model: &str, piece: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.borrow().get(&(model.to_owned(), piece.to_owned())).cloned())
    }

    async fn write(&self, model: &str, piece: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.0.borrow_mut().insert((model.to_owned(), piece.to_owned()), bytes.to_vec());
        Ok(())
    }

    async fn delete(&self, model: &str, piece: &str) -> Result<(), StorageError> {
        self.0.borrow_mut().remove(&(model.to_owned(), piece.to_owned()));
        Ok(())
    }

    async fn delete_model(&self, model: &str) -> Result<(), StorageError> {
        self.0.borrow_mut().retain(|(folder, _), _| folder != model);
        Ok(())
    }
}
