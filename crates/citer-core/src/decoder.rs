//! The routed decoder: the one loop that makes an answer, used wherever the SLM and the LLM work together.

use crate::{
    ahead::{Ahead, Limits, milliseconds_since},
    answer::{Answer, DecodeError, Finish},
    budget::Spent,
    escalation::{Decision, is_wanted, refusal},
    event::{Candidate, Source, TokenEvent, TokenId},
    local::{LocalModel, LocalStep},
    prefix::PrefixCache,
    remote::RemoteModel,
    settings::Settings,
    share::ShareController,
    stop::StopFlag,
    text::Utf8Stream,
};
use std::collections::VecDeque;
use web_time::Instant;

/// Makes answers with one local model and remembers what its KV cache holds, so that a conversation that grows
/// is not computed again. Use one decoder per local model.
#[derive(Debug, Default)]
pub struct RoutedDecoder {
    /// The ids in the local model's KV cache.
    cached: PrefixCache,
    /// Moves the threshold towards a wanted share, over all answers with the same one.
    share: Option<ShareController>,
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
    /// - While a request is under way the SLM may go on from its own token; the answer's tokens are the same either way.
    /// - Both models choose as `settings.sampling` says. The router judges the state before the token, whichever token is
    ///   drawn from it; *agreed* means that both drew the same one.
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
        local.sample(settings.sampling);
        remote.sample(settings.sampling);
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
        // The prompt and the answer so far. The KV cache holds less of it, or more once the SLM went ahead.
        let mut sequence: Vec<TokenId> = prompt.iter().copied().chain(events.iter().map(|event| event.id)).collect();
        self.reuse(local, &sequence);
        self.aim(settings, &events);
        let mut ahead = Ahead::default();
        let mut rest = VecDeque::new();
        let finish = loop {
            if events.len() >= settings.max_tokens {
                break Finish::Length;
            }
            if sequence.len() > local.capacity() {
                break Finish::Context;
            }
            if stop.is_stopped() {
                break Finish::Stopped;
            }
            let made = match ahead.take() {
                Some(made) => made,
                None => self.feed(local, &sequence).await,
            };
            let (step, compute_ms) = match made {
                Ok(made) => made,
                // A model that computes in parts may leave the rest out once the flag is up.
                Err(_) if stop.is_stopped() => break Finish::Stopped,
                Err(source) => return Err(DecodeError::Local { source, events, tail: text.finish() }),
            };
            if stop.is_stopped() {
                break Finish::Stopped;
            }
            let threshold = self.threshold(settings);
            let wanted = is_wanted(settings, step.score, threshold);
            let mut decision = if let Some(token) = rest.pop_front() {
                Decision::rest(&step, token)
            } else if !wanted {
                Decision::keep(&step, Source::Local)
            } else if let Some(reason) = refusal(settings, &spent) {
                Decision::keep(&step, Source::Forced(reason))
            } else {
                let stands = |next: &LocalStep| !is_wanted(settings, next.score, threshold);
                let steps = if settings.hide_wait { settings.max_tokens - events.len() - 1 } else { 0 };
                let limits = Limits { steps, stands: &stands, stopped: &|| stop.is_stopped() };
                let request = remote.next_token(&sequence);
                let (outcome, wait_ms, worked_ms) =
                    ahead.wait(local, &mut self.cached, step.token, request, limits).await;
                let decision = Decision::of(&step, outcome, vocab);
                let hidden_ms = if decision.id == step.token { worked_ms } else { 0.0 };
                Decision { wait_ms, hidden_ms, retries: remote.retries(), ..decision }
            };
            rest.extend(decision.reply.iter_mut().flat_map(|reply| std::mem::take(&mut reply.rest)));
            if let Some(share) = &mut self.share {
                share.add(step.score, decision.source != Source::Local);
            }
            if decision.id != step.token {
                self.take_back(local, &mut ahead, sequence.len());
            }
            let (id, is_end) = (decision.id, local.is_end(decision.id));
            let piece = if is_end { String::new() } else { text.push(&local.token_bytes(id)) };
            let event = event(events.len(), piece, step, decision, threshold, compute_ms, vocab);
            on_event(&event);
            spent.add(&event);
            events.push(event);
            sequence.push(id);
            if is_end {
                break Finish::End;
            }
        };
        Ok(Answer { events, tail: text.finish(), finish })
    }

    /// Feeds what the KV cache lacks of `sequence`, and returns the step after it with the milliseconds it took.
    async fn feed<L: LocalModel>(&mut self, local: &mut L, sequence: &[TokenId]) -> Result<(LocalStep, f64), L::Error> {
        let begun = Instant::now();
        let next = &sequence[self.cached.ids().len().min(sequence.len() - 1)..];
        match local.feed(next).await {
            Ok(step) => {
                self.cached.extend(next);
                Ok((step, milliseconds_since(begun)))
            }
            Err(error) => {
                self.cached.clear();
                Err(error)
            }
        }
    }

    /// Drops what the SLM made after the first `length` ids.
    fn take_back<L: LocalModel>(&mut self, local: &mut L, ahead: &mut Ahead<L::Error>, length: usize) {
        ahead.clear();
        if self.cached.ids().len() > length {
            self.cached.truncate(length);
            local.truncate(length);
        }
    }

    /// Takes up the wanted share where the answer before left it, or with the `events` of this one.
    fn aim(&mut self, settings: &Settings, events: &[TokenEvent]) {
        let Some(wanted) = settings.target_share else {
            self.share = None;
            return;
        };
        if self.share.as_ref().is_none_or(|share| share.share() != wanted) {
            let mut share = ShareController::new(wanted);
            events.iter().for_each(|event| share.add(event.score, event.source != Source::Local));
            self.share = Some(share);
        }
    }

    fn threshold(&self, settings: &Settings) -> f32 {
        self.share.as_ref().map_or(settings.threshold, |share| share.threshold(settings.threshold))
    }

    /// Cuts the KV cache to what it shares with `prompt`, short of the last token so that there is one to feed.
    fn reuse<L: LocalModel>(&mut self, local: &mut L, prompt: &[TokenId]) {
        // Another length means that someone else used or reset the model, or an answer was dropped half way.
        if local.position() != self.cached.ids().len() {
            self.cached.clear();
        }
        let kept = self.cached.reuse(prompt);
        if local.position() > kept {
            local.truncate(kept);
        }
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
    if !settings.is_finite() {
        return Err(DecodeError::NotANumber);
    }
    settings.sampling.check().map_err(DecodeError::Sampling)?;
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
    let Decision { id, source, reply, wait_ms, hidden_ms, retries } = decision;
    let cost = |count: fn(&crate::remote::RemoteToken) -> u64| reply.as_ref().map_or(0, count);
    TokenEvent {
        index,
        id,
        text,
        source,
        score: finite_score(step.score),
        threshold,
        own: Some(step.token),
        local: usable(step.top, vocab),
        bytes_sent: cost(|reply| reply.bytes_sent),
        bytes_received: cost(|reply| reply.bytes_received),
        tokens_sent: cost(|reply| reply.tokens_sent),
        tokens_cached: cost(|reply| reply.tokens_cached),
        tokens_received: cost(|reply| reply.tokens_received),
        server_ms: reply.as_ref().map_or(0.0, |reply| finite(reply.server_ms)),
        retries,
        reserved: reply.as_ref().is_some_and(|reply| reply.reserved),
        remote: usable(reply.map(|reply| reply.top).unwrap_or_default(), vocab),
        compute_ms,
        wait_ms,
        hidden_ms,
    }
}

/// A server's own figure may be nonsense.
fn finite(milliseconds: f64) -> f64 {
    if milliseconds.is_finite() { milliseconds.max(0.0) } else { 0.0 }
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
