//! Reaching the LLM: which servers, how they are asked, and how failures are met, as flags.

use crate::Failure;
use citer_core::Dialect;
use citer_remote::{Policy, Remote, Servers, SharedVocabulary};
use serde_json::Value;
use std::time::Duration;

/// Servers and how they are asked.
#[derive(clap::Args, Clone)]
pub struct Reach {
    /// Address of the LLM's server, such as http://127.0.0.1:8080; may be repeated: the first one that works is asked.
    /// Without any, answers are local.
    #[arg(long, value_name = "URL")]
    pub server: Vec<String>,
    /// Name of the servers' model; their first one by default.
    #[arg(long)]
    model: Option<String>,
    /// Environment variable that holds the servers' API key.
    #[arg(long, value_name = "VARIABLE")]
    key_from: Option<String>,
    /// How to ask: session, tokens, text or chat; found out by default.
    #[arg(long, value_parser = named::<Dialect>)]
    dialect: Option<Dialect>,
    /// Longest wait for one token, in milliseconds. Servers that usually answer sooner are waited for less.
    #[arg(long, default_value_t = 5_000)]
    timeout: u64,
    /// Wait that long for every token, however soon the servers usually answer.
    #[arg(long)]
    patient: bool,
    /// Requests beyond the first for one token.
    #[arg(long, default_value_t = 2)]
    retries: u32,
    /// Tokens asked for in one request; those after the first are kept in reserve and used where they fit. 1 is plain CITER.
    #[arg(long, default_value_t = 1)]
    look_ahead: u32,
    /// Seed of the jitter between retries.
    #[arg(long, default_value_t = 0)]
    jitter_seed: u64,
}

/// A value by its name in files and messages.
pub fn named<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(name.into())).map_err(|error| error.to_string())
}

impl Reach {
    /// Connects to the servers, and says on standard error what each can do. One that cannot be used is left out.
    pub async fn connect(&self, vocabulary: &SharedVocabulary) -> Result<Servers, Failure> {
        let mut remotes = Vec::new();
        let timeout = Duration::from_millis(self.timeout);
        for url in &self.server {
            let mut remote = Remote::new(url, self.model.clone(), timeout)?.with_dialect(self.dialect);
            if let Some(variable) = &self.key_from {
                let missing = |_| format!("the environment has no {variable}: set it to the API key");
                remote = remote.with_api_key(std::env::var(variable).map_err(missing)?);
            }
            remotes.push(remote);
        }
        let policy = Policy {
            retries: self.retries,
            patience: timeout,
            look_ahead: self.look_ahead,
            adaptive: !self.patient,
            seed: self.jitter_seed,
            ..Policy::default()
        };
        let mut servers = Servers::new(remotes, policy);
        servers.set_vocabulary(vocabulary);
        for (url, found) in self.server.iter().zip(servers.connect().await) {
            match found {
                Ok(found) => eprintln!("{url}: {found}"),
                Err(error) => eprintln!("{url}: {error}"),
            }
        }
        Ok(servers)
    }
}
