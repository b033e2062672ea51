//! The split of an answer: how many tokens each side made and what crossed the network.

use crate::{
    budget::Spent,
    event::{Source, TokenEvent},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Counts over an answer's tokens. `local + remote + agreed + forced` is the number of tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Tokens the SLM made without asking.
    pub local: u64,
    /// Tokens the LLM made.
    pub remote: u64,
    /// Tokens the LLM confirmed.
    pub agreed: u64,
    /// Critical tokens that had to stay with the SLM.
    pub forced: u64,
    /// Requests, tokens and bytes.
    pub spent: Spent,
}

impl Split {
    /// Counts one more token.
    pub fn add(&mut self, event: &TokenEvent) {
        match event.source {
            Source::Local => self.local += 1,
            Source::Remote => self.remote += 1,
            Source::Agreed => self.agreed += 1,
            Source::Forced(_) => self.forced += 1,
        }
        self.spent.add(event);
    }

    /// Number of tokens, the end-of-turn token included.
    pub fn tokens(&self) -> u64 {
        self.spent.tokens
    }

    /// Share of tokens that the LLM answered for (remote or agreed), 0 to 1; 0 for an empty answer.
    pub fn share(&self) -> f64 {
        if self.tokens() == 0 { 0.0 } else { self.spent.remote_tokens as f64 / self.tokens() as f64 }
    }
}

impl<'a> FromIterator<&'a TokenEvent> for Split {
    fn from_iter<I: IntoIterator<Item = &'a TokenEvent>>(events: I) -> Self {
        let mut split = Self::default();
        events.into_iter().for_each(|event| split.add(event));
        split
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { local, remote, agreed, forced, spent } = self;
        write!(
            f,
            "{} tokens: {local} local, {remote} remote, {agreed} agreed, {forced} forced ({:.1} % remote); \
             {} requests ({} failed), {} tokens sent ({} cached), {} bytes sent, {} received",
            spent.tokens,
            100.0 * self.share(),
            spent.calls,
            spent.failures,
            spent.tokens_sent,
            spent.tokens_cached,
            spent.bytes_sent,
            spent.bytes_received,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ForcedReason;

    fn event(index: usize, source: Source) -> TokenEvent {
        let sent = if source.is_remote() { 10 } else { 0 };
        TokenEvent {
            index,
            id: 7,
            text: "x".into(),
            source,
            score: 0.5,
            threshold: 0.5,
            own: None,
            local: vec![],
            remote: vec![],
            compute_ms: 1.0,
            wait_ms: 0.0,
            hidden_ms: 0.0,
            server_ms: 0.0,
            retries: 0,
            reserved: false,
            bytes_sent: 3 * sent,
            bytes_received: 2 * sent,
            tokens_sent: sent,
            tokens_cached: sent / 2,
            tokens_received: 0,
        }
    }

    #[test]
    fn counts_every_source_and_its_requests() {
        let sources = [
            Source::Local,
            Source::Remote,
            Source::Agreed,
            Source::Forced(ForcedReason::Timeout),
            Source::Forced(ForcedReason::Budget),
            Source::Forced(ForcedReason::NoRemote),
            Source::Forced(ForcedReason::Cooldown),
            Source::Local,
        ];
        let events: Vec<_> = sources.into_iter().enumerate().map(|(index, source)| event(index, source)).collect();
        let split: Split = events.iter().collect();
        assert_eq!((split.local, split.remote, split.agreed, split.forced), (2, 1, 1, 4));
        assert_eq!((split.spent.calls, split.spent.failures), (3, 1));
        assert_eq!(split.share(), 0.25);
        assert_eq!(
            split.to_string(),
            "8 tokens: 2 local, 1 remote, 1 agreed, 4 forced (25.0 % remote); 3 requests (1 failed), \
             20 tokens sent (10 cached), 60 bytes sent, 40 received"
        );
    }

    #[test]
    fn an_empty_answer_has_no_share() {
        assert_eq!(Split::default().share(), 0.0);
    }

    #[test]
    fn absurd_server_counts_do_not_overflow() {
        let huge = TokenEvent { tokens_sent: u64::MAX, bytes_sent: u64::MAX, ..event(0, Source::Remote) };
        let split: Split = [&huge, &huge].into_iter().collect();
        assert_eq!((split.spent.tokens_sent, split.spent.bytes()), (u64::MAX, u64::MAX));
    }
}
