//! The session: what a server holds for this conversation, so that only new ids are sent.

use crate::{answer, failure, question, transport::Response};
use citer_core::{RemoteError, Sampling, TokenId};
use serde::Deserialize;

/// An open session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Its name in paths.
    id: String,
    /// The ids that the server has taken for certain.
    known: Vec<TokenId>,
}

#[derive(Deserialize)]
struct Opened {
    session: String,
}

impl Session {
    /// Reads the answer to `POST /v1/sessions`.
    pub fn opened(response: &Response) -> Result<Self, RemoteError> {
        let body = failure::check(response)?;
        let Opened { session } = answer::parse(body)?;
        // It becomes part of a path.
        if session.is_empty()
            || session.len() > 128
            || !session.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            return Err(RemoteError::BadAnswer("the session's name is not one".into()));
        }
        Ok(Self { id: session, known: Vec::new() })
    }

    /// The request for tokens after `prefix`: all that is new of it, and one id at least.
    pub fn ask(
        &self,
        prefix: &[TokenId],
        sampling: &Sampling,
        max_tokens: u32,
    ) -> Result<crate::transport::Request, RemoteError> {
        let shared = self.known.iter().zip(prefix).take_while(|(a, b)| a == b).count();
        let position = shared.min(prefix.len().saturating_sub(1));
        question::suffix(&self.id, position, &prefix[position..], sampling, max_tokens)
    }

    /// Ids that a request for `prefix` sends.
    pub fn new_ids(&self, prefix: &[TokenId]) -> usize {
        let shared = self.known.iter().zip(prefix).take_while(|(a, b)| a == b).count();
        prefix.len() - shared.min(prefix.len().saturating_sub(1))
    }

    /// The server has taken `prefix`.
    pub fn took(&mut self, prefix: &[TokenId]) {
        let shared = self.known.iter().zip(prefix).take_while(|(a, b)| a == b).count();
        self.known.truncate(shared);
        self.known.extend_from_slice(&prefix[shared..]);
    }

    /// The request that ends it.
    pub fn close(&self) -> crate::transport::Request {
        question::close_session(&self.id)
    }

    /// Whether `response` says that the server no longer has it.
    pub fn is_lost(response: &Response) -> bool {
        #[derive(Deserialize)]
        struct Body {
            error: Error,
        }
        #[derive(Deserialize)]
        struct Error {
            #[serde(rename = "type")]
            kind: String,
        }
        let lost = |body: &[u8]| serde_json::from_slice::<Body>(body).is_ok_and(|b| b.error.kind == "session_lost");
        matches!(response.status, 404 | 409) && lost(&response.body)
    }
}
