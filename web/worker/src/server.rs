//! The LLM server as the worker sees it: perhaps absent, perhaps of another vocabulary.

use citer_core::{RemoteError, RemoteModel, RemoteToken, TokenId};
use citer_remote::{OptionalRemote, Remote, ServerModel};
use std::time::Duration;

/// Longest wait for one token.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The server, if one was named.
#[derive(Clone, Default)]
pub struct Server {
    remote: OptionalRemote,
    problem: Option<String>,
    /// The LLM's name once it answered.
    pub model: Option<String>,
}

impl Server {
    /// The server at `url`; `None` never touches the network.
    pub fn at(url: Option<String>) -> Self {
        let Some(url) = url else {
            return Self { problem: Some("no server is set: answers are made locally".into()), ..Self::default() };
        };
        match Remote::new(&url, None, TIMEOUT) {
            Ok(remote) => Self { remote: OptionalRemote(Some(remote)), ..Self::default() },
            Err(error) => Self { problem: Some(error.to_string()), ..Self::default() },
        }
    }

    /// Asks the server for its model's name and vocabulary.
    pub async fn probe(&mut self) -> Result<ServerModel, String> {
        match &mut self.remote.0 {
            Some(remote) => remote.probe().await.map_err(|e| e.to_string()),
            None => Err(self.problem.clone().unwrap_or_default()),
        }
    }

    /// Takes a server that answered, if its vocabulary is the local one (SHA-256 `tokenizer`); returns the LLM's name.
    pub fn accept(&mut self, found: ServerModel, tokenizer: Option<&str>) -> Result<String, String> {
        if let (Some(theirs), Some(ours)) = (found.tokenizer_sha256.as_deref(), tokenizer)
            && theirs != ours
        {
            self.remote = OptionalRemote(None);
            let problem = format!("{} uses another vocabulary: serve the LLM of this pair", found.name);
            self.problem = Some(problem.clone());
            return Err(problem);
        }
        self.model = Some(found.name.clone());
        Ok(found.name)
    }
}

impl RemoteModel for Server {
    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        self.remote.next_token(prefix).await
    }
}
