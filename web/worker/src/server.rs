//! The LLM's servers as the worker sees them: perhaps none, perhaps of another vocabulary.

use crate::told::{Errand, ToldHttp};
use citer_core::message::{FromWorker, ServerAddress, Turn};
use citer_core::{Capabilities, RemoteError, RemoteModel, RemoteToken, Sampling, TokenId};
use citer_remote::{Http, Policy, Remote, Servers, SharedVocabulary};
use std::rc::Rc;
use std::time::Duration;

/// Longest wait for one token.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The servers, if any were named.
#[derive(Default)]
pub struct Server {
    servers: Servers<ToldHttp>,
    errand: Rc<Errand>,
    problem: Option<String>,
    found: Vec<Capabilities>,
}

impl Server {
    /// The servers at `addresses`; none never touches the network.
    pub fn at(addresses: &[ServerAddress], look_ahead: u32) -> Self {
        let none = || Some("no server is set: answers are made locally".to_owned());
        let mut problem = none().filter(|_| addresses.is_empty());
        let (mut remotes, errand) = (Vec::new(), Rc::<Errand>::default());
        for ServerAddress { url, model, key, dialect } in addresses {
            match Http::new(url, TIMEOUT) {
                Ok(http) => {
                    let http = match key {
                        Some(key) => http.with_key(key),
                        None => http,
                    };
                    let remote = Remote::over(ToldHttp::new(http, url, &errand), model.clone());
                    remotes.push(remote.with_dialect(*dialect));
                }
                Err(error) => problem = Some(error.to_string()),
            }
        }
        let policy = Policy { look_ahead, ..Policy::default() };
        Self { servers: Servers::new(remotes, policy), errand, problem, found: Vec::new() }
    }

    /// Looks for the servers, which can be done while the model loads.
    pub async fn look(&mut self) {
        self.errand.is_probe.set(true);
        self.servers.look().await;
    }

    /// Finds out what the servers can do; returns what the page is to be told.
    pub async fn connect(&mut self, vocabulary: Option<SharedVocabulary>) -> FromWorker {
        if let Some(vocabulary) = vocabulary {
            self.servers.set_vocabulary(&vocabulary);
        }
        self.found.clear();
        self.errand.is_probe.set(true);
        let connected = self.servers.connect().await;
        self.errand.is_probe.set(false);
        for found in connected {
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

    /// What is answered next: its number, the conversation, and the tokens of its prompt.
    pub fn begin(&mut self, answer: u64, turns: &[Turn], prompt: usize) {
        self.errand.answer.set(Some(answer));
        self.servers.begin(turns, prompt);
    }

    /// The answer is over.
    pub fn end(&mut self) {
        self.errand.answer.set(None);
        self.servers.rest();
    }

    /// The requests that are made from now on, for who makes the token.
    pub fn errand(&self) -> Rc<Errand> {
        self.errand.clone()
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
        self.errand.requests.borrow_mut().clear();
        *self.errand.last.borrow_mut() = None;
        self.servers.next_token(prefix).await
    }

    /// Requests beyond the first, as they were really made.
    fn retries(&self) -> u32 {
        self.errand.requests.borrow().len().saturating_sub(1) as u32
    }
}
