//! Escalation: whether one token is asked of the LLM, and what came of it.

use crate::{
    budget::Spent,
    event::{ForcedReason, Source, TokenId},
    local::LocalStep,
    remote::{RemoteModel, RemoteToken},
    settings::{Mode, Settings},
};
use web_time::Instant;

/// The token that stands, who made it, and the LLM's answer if one came, usable or not.
pub(crate) struct Decision {
    pub id: TokenId,
    pub source: Source,
    pub reply: Option<RemoteToken>,
    pub wait_ms: f64,
}

/// Decides on the SLM's `step` after `prefix`. Whatever goes wrong remotely, the SLM's token stands.
pub(crate) async fn decide<R: RemoteModel>(
    remote: &mut R,
    prefix: &[TokenId],
    step: &LocalStep,
    settings: &Settings,
    spent: &Spent,
    vocab: usize,
) -> Decision {
    let keep = |source| Decision { id: step.token, source, reply: None, wait_ms: 0.0 };
    let ask = match settings.mode {
        Mode::LocalOnly => false,
        Mode::Router => settings.is_critical(step.score),
        Mode::RemoteOnly => true,
    };
    if !ask {
        return keep(Source::Local);
    }
    if spent.failures >= settings.max_failures as u64 {
        return keep(Source::Forced(ForcedReason::Cooldown));
    }
    if !settings.budget.allows(spent) {
        return keep(Source::Forced(ForcedReason::Budget));
    }
    let begun = Instant::now();
    let outcome = remote.next_token(prefix).await;
    let wait_ms = milliseconds_since(begun);
    match outcome {
        Ok(reply) if reply.token as usize >= vocab => {
            let source = Source::Forced(ForcedReason::BadAnswer);
            Decision { reply: Some(RemoteToken { top: Vec::new(), ..reply }), wait_ms, ..keep(source) }
        }
        Ok(reply) => {
            let source = if reply.token == step.token { Source::Agreed } else { Source::Remote };
            Decision { id: reply.token, source, reply: Some(reply), wait_ms }
        }
        Err(error) => Decision { wait_ms, ..keep(Source::Forced(error.reason())) },
    }
}

pub(crate) fn milliseconds_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}
