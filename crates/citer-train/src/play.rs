//! Playing: the routed decoder over a question's tree, so that evaluation and roll-outs follow the page's very rules.

use crate::{error::TrainError, models::Models, signal::Scorer, tree::Tree};
use citer_core::{
    Answer, Candidate, LocalModel, LocalStep, Mode, RemoteError, RemoteModel, RemoteToken, RoutedDecoder, Sampling,
    Settings, Source, StopFlag, TokenId,
};
use citer_lm::{Tokenizer, chat::ChatFormat};
use futures::{executor::block_on, lock::Mutex};
use std::sync::Arc;

/// A question as the routed decoder plays it.
pub struct Table<'a, 's> {
    /// Both models.
    pub models: &'a mut Models,
    /// What they are known to say.
    pub tree: &'a mut Tree,
    /// Who scores the SLM's tokens.
    pub scorer: &'a mut Scorer<'s>,
}

/// The SLM's side.
struct Local<'r, 'a, 's> {
    table: &'r Mutex<Table<'a, 's>>,
    tokenizer: Arc<Tokenizer>,
    ids: Vec<TokenId>,
    capacity: usize,
    format: ChatFormat,
}

impl LocalModel for Local<'_, '_, '_> {
    type Error = TrainError;

    /// A tree holds what is most likely; nothing here is ever drawn.
    fn sample(&mut self, _: Sampling) {}

    async fn feed(&mut self, tokens: &[TokenId]) -> Result<LocalStep, TrainError> {
        let Table { models, tree, scorer } = &mut *self.table.lock().await;
        self.ids.extend_from_slice(tokens);
        let node = tree.find(&self.ids);
        models.small(tree, Tree::ROOT).await?;
        let small = models.small(tree, node).await?;
        let step = LocalStep {
            token: small.token,
            score: 1.0,
            top: vec![Candidate { id: small.token, probability: small.peak }],
        };
        Ok(LocalStep { score: scorer.score(tree, node), ..step })
    }

    fn position(&self) -> usize {
        self.ids.len()
    }

    fn truncate(&mut self, position: usize) {
        self.ids.truncate(position);
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    fn is_end(&self, token: TokenId) -> bool {
        self.format.is_end(token)
    }

    fn token_bytes(&self, token: TokenId) -> Vec<u8> {
        self.tokenizer.token_bytes(token).to_vec()
    }
}

/// The LLM's side.
struct Remote<'r, 'a, 's> {
    table: &'r Mutex<Table<'a, 's>>,
    failure: Option<TrainError>,
}

impl RemoteModel for Remote<'_, '_, '_> {
    fn sample(&mut self, _: Sampling) {}

    async fn next_token(&mut self, prefix: &[TokenId]) -> Result<RemoteToken, RemoteError> {
        // Nothing more is asked of an LLM that has failed: the answer is thrown away.
        if let Some(failure) = &self.failure {
            return Err(RemoteError::BadAnswer(failure.to_string()));
        }
        let Table { models, tree, .. } = &mut *self.table.lock().await;
        let node = tree.find(prefix);
        let large = models.large(tree, node).await;
        let token = match large {
            Ok(large) => large.token,
            Err(e) => {
                let answer = RemoteError::BadAnswer(e.to_string());
                self.failure.get_or_insert(e);
                return Err(answer);
            }
        };
        let tokens_sent = prefix.len() as u64;
        Ok(RemoteToken { token, tokens_sent, ..RemoteToken::default() })
    }
}

impl Table<'_, '_> {
    /// Goes on from the answer's first tokens `begun` until the end, as `mode` and `threshold` say. The answer returned
    /// holds the new tokens only.
    pub fn play(&mut self, begun: &[TokenId], mode: Mode, threshold: f32) -> Result<Answer, TrainError> {
        let mut prefix = self.tree.prompt().to_vec();
        prefix.extend_from_slice(begun);
        let engine = self.models.slm();
        let (capacity, tokenizer, format) = (engine.capacity(), engine.shared_tokenizer(), engine.format().clone());
        let max_tokens = self.models.longest().saturating_sub(begun.len()).max(1);
        let settings = Settings { mode, threshold, max_tokens, hide_wait: false, ..Settings::default() };
        let table = Mutex::new(Table { models: self.models, tree: self.tree, scorer: self.scorer });
        let mut local = Local { table: &table, tokenizer, ids: Vec::new(), capacity, format };
        let stop = StopFlag::default();
        let mut decoder = RoutedDecoder::new();
        let mut remote = Remote { table: &table, failure: None };
        let answer = decoder.answer(&mut local, &mut remote, &prefix, &settings, &stop, |_| {});
        let answer = block_on(answer).map_err(|e| TrainError::Decode(e.to_string()))?;
        if let Some(failure) = remote.failure {
            return Err(failure);
        }
        // On the page a failed request keeps the SLM's token; here it would be a silently wrong measurement.
        if let Some(event) = answer.events.iter().find(|event| matches!(event.source, Source::Forced(_))) {
            return Err(TrainError::Decode(format!("the LLM failed at token {} of an answer", event.index + 1)));
        }
        Ok(answer)
    }
}
