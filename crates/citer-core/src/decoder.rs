//! The routed decoder: the one loop that makes an answer, used wherever the SLM and the LLM work together.

use crate::{
    answer::{Answer, DecodeError, Finish},
    budget::Spent,
    escalation::{Decision, decide, milliseconds_since},
    event::{Candidate, TokenEvent, TokenId},
    local::{LocalModel, LocalStep},
    prefix::PrefixCache,
    remote::RemoteModel,
    settings::Settings,
    stop::StopFlag,
    text::Utf8Stream,
};
use web_time::Instant;

/// Makes answers with one local model and remembers what its KV cache holds, so that a conversation that grows
/// is not computed again. Use one decoder per local model.
#[derive(Debug, Default)]
pub struct RoutedDecoder {
    /// The ids in the local model's KV cache.
    cached: PrefixCache,
}

impl RoutedDecoder {
    /// A decoder that assumes nothing about the KV cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers `prompt`, calling `on_event` once for each token as soon as it stands.
    ///
    /// Rules that never bend:
    /// - Local only makes no request; the router asks exactly for tokens whose score is below the threshold (or
    ///   not a number); remote only asks for every token.
    /// - A failed request, a token outside the vocabulary, a spent budget or too many failures keep the SLM's
    ///   token and mark it forced. None of them ends the answer.
    /// - The end-of-turn token ends the answer whoever chose it; its event has no text.
    /// - A raised stop flag ends the answer before the next token. No request starts after it. A request
    ///   under way is awaited and its token emitted, since it is paid for. A local token that was being
    ///   computed is dropped before anybody has seen it.
    ///
    /// # Errors
    /// A prompt that is empty, too long or of another vocabulary, settings that are not numbers, and a failure of
    /// the local model; the latter carries all tokens emitted so far.
    pub async fn answer<L: LocalModel, R: RemoteModel>(
        &mut self,
        local: &mut L,
        remote: &mut R,
        prompt: &[TokenId],
        settings: &Settings,
        stop: &StopFlag,
        on_event: impl FnMut(&TokenEvent),
    ) -> Result<Answer, DecodeError<L::Error>> {
        self.go_on(local, remote, prompt, Vec::new(), settings, stop, on_event).await
    }

    /// Goes on with an answer of which `events` were emitted before, by another decoder perhaps that is gone: the model
    /// reads their ids again after the prompt. The finished answer holds them and the new ones; what they spent counts.
    /// An answer that had ended stays as it is. The rules are those of [`Self::answer`], and `on_event` hears the new
    /// tokens only.
    ///
    /// # Errors
    /// Those of [`Self::answer`], for the earlier ids too.
    #[expect(clippy::too_many_arguments, reason = "an answer and what came of it before")]
    pub async fn go_on<L: LocalModel, R: RemoteModel>(
        &mut self,
        local: &mut L,
        remote: &mut R,
        prompt: &[TokenId],
        mut events: Vec<TokenEvent>,
        settings: &Settings,
        stop: &StopFlag,
        mut on_event: impl FnMut(&TokenEvent),
    ) -> Result<Answer, DecodeError<L::Error>> {
        check(local, prompt, settings)?;
        let vocab = local.vocab_size();
        if let Some(token) = events.iter().map(|event| event.id).find(|&token| token as usize >= vocab) {
            return Err(DecodeError::UnknownToken { token, vocab });
        }
        let mut spent = Spent::default();
        let mut text = Utf8Stream::default();
        for event in &events {
            spent.add(event);
            if !local.is_end(event.id) {
                text.push(&local.token_bytes(event.id));
            }
        }
        if events.last().is_some_and(|last| local.is_end(last.id)) {
            return Ok(Answer { events, tail: text.finish(), finish: Finish::End });
        }
        let sequence: Vec<TokenId> = prompt.iter().copied().chain(events.iter().map(|event| event.id)).collect();
        let mut next = sequence[self.reuse(local, &sequence)..].to_vec();
        let finish = loop {
            if events.len() >= settings.max_tokens {
                break Finish::Length;
            }
            if self.cached.ids().len() + next.len() > local.capacity() {
                break Finish::Context;
            }
            if stop.is_stopped() {
                break Finish::Stopped;
            }
            let begun = Instant::now();
            let step = match local.feed(&next).await {
                Ok(step) => step,
                // A model that computes in parts may leave the rest out once the flag is up.
                Err(_) if stop.is_stopped() => {
                    self.cached.clear();
                    break Finish::Stopped;
                }
                Err(source) => {
                    self.cached.clear();
                    return Err(DecodeError::Local { source, events, tail: text.finish() });
                }
            };
            let compute_ms = milliseconds_since(begun);
            self.cached.extend(&next);
            next.clear();
            if stop.is_stopped() {
                break Finish::Stopped;
            }
            // The cache now holds exactly the prompt and the answer so far.
            let decision = decide(remote, self.cached.ids(), &step, settings, &spent, vocab).await;
            let (id, is_end) = (decision.id, local.is_end(decision.id));
            let piece = if is_end { String::new() } else { text.push(&local.token_bytes(id)) };
            let event = event(events.len(), piece, step, decision, settings.threshold, compute_ms, vocab);
            on_event(&event);
            spent.add(&event);
            events.push(event);
            if is_end {
                break Finish::End;
            }
            next.push(id);
        };
        Ok(Answer { events, tail: text.finish(), finish })
    }

    /// Cuts the KV cache to what it shares with `prompt`, short of the last token so that there is one to feed,
    /// and returns that length.
    fn reuse<L: LocalModel>(&mut self, local: &mut L, prompt: &[TokenId]) -> usize {
        // Another length means that someone else used or reset the model, or an answer was dropped half way.
        if local.position() != self.cached.ids().len() {
            self.cached.clear();
        }
        let kept = self.cached.reuse(prompt);
        if local.position() > kept {
            local.truncate(kept);
        }
        kept
    }
}

fn check<L: LocalModel>(local: &L, prompt: &[TokenId], settings: &Settings) -> Result<(), DecodeError<L::Error>> {
    let (capacity, vocab) = (local.capacity(), local.vocab_size());
    if prompt.is_empty() {
        return Err(DecodeError::EmptyPrompt);
    }
    if prompt.len() > capacity {
        return Err(DecodeError::PromptTooLong { tokens: prompt.len(), capacity });
    }
    if let Some(&token) = prompt.iter().find(|&&token| token as usize >= vocab) {
        return Err(DecodeError::UnknownToken { token, vocab });
    }
    if !settings.threshold.is_finite() || settings.budget.share.is_some_and(|share| !share.is_finite()) {
        return Err(DecodeError::NotANumber);
    }
    Ok(())
}

fn event(
    index: usize,
    text: String,
    step: LocalStep,
    decision: Decision,
    threshold: f32,
    compute_ms: f64,
    vocab: usize,
) -> TokenEvent {
    let Decision { id, source, reply, wait_ms } = decision;
    let cost = |count: fn(&crate::remote::RemoteToken) -> u64| reply.as_ref().map_or(0, count);
    TokenEvent {
        index,
        id,
        text,
        source,
        score: finite_score(step.score),
        threshold,
        local: usable(step.top, vocab),
        bytes_sent: cost(|reply| reply.bytes_sent),
        bytes_received: cost(|reply| reply.bytes_received),
        tokens_sent: cost(|reply| reply.tokens_sent),
        tokens_cached: cost(|reply| reply.tokens_cached),
        remote: usable(reply.map(|reply| reply.top).unwrap_or_default(), vocab),
        compute_ms,
        wait_ms,
    }
}

/// JSON has no NaN or infinity, so an event must not hold one. A score that is not a number reads 0.
fn finite_score(score: f32) -> f32 {
    if score.is_nan() { 0.0 } else { score.clamp(f32::MIN, f32::MAX) }
}

/// Leaves out candidates that cannot be shown: no such token, or no finite probability.
fn usable(mut top: Vec<Candidate>, vocab: usize) -> Vec<Candidate> {
    top.retain(|candidate| (candidate.id as usize) < vocab && candidate.probability.is_finite());
    top
}
