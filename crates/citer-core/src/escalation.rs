//! Escalation: whether one token is asked of the LLM, and what came of it.

use crate::{
    budget::Spent,
    event::{ForcedReason, Source, TokenId},
    local::LocalStep,
    remote::{RemoteError, RemoteToken},
    settings::{Mode, Settings, is_critical},
};

/// The token that stands, who made it, and the LLM's answer if one came, usable or not.
pub(crate) struct Decision {
    pub id: TokenId,
    pub source: Source,
    pub reply: Option<RemoteToken>,
    pub wait_ms: f64,
    pub hidden_ms: f64,
    pub retries: u32,
}

impl Decision {
    /// The SLM's token stands.
    pub fn keep(step: &LocalStep, source: Source) -> Self {
        Self { id: step.token, source, reply: None, wait_ms: 0.0, hidden_ms: 0.0, retries: 0 }
    }

    /// A token that the LLM said together with the one before it.
    pub fn rest(step: &LocalStep, token: TokenId) -> Self {
        let reply = RemoteToken { token, reserved: true, ..RemoteToken::default() };
        Self { id: token, source: source(step, token), reply: Some(reply), wait_ms: 0.0, hidden_ms: 0.0, retries: 0 }
    }

    /// What the LLM's answer to a request makes of the SLM's `step`. Whatever went wrong, the SLM's token stands.
    pub fn of(step: &LocalStep, outcome: Result<RemoteToken, RemoteError>, vocab: usize) -> Self {
        let unknown = |id: &TokenId| *id as usize >= vocab;
        match outcome {
            Ok(reply) if unknown(&reply.token) || reply.rest.iter().any(unknown) => {
                let reply = RemoteToken { top: Vec::new(), rest: Vec::new(), ..reply };
                Self { reply: Some(reply), ..Self::keep(step, Source::Forced(ForcedReason::BadAnswer)) }
            }
            Ok(reply) => {
                let (id, source) = (reply.token, source(step, reply.token));
                Self { id, source, reply: Some(reply), wait_ms: 0.0, hidden_ms: 0.0, retries: 0 }
            }
            Err(error) => Self::keep(step, Source::Forced(error.reason())),
        }
    }
}

fn source(step: &LocalStep, token: TokenId) -> Source {
    if token == step.token { Source::Agreed } else { Source::Remote }
}

/// Whether the mode and the score call for the LLM.
pub(crate) fn is_wanted(settings: &Settings, score: f32, threshold: f32) -> bool {
    match settings.mode {
        Mode::LocalOnly => false,
        Mode::Router => is_critical(score, threshold),
        Mode::RemoteOnly => true,
    }
}

/// Why a wanted request is not made, if so.
pub(crate) fn refusal(settings: &Settings, spent: &Spent) -> Option<ForcedReason> {
    if spent.failures >= settings.max_failures as u64 {
        return Some(ForcedReason::Cooldown);
    }
    (!settings.allows(spent)).then_some(ForcedReason::Budget)
}
