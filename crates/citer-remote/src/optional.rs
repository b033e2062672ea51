//! A remote model that may be missing: without one every request fails as "not configured", which the decoder marks.

use crate::remote::Remote;
use citer_core::{RemoteError, RemoteModel, RemoteToken, TokenId};

/// A remote model, if there is one.
#[derive(Clone, Debug, Default)]
pub struct OptionalRemote(
    /// The model; `None` never touches the network.
    pub Option<Remote>,
);

impl RemoteModel for OptionalRemote {
    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        match &mut self.0 {
            Some(remote) => remote.next_token(prefix).await,
            None => Err(RemoteError::NotConfigured),
        }
    }
}
