//! The configuration file of `citer serve`, in TOML. What it leaves out keeps its default; a name it does not know is an
//! error.

use crate::{keys::KeyEntry, server::ServeConfig, tls::TlsFiles, upstream::UpstreamEntry};
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The file's content.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// Folder of the built page.
    pub web: Option<PathBuf>,
    /// Origins whose pages may use the API.
    pub allow_origins: Option<Vec<String>>,
    /// Memory for keys and values of conversations that may go on, in MB.
    pub cache_mb: Option<usize>,
    /// Requests that are answered at once.
    pub batch: Option<usize>,
    /// Requests that may wait.
    pub queue: Option<usize>,
    /// Sessions that are kept.
    pub sessions: Option<usize>,
    /// How long a session is kept after its last use, in seconds.
    pub session_seconds: Option<u64>,
    /// Connections at once.
    pub max_connections: Option<usize>,
    /// Most bytes of a request.
    pub max_body: Option<usize>,
    /// Most tokens that one request may ask for.
    pub max_tokens: Option<usize>,
    /// How long a request may take until its answer begins, in seconds.
    pub request_seconds: Option<u64>,
    /// How long a client may take to say what it wants, and a connection may be idle, in seconds.
    pub header_seconds: Option<u64>,
    /// A line of JSON a request on standard error, without text.
    pub access_log: Option<bool>,
    /// File that gets a line of JSON a generation, with ids.
    pub request_log: Option<PathBuf>,
    /// File that keeps what every key used of the day; without it a restart begins anew.
    pub spending: Option<PathBuf>,
    /// The certificate.
    pub tls: Option<TlsFiles>,
    /// Keys that clients need.
    pub keys: Vec<KeyEntry>,
    /// Servers behind this one; without any, a model of our own is served.
    pub upstreams: Vec<UpstreamEntry>,
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the configuration {} ({detail}): correct it and start again", path.display())]
pub struct ConfigError {
    path: PathBuf,
    detail: String,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is not there, is not TOML, or has a name or value that nobody knows.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let fail = |detail: String| ConfigError { path: path.into(), detail };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        Self::parse(&text).map_err(fail)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim().replace('\n', " "))
    }

    /// The settings: the file's, and defaults where it says nothing.
    pub fn settings(&self) -> ServeConfig {
        let rest = ServeConfig::default();
        let seconds = |value: Option<u64>, other: Duration| value.map_or(other, Duration::from_secs);
        ServeConfig {
            listen: self.listen.unwrap_or(rest.listen),
            web: self.web.clone(),
            allow_origins: self.allow_origins.clone().unwrap_or_default(),
            max_body: self.max_body.unwrap_or(rest.max_body),
            max_prompt_tokens: rest.max_prompt_tokens,
            max_tokens: self.max_tokens.unwrap_or(rest.max_tokens),
            queue: self.queue.unwrap_or(rest.queue),
            batch: self.batch.unwrap_or(rest.batch),
            cache_bytes: self.cache_mb.map_or(rest.cache_bytes, |mb| mb << 20),
            sessions: self.sessions.unwrap_or(rest.sessions),
            session_lifetime: seconds(self.session_seconds, rest.session_lifetime),
            request_log: self.request_log.clone(),
            spending: self.spending.clone(),
            keys: self.keys.clone(),
            tls: self.tls.clone(),
            request_timeout: seconds(self.request_seconds, rest.request_timeout),
            header_timeout: seconds(self.header_seconds, rest.header_timeout),
            max_connections: self.max_connections.unwrap_or(rest.max_connections),
            access_log: self.access_log.unwrap_or(rest.access_log),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_readme_is_read() {
        let readme = include_str!("../README.md");
        let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert_eq!(example, include_str!("../gateway.toml"));
        let file = ConfigFile::parse(example).unwrap();
        assert!(!file.upstreams.is_empty() && !file.keys.is_empty());
        let settings = file.settings();
        assert_eq!(settings.keys[0].requests_per_minute, Some(600));
        assert_eq!(settings.queue, ServeConfig::default().queue);
    }

    #[test]
    fn unknown_names_and_wrong_values_are_named() {
        for (text, said) in [
            ("listne = \"127.0.0.1:1\"", "listne"),
            ("queue = \"many\"", "queue"),
            ("[[keys]]\nname = \"a\"\nsha256 = \"\"\nrate = 1", "rate"),
            ("[[upstreams]]\nurl = \"http://a\"\nkey = \"secret\"", "key"),
            ("[tls]\ncert = \"a\"", "key"),
        ] {
            let error = ConfigFile::parse(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(ConfigFile::parse("").unwrap(), ConfigFile::default());
    }
}
