//! Connecting: finds out how a server wants to be asked and what it can do, with as few requests as it takes.

use crate::{
    answer::Said,
    failure, question,
    remote::Remote,
    transport::{Request, Transport},
};
use citer_core::{
    Capabilities, Dialect, RemoteError, Sampling,
    message::{Role, Turn},
};

/// Text that every vocabulary has.
const SAMPLE: &str = "Hello";

/// How it is asked about.
const GREEDY: (&Sampling, usize) = (&Sampling::GREEDY, 0);

/// A message that has only one way to go on, for servers that might start another one instead.
const COUNTING: &str = "1, 2, 3, 4, 5, 6, 7, 8, 9, 1";

impl<T: Transport> Remote<T> {
    /// Finds out what the server can do and how to ask it. Needs the local vocabulary for servers that take text.
    ///
    /// # Errors
    /// A server that cannot be reached, does not have the model, or cannot be asked for one token.
    pub async fn connect(&mut self) -> Result<Capabilities, RemoteError> {
        if self.listed.is_none() {
            self.probe().await?;
        }
        let Some(listed) = self.listed.clone() else {
            return Err(RemoteError::BadAnswer("it lists no model".into()));
        };
        let ours = self.vocabulary.as_ref().map(|vocabulary| vocabulary.sha256());
        let same_tokenizer = listed.tokenizer_sha256.as_ref().and_then(|theirs| Some(*theirs == ours?));
        let base = Capabilities {
            model: listed.id.clone(),
            dialect: Dialect::Tokens,
            exact_tokens: true,
            ids_back: true,
            logprobs: true,
            cached_counts: true,
            same_tokenizer,
            context: listed.room(),
        };
        let foreign = same_tokenizer == Some(false);
        if foreign && matches!(self.wanted, Some(Dialect::Session | Dialect::Tokens)) {
            let detail = format!("{} has another tokenizer: ask it in the dialect text", listed.id);
            return Err(RemoteError::BadAnswer(detail));
        }
        let found = match self.wanted {
            Some(Dialect::Session) if !listed.sessions => {
                return Err(RemoteError::BadAnswer(format!("{} keeps no sessions", listed.id)));
            }
            Some(Dialect::Session) => Capabilities { dialect: Dialect::Session, ..base },
            None if listed.sessions && !foreign => Capabilities { dialect: Dialect::Session, ..base },
            Some(Dialect::Tokens) => self.try_tokens(&base).await?,
            Some(Dialect::Text) => self.try_text(&base).await?,
            Some(Dialect::Chat) => self.try_chat(&base).await?,
            None => self.try_all(&base, foreign).await?,
        };
        self.capabilities = Some(found.clone());
        Ok(found)
    }

    /// From the most exact dialect to the least. What is not refused as a question, but fails otherwise, is an error.
    async fn try_all(&mut self, base: &Capabilities, foreign: bool) -> Result<Capabilities, RemoteError> {
        if !foreign {
            match self.try_tokens(base).await {
                Err(error) if is_unknown(&error) => {}
                other => return other,
            }
        }
        match self.try_text(base).await {
            Err(error) if is_unknown(&error) => {}
            other => return other,
        }
        self.try_chat(base).await
    }

    /// Ids in, and ids or text out.
    async fn try_tokens(&mut self, base: &Capabilities) -> Result<Capabilities, RemoteError> {
        let sample = self.vocabulary.as_ref().map(|vocabulary| vocabulary.encode(SAMPLE)).unwrap_or_default();
        let sample = if sample.is_empty() { vec![1] } else { sample };
        self.extras = true;
        let mut said = self.try_question(self.tokens_after(&sample, 1)?).await;
        if matches!(said, Err(RemoteError::Refused { status: 400 | 422, .. })) {
            // A strict gateway knows no wish for ids.
            self.extras = false;
            said = self.try_question(self.tokens_after(&sample, 1)?).await;
        }
        let said = said?;
        let ids_back = said.ids.is_some();
        if !ids_back && self.vocabulary.is_none() {
            let detail = "it gives no token ids back, and the local vocabulary is not known here";
            return Err(RemoteError::BadAnswer(detail.into()));
        }
        Ok(capable(base, Dialect::Tokens, ids_back, &said))
    }

    async fn try_text(&mut self, base: &Capabilities) -> Result<Capabilities, RemoteError> {
        let mut said = self.try_question(question::text(self.model.as_deref(), SAMPLE, GREEDY, 1, true)?).await;
        if matches!(said, Err(RemoteError::Refused { status: 400 | 422, .. })) {
            said = self.try_question(question::text(self.model.as_deref(), SAMPLE, GREEDY, 1, false)?).await;
        }
        let mut found = capable(base, Dialect::Text, false, &said?);
        found.exact_tokens = false;
        self.needs_vocabulary()?;
        Ok(found)
    }

    /// A server that starts a new message, instead of going on with the one that was begun, cannot be asked for one token.
    async fn try_chat(&mut self, base: &Capabilities) -> Result<Capabilities, RemoteError> {
        let turns = [Turn { role: Role::User, content: "Count to ten, with commas.".into() }];
        let said = self.try_question(question::chat(self.model.as_deref(), &turns, COUNTING, GREEDY, 2)?).await;
        let said = said.map_err(|error| match error {
            RemoteError::Refused { status, message } => RemoteError::Refused {
                status,
                message: format!(
                    "it does not go on with a begun message, so it cannot be asked for one token: {message}"
                ),
            },
            other => other,
        })?;
        if !String::from_utf8_lossy(&said.bytes).starts_with('0') {
            let detail = "it starts a new message instead of going on with the one that was begun, so it cannot be asked \
                for one token; use a server with /v1/completions";
            return Err(RemoteError::BadAnswer(detail.into()));
        }
        let mut found = capable(base, Dialect::Chat, false, &said);
        found.exact_tokens = false;
        self.needs_vocabulary()?;
        Ok(found)
    }

    async fn try_question(&self, request: Request) -> Result<Said, RemoteError> {
        let response = self.transport.send(request).await?;
        self.said(failure::check(&response)?)
    }

    fn needs_vocabulary(&self) -> Result<(), RemoteError> {
        match self.vocabulary {
            Some(_) => Ok(()),
            None => {
                let detail = "it takes text only, and the local vocabulary is not known here";
                Err(RemoteError::BadAnswer(detail.into()))
            }
        }
    }
}

/// Whether the server does not know this kind of question.
fn is_unknown(error: &RemoteError) -> bool {
    matches!(error, RemoteError::Refused { status: 400 | 404 | 405 | 415 | 422 | 501, .. })
}

fn capable(base: &Capabilities, dialect: Dialect, ids_back: bool, said: &Said) -> Capabilities {
    Capabilities { dialect, ids_back, logprobs: said.logprobs, cached_counts: said.cached.is_some(), ..base.clone() }
}
