//! The LLM's servers as the worker sees them: perhaps none, perhaps of another vocabulary.

use citer_core::message::{FromWorker, ServerAddress, Turn};
use citer_core::{Capabilities, RemoteError, RemoteModel, RemoteToken, Sampling, TokenId};
use citer_remote::{Policy, Remote, Servers, SharedVocabulary};
use std::time::Duration;

/// Longest wait for one token.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The servers, if any were named.
#[derive(Default)]
pub struct Server {
    servers: Servers,
    problem: Option<String>,
    found: Vec<Capabilities>,
}

impl Server {
    /// The servers at `addresses`; none never touches the network.
    pub fn at(addresses: &[ServerAddress], look_ahead: u32) -> Self {
        let none = || Some("no server is set: answers are made locally".to_owned());
        let mut problem = none().filter(|_| addresses.is_empty());
        let mut remotes = Vec::new();
        for ServerAddress { url, model, key, dialect } in addresses {
            match Remote::new(url, model.clone(), TIMEOUT) {
                Ok(remote) => {
                    let remote = remote.with_dialect(*dialect);
                    remotes.push(match key {
                        Some(key) => remote.with_api_key(key),
                        None => remote,
                    });
                }
                Err(error) => problem = Some(error.to_string()),
            }
        }
        let policy = Policy { look_ahead, ..Policy::default() };
        Self { servers: Servers::new(remotes, policy), problem, found: Vec::new() }
    }

    /// Looks for the servers, which can be done while the model loads.
    pub async fn look(&mut self) {
        self.servers.look().await;
    }

    /// Finds out what the servers can do; returns what the page is to be told.
    pub async fn connect(&mut self, vocabulary: Option<SharedVocabulary>) -> FromWorker {
        if let Some(vocabulary) = vocabulary {
            self.servers.set_vocabulary(&vocabulary);
        }
        self.found.clear();
        for found in self.servers.connect().await {
            match found {
                Ok(found) => self.found.push(found),
                Err(error) => self.problem = Some(error.to_string()),
            }
        }
        let detail = match self.found.first() {
            Some(first) => first.model.clone(),
            None => self.problem.clone().unwrap_or_default(),
        };
        FromWorker::Server { available: !self.found.is_empty(), detail, servers: self.found.clone() }
    }

    /// The conversation that is answered next, and the tokens of its prompt.
    pub fn begin(&mut self, turns: &[Turn], prompt: usize) {
        self.servers.begin(turns, prompt);
    }

    /// The LLM's name once it answered.
    pub fn model(&self) -> Option<String> {
        self.found.first().map(|found| found.model.clone())
    }
}

impl RemoteModel for Server {
    fn sample(&mut self, sampling: Sampling) {
        self.servers.sample(sampling);
    }

    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        self.servers.next_token(prefix).await
    }

    fn retries(&self) -> u32 {
        self.servers.retries()
    }
}
