//! The remote model: asks one server for one token after a prefix, in the dialect it speaks.

use crate::{
    answer::{self, Listed, Said},
    continuation::Continuation,
    failure,
    http::Http,
    piece::{self, Piece},
    question,
    session::Session,
    sglang,
    transport::{Request, Response, Transport},
};
use citer_core::{
    Candidate, Capabilities, Dialect, RemoteError, RemoteModel, RemoteToken, Sampling, TokenId, Vocabulary,
    message::Turn,
};
use std::{fmt, sync::Arc, time::Duration};

/// Tokens asked for at most until a server's text is a whole character.
const LONGEST_CHARACTER: u32 = 4;

/// What the local tokenizer knows.
pub type SharedVocabulary = Arc<dyn Vocabulary + Send + Sync>;

/// The LLM behind one server. A copy of it goes on from the same state.
#[derive(Clone)]
pub struct Remote<T = Http> {
    pub(crate) transport: T,
    pub(crate) model: Option<String>,
    /// The dialect that was asked for instead of finding one out.
    pub(crate) wanted: Option<Dialect>,
    pub(crate) listed: Option<Listed>,
    pub(crate) capabilities: Option<Capabilities>,
    /// Whether questions may ask for ids in the answer.
    pub(crate) extras: bool,
    pub(crate) vocabulary: Option<SharedVocabulary>,
    sampling: Sampling,
    session: Option<Session>,
    /// The conversation and the tokens of its prompt, for servers that are told turns.
    conversation: Option<(Vec<Turn>, usize)>,
    requests: u32,
}

/// What a server says about its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerModel {
    /// Its name, sent with every request.
    pub name: String,
    /// SHA-256 of its `tokenizer.json`, in hexadecimal; only `citer serve` says it. Another one than the local
    /// model's means that token ids cannot be exchanged.
    pub tokenizer_sha256: Option<String>,
    /// Most tokens in a sequence, where the server says it.
    pub context: Option<u64>,
}

/// A token and those made after it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The token that was needed.
    pub token: RemoteToken,
    /// What the LLM would go on with, with candidates.
    pub further: Vec<(TokenId, Vec<Candidate>)>,
}

impl<T: fmt::Debug> fmt::Debug for Remote<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("transport", &self.transport)
            .field("model", &self.model)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

impl Remote {
    /// A model at `base_url` (such as `http://127.0.0.1:8080`, with or without a path in front of `/v1`). Without
    /// `model`, [`Remote::probe`] takes the server's first one. No request is made here.
    ///
    /// # Errors
    /// An address that is not http or https.
    pub fn new(base_url: &str, model: Option<String>, timeout: Duration) -> Result<Self, RemoteError> {
        Ok(Self::over(Http::new(base_url, timeout)?, model))
    }

    /// Sends `key` as bearer token with every request. It is never shown by `Debug` or in an error.
    pub fn with_api_key(mut self, key: impl Into<String>) -> Self {
        self.transport.set_key(key.into());
        self
    }
}

impl<T: Transport> Remote<T> {
    /// A model behind any transport. Until [`Self::connect`] finds out better, it is asked in the dialect `tokens`.
    pub fn over(transport: T, model: Option<String>) -> Self {
        Self {
            transport,
            model,
            wanted: None,
            listed: None,
            capabilities: None,
            extras: true,
            vocabulary: None,
            sampling: Sampling::GREEDY,
            session: None,
            conversation: None,
            requests: 0,
        }
    }

    /// Asks in this dialect instead of finding one out.
    pub fn with_dialect(mut self, dialect: Option<Dialect>) -> Self {
        self.wanted = dialect;
        self
    }

    /// The local vocabulary, which servers of text or of another tokenizer need.
    pub fn set_vocabulary(&mut self, vocabulary: SharedVocabulary) {
        self.vocabulary = Some(vocabulary);
    }

    /// The conversation that the next prefixes belong to, and how many tokens its prompt has.
    pub fn begin(&mut self, turns: &[Turn], prompt: usize) {
        self.conversation = Some((turns.to_vec(), prompt));
    }

    /// The model asked for, once it is known.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// What the server can do, once it was connected to.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    /// Asks the server which model it has (`GET /v1/models`), and keeps its name when none was given. A server that says to
    /// be SGLang is asked in its own way from then on.
    ///
    /// # Errors
    /// Every [`RemoteError`] but `NotConfigured`; `BadAnswer` when the server does not have the wanted model.
    pub async fn probe(&mut self) -> Result<ServerModel, RemoteError> {
        let response = self.transport.send(question::models()).await?;
        let list = answer::models(failure::check(&response)?)?;
        let names = || list.iter().map(|model| model.id.as_str()).collect::<Vec<_>>().join(", ");
        let found = match &self.model {
            None => list.first().ok_or_else(|| RemoteError::BadAnswer("it lists no model".into()))?,
            Some(wanted) => list.iter().find(|model| model.id == *wanted).ok_or_else(|| {
                RemoteError::BadAnswer(format!("it has no model {wanted}; choose one of: {}", names()))
            })?,
        };
        self.model = Some(found.id.clone());
        self.listed = Some(found.clone());
        Ok(ServerModel {
            name: found.id.clone(),
            tokenizer_sha256: found.tokenizer_sha256.clone(),
            context: found.room(),
        })
    }

    /// The LLM's tokens after `prefix`: at least one, at most `most`, unless it stops at once.
    ///
    /// # Errors
    /// Every [`RemoteError`] but `NotConfigured`.
    pub async fn tokens(&self, prefix: &[TokenId], most: u32) -> Result<Continuation, RemoteError> {
        let request = self.tokens_after(prefix, most)?;
        let bytes_sent = request.body.len() as u64;
        let response = self.transport.send(request).await?;
        let said = self.said(failure::check(&response)?)?;
        Ok(Continuation { bytes_sent, ..answer::continuation(said, response.body.len(), prefix.len())? })
    }

    /// The LLM's token after `prefix`, and up to `count - 1` further ones where the dialect gives ids.
    ///
    /// # Errors
    /// Every [`RemoteError`] but `NotConfigured`.
    pub async fn ask(&mut self, prefix: &[TokenId], count: u32) -> Result<Asked, RemoteError> {
        self.requests = 0;
        if prefix.is_empty() {
            return Err(RemoteError::BadAnswer("there is nothing to go on from".into()));
        }
        let mut cost = RemoteToken::default();
        let dialect = self.capabilities.as_ref().map_or(Dialect::Tokens, |known| known.dialect);
        match dialect {
            Dialect::Session => {
                let said = self.in_session(prefix, count, &mut cost).await?;
                self.by_ids(said, count, cost)
            }
            Dialect::Tokens if self.capabilities.as_ref().is_none_or(|known| known.ids_back) => {
                let request = self.tokens_after(prefix, count)?;
                let said = self.completion(request, prefix.len(), &mut cost).await?;
                self.by_ids(said, count, cost)
            }
            _ => self.by_text(dialect, prefix, cost).await,
        }
    }

    fn is_sglang(&self) -> bool {
        self.listed.as_ref().is_some_and(|listed| listed.owned_by.as_deref() == Some(sglang::OWNER))
    }

    /// The question for tokens after token ids, in the server's own way.
    pub(crate) fn tokens_after(&self, prefix: &[TokenId], most: u32) -> Result<Request, RemoteError> {
        if self.is_sglang() {
            return sglang::question(prefix, &self.sampling, most, question::TOP);
        }
        question::tokens(self.model.as_deref(), prefix, &self.sampling, most, self.extras)
    }

    /// What a server of tokens or text said.
    pub(crate) fn said(&self, body: &[u8]) -> Result<Said, RemoteError> {
        let in_tokens = self.wanted.is_none_or(|dialect| dialect == Dialect::Tokens);
        if self.is_sglang() && in_tokens { sglang::said(body) } else { answer::said(body) }
    }

    /// One request and its answer, counted.
    async fn exchange(&mut self, request: Request, cost: &mut RemoteToken) -> Result<Response, RemoteError> {
        self.requests += 1;
        cost.bytes_sent += request.body.len() as u64;
        let response = self.transport.send(request).await?;
        cost.bytes_received += response.body.len() as u64;
        Ok(response)
    }

    async fn completion(&mut self, request: Request, sent: usize, cost: &mut RemoteToken) -> Result<Said, RemoteError> {
        let response = self.exchange(request, cost).await?;
        let said = self.said(failure::check(&response)?)?;
        let sent = said.prompt_tokens.unwrap_or(sent as u64);
        cost.tokens_sent = cost.tokens_sent.saturating_add(sent);
        cost.tokens_cached = cost.tokens_cached.saturating_add(said.cached.unwrap_or(0).min(sent));
        Ok(said)
    }

    /// Asks in the session; one that is lost is opened again, and everything sent, once.
    async fn in_session(
        &mut self,
        prefix: &[TokenId],
        count: u32,
        cost: &mut RemoteToken,
    ) -> Result<Said, RemoteError> {
        let mut resent = false;
        loop {
            let mut session = match self.session.take() {
                Some(session) => session,
                None => {
                    let tokenizer = self.vocabulary.as_ref().map(|vocabulary| vocabulary.sha256());
                    let request = question::open_session(self.model.as_deref(), tokenizer.as_deref())?;
                    Session::opened(&self.exchange(request, cost).await?)?
                }
            };
            let sent = session.new_ids(prefix) as u64;
            let request = session.ask(prefix, &self.sampling, count)?;
            // Whatever becomes of the request, the server holds what it was known to hold, or says that it lost it.
            self.session = Some(session.clone());
            let response = self.exchange(request, cost).await?;
            cost.tokens_sent += sent;
            if Session::is_lost(&response) && !resent {
                self.session = None;
                resent = true;
                continue;
            }
            let said = answer::in_session(failure::check(&response)?, prefix.len())?;
            session.took(prefix);
            self.session = Some(session);
            // The server counts the history too, of which nothing was sent.
            let held = prefix.len() as u64 - sent;
            cost.tokens_cached += said.cached.unwrap_or(0).saturating_sub(held).min(sent);
            return Ok(said);
        }
    }

    /// The tokens of an answer that has ids.
    fn by_ids(&self, said: Said, count: u32, cost: RemoteToken) -> Result<Asked, RemoteError> {
        let Said { ids, stopped, made, server_ms, queue_ms, .. } = said;
        let Some(mut ids) = ids else {
            let detail = "it has no token_ids; use a server that knows return_token_ids (citer serve, vLLM) or lists ids \
                with its logprobs (llama.cpp)";
            return Err(RemoteError::BadAnswer(detail.into()));
        };
        if ids.is_empty()
            && stopped
            && let Some(vocabulary) = &self.vocabulary
        {
            ids.push((vocabulary.end(), Vec::new()));
        }
        if ids.is_empty() || ids.len() > count as usize {
            let wanted = if count == 1 { "one".into() } else { format!("at most {count}") };
            return Err(RemoteError::BadAnswer(format!("it has {} tokens instead of {wanted}", ids.len())));
        }
        let tokens_received = made.unwrap_or(ids.len() as u64);
        let further = ids.split_off(1);
        let Some((token, top)) = ids.pop() else { return Err(RemoteError::BadAnswer("it has no token".into())) };
        let token = RemoteToken { token, top, tokens_received, server_ms, queue_ms, ..cost };
        Ok(Asked { token, further })
    }

    /// Asks with text, or reads text, until it is a whole character.
    async fn by_text(
        &mut self,
        dialect: Dialect,
        prefix: &[TokenId],
        mut cost: RemoteToken,
    ) -> Result<Asked, RemoteError> {
        let Some(vocabulary) = self.vocabulary.clone() else {
            let detail = "it speaks text only, and the local vocabulary is not known here";
            return Err(RemoteError::BadAnswer(detail.into()));
        };
        let vocabulary = vocabulary.as_ref();
        let logprobs = self.capabilities.as_ref().is_some_and(|known| known.logprobs);
        for count in 1..=LONGEST_CHARACTER {
            let model = self.model.as_deref();
            let sampling = (&self.sampling, prefix.len());
            let (request, held) = match (dialect, &self.conversation) {
                // The server has all bytes, so what it says begins after them.
                (Dialect::Tokens, _) => (self.tokens_after(prefix, count)?, Vec::new()),
                (Dialect::Chat, Some((turns, prompt))) => {
                    let written = piece::write(vocabulary, prefix.get(*prompt..).unwrap_or_default());
                    (question::chat(model, turns, &written.text, sampling, count)?, written.held)
                }
                (Dialect::Chat, None) => {
                    return Err(RemoteError::BadAnswer("it is told turns, and there is no conversation".into()));
                }
                _ => {
                    let written = piece::write(vocabulary, prefix);
                    (question::text(model, &written.text, sampling, count, logprobs)?, written.held)
                }
            };
            let said = self.completion(request, prefix.len(), &mut cost).await?;
            cost.tokens_received = cost.tokens_received.saturating_add(said.made.unwrap_or(count.into()));
            cost.server_ms += said.server_ms;
            let last = count == LONGEST_CHARACTER;
            if let Piece::Tokens(tokens) = piece::read(vocabulary, &held, &said.bytes, said.stopped, last)? {
                let mut tokens = tokens.into_iter();
                let Some(token) = tokens.next() else { break };
                return Ok(Asked { token: RemoteToken { token, rest: tokens.collect(), ..cost }, further: Vec::new() });
            }
        }
        Err(RemoteError::BadAnswer("it never finishes a character".into()))
    }

    /// Ends the session, if there is one, so that the server need not wait until it expires.
    pub async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            // A server that cannot be reached forgets the session by itself.
            let _ = self.transport.send(session.close()).await;
        }
    }
}

impl<T: Transport> RemoteModel for Remote<T> {
    fn sample(&mut self, sampling: Sampling) {
        self.sampling = sampling;
    }

    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        Ok(self.ask(prefix, 1).await?.token)
    }

    fn retries(&self) -> u32 {
        self.requests.saturating_sub(1)
    }
}
