//! The source: where a model comes from, as a person names it.

use citer_files::hash::sha256;
use serde::{Deserialize, Serialize};

/// Address of the Hugging Face hub.
pub(crate) const HUB: &str = "https://huggingface.co";

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
    /// A repository on the Hugging Face hub.
    HuggingFace {
        /// `owner/name`.
        repository: String,
        /// A GGUF file of it, or part of one's name (`Q4_0`); `None` prefers safetensors.
        file: Option<String>,
    },
    /// A folder of files at a URL.
    Folder {
        /// Without a slash at the end.
        url: String,
    },
    /// One GGUF file at a URL.
    Gguf {
        /// Its address.
        url: String,
    },
    /// Files of this device.
    Local {
        /// Name of the file or folder.
        name: String,
    },
}

/// Why a text names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Nothing there.
    #[error("type a Hugging Face repository (owner/name) or the address of a model")]
    Empty,
    /// Not one of the known forms.
    #[error("{0:?} is neither a Hugging Face repository (owner/name) nor an http(s) address")]
    Unknown(String),
}

impl Source {
    /// Reads `owner/name`, `owner/name:Q4_0`, `owner/name/file.gguf`, a hub page's address, the address of a GGUF file
    /// or that of a folder.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let text = text.trim();
        let unknown = || SourceError::Unknown(text.into());
        if text.is_empty() {
            return Err(SourceError::Empty);
        }
        let plain = text.split(['?', '#']).next().unwrap_or(text).trim_end_matches('/');
        if let Some(path) = plain.strip_prefix(HUB) {
            return Self::repository(path.trim_start_matches('/')).ok_or_else(unknown);
        }
        let address = ["https://", "http://"].iter().find_map(|scheme| plain.strip_prefix(scheme));
        match address {
            Some(rest) if rest.is_empty() || rest.contains(char::is_whitespace) => Err(unknown()),
            Some(_) if is_gguf(plain) => Ok(Self::Gguf { url: text.into() }),
            Some(_) => Ok(Self::Folder { url: plain.trim_end_matches("/config.json").into() }),
            None => Self::repository(text).ok_or_else(unknown),
        }
    }

    fn repository(path: &str) -> Option<Self> {
        let (path, tag) = match path.split_once(':') {
            Some((path, tag)) => (path, Some(tag.to_owned())),
            None => (path, None),
        };
        let parts: Vec<&str> = path.split('/').collect();
        let is_word = |part: &&str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
        };
        let (owner, name) = (parts.first().filter(|p| is_word(p))?, parts.get(1).filter(|p| is_word(p))?);
        let rest = match parts.get(2..) {
            // The hub's pages put `resolve/main` or `blob/main` before a file.
            Some(["resolve" | "blob" | "tree", _, rest @ ..]) => rest,
            Some(rest) => rest,
            None => &[],
        };
        let file = if rest.is_empty() { tag } else { Some(rest.join("/")) };
        if file.as_deref().is_some_and(|file| file.is_empty() || file.contains("..")) {
            return None;
        }
        Some(Self::HuggingFace { repository: format!("{owner}/{name}"), file })
    }

    /// The name of the model's folder in storage: readable, plain, and different for different sources.
    pub fn id(&self) -> String {
        let readable: String =
            self.name().chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
        let readable: String = readable.trim_start_matches(['.', '-']).chars().take(48).collect();
        let hash = sha256(self.label().as_bytes());
        format!("{readable}-{}", hash.get(..8).unwrap_or_default())
    }

    /// What to call the model.
    pub fn name(&self) -> String {
        let last = |path: &str| path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path).to_owned();
        match self {
            Self::HuggingFace { repository, file: None } => last(repository),
            Self::HuggingFace { repository, file: Some(file) } if is_gguf(file) => {
                last(&format!("{repository}/{file}"))
            }
            Self::HuggingFace { repository, file: Some(tag) } => format!("{}:{tag}", last(repository)),
            Self::Folder { url } => last(url),
            Self::Gguf { url } => last(url.split(['?', '#']).next().unwrap_or(url)),
            Self::Local { name } => last(name),
        }
    }

    /// Where it comes from, in full.
    pub fn label(&self) -> String {
        match self {
            Self::HuggingFace { repository, file: None } => format!("Hugging Face {repository}"),
            Self::HuggingFace { repository, file: Some(file) } => format!("Hugging Face {repository}:{file}"),
            Self::Folder { url } | Self::Gguf { url } => url.clone(),
            Self::Local { name } => format!("this device: {name}"),
        }
    }
}

/// Whether a file name is that of a GGUF file.
pub(crate) fn is_gguf(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".gguf")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(repository: &str, file: Option<&str>) -> Source {
        Source::HuggingFace { repository: repository.into(), file: file.map(Into::into) }
    }

    #[test]
    fn people_name_sources_in_many_ways() {
        for (text, expected) in [
            (" Qwen/Qwen2.5-0.5B ", hub("Qwen/Qwen2.5-0.5B", None)),
            ("o/n:Q4_0", hub("o/n", Some("Q4_0"))),
            ("o/n/sub/m.gguf", hub("o/n", Some("sub/m.gguf"))),
            ("https://huggingface.co/o/n", hub("o/n", None)),
            ("https://huggingface.co/o/n/tree/main", hub("o/n", None)),
            ("https://huggingface.co/o/n/resolve/main/m.gguf?download=true", hub("o/n", Some("m.gguf"))),
            ("http://localhost:8080/models/", Source::Folder { url: "http://localhost:8080/models".into() }),
            ("https://x.org/a/config.json", Source::Folder { url: "https://x.org/a".into() }),
            ("https://x.org/a.GGUF?key=1", Source::Gguf { url: "https://x.org/a.GGUF?key=1".into() }),
        ] {
            assert_eq!(Source::parse(text).as_ref(), Ok(&expected), "{text}");
        }
        assert_eq!(Source::parse("  "), Err(SourceError::Empty));
        for bad in ["word", "a b/c", "../x", "o/..", "o/n/../../x", "ftp://x/y", "https://", "https://a b", "o/n:"] {
            assert!(matches!(Source::parse(bad), Err(SourceError::Unknown(_))), "{bad}");
        }
    }

    #[test]
    fn ids_are_plain_and_differ() {
        let sources = ["o/n", "p/n", "o/n:Q4_0", "o/n:Q8_0", "http://x/n", "http://x/n.gguf", "http://x/n.gguf?v=2"];
        let ids: Vec<String> = sources.iter().map(|text| Source::parse(text).unwrap().id()).collect();
        for (place, id) in ids.iter().enumerate() {
            assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !id.starts_with('.'), "{id}");
            assert!(!ids[..place].contains(id), "{id}");
        }
        assert!(Source::Local { name: "../../é".into() }.id().len() < 64);
    }
}
