//! What answers made models and network do: counts only, before any price.

use crate::sweep::Outcome;
use serde::Serialize;

/// Sums over a list of questions.
///
/// A policy that asks token by token runs the SLM for every token (its state decides) and makes one call a remote
/// token. Where the calls sent the bare prompt and nothing more, there was one call, which streamed all remote tokens:
/// the LLM alone, or a policy that routes whole questions. The SLM runs for none of those tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Questions.
    pub questions: u64,
    /// Tokens of all answers.
    pub tokens: u64,
    /// Those made by the LLM.
    pub remote: u64,
    /// Requests.
    pub calls: u64,
    /// Tokens sent to an API without memory.
    pub sent: u64,
    /// Tokens sent within sessions; also those that a server with a perfect prefix cache computes.
    pub suffix: u64,
    /// Tokens for which the SLM ran.
    pub slm_steps: u64,
    /// Positions of its KV cache that the SLM read, over all its steps.
    pub slm_positions: u64,
    /// Positions of its KV cache that the LLM read, over all its tokens.
    pub llm_positions: u64,
}

impl Work {
    /// Of outcomes as measured.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut sum = Self::default();
        for o in outcomes {
            let streamed = streamed(o);
            let slm_steps = u64::from(if streamed { o.tokens - o.remote.min(o.tokens) } else { o.tokens });
            sum.questions += 1;
            sum.tokens += u64::from(o.tokens);
            sum.remote += u64::from(o.remote);
            sum.calls += if streamed { 1 } else { o.remote.into() };
            sum.sent += o.sent;
            sum.suffix += o.suffix;
            sum.slm_steps += slm_steps;
            sum.slm_positions += positions(o.prompt, slm_steps);
            sum.llm_positions += if streamed { positions(o.prompt, o.remote.into()) } else { o.sent };
        }
        sum
    }

    /// Of answers that the LLM makes alone: one streaming call a question.
    pub fn of_llm(outcomes: &[Outcome]) -> Self {
        let alone = |o: &Outcome| Outcome { remote: o.tokens, sent: o.prompt.into(), suffix: o.prompt.into(), ..*o };
        Self::of(&outcomes.iter().map(alone).collect::<Vec<_>>())
    }

    /// Of answers that the SLM makes alone: no call.
    pub fn of_slm(outcomes: &[Outcome]) -> Self {
        let alone = |o: &Outcome| Outcome { remote: 0, sent: 0, suffix: 0, ..*o };
        Self::of(&outcomes.iter().map(alone).collect::<Vec<_>>())
    }

    /// Tokens sent that a server with a perfect prefix cache need not compute.
    pub fn cached(&self) -> u64 {
        self.sent - self.suffix.min(self.sent)
    }

    /// Share of tokens made by the LLM, 0 to 1.
    pub fn share(&self) -> f64 {
        self.remote as f64 / self.tokens.max(1) as f64
    }
}

fn streamed(o: &Outcome) -> bool {
    o.sent == u64::from(o.prompt) && (o.remote > 1 || (o.remote == 1 && o.tokens == 1))
}

/// Cache positions that `steps` tokens after a prompt read together: the token at place i reads prompt + i of them.
fn positions(prompt: u32, steps: u64) -> u64 {
    u64::from(prompt) * steps + steps * steps.saturating_sub(1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prompt of 10, answer of 4; the LLM makes the tokens at places 1 and 3: prefixes of 11 and 13.
    const ROUTED: Outcome = Outcome { right: true, tokens: 4, remote: 2, prompt: 10, sent: 24, suffix: 13 };

    #[test]
    fn token_by_token_every_remote_token_is_a_call_and_the_slm_always_runs() {
        let work = Work::of(&[ROUTED, ROUTED]);
        assert_eq!((work.questions, work.tokens, work.remote, work.calls), (2, 8, 4, 4));
        assert_eq!((work.sent, work.suffix, work.cached()), (48, 26, 22));
        // The SLM reads 10 + 11 + 12 + 13 positions an answer, the LLM the two prefixes.
        assert_eq!((work.slm_steps, work.slm_positions, work.llm_positions), (8, 92, 48));
        assert_eq!(work.share(), 0.5);
    }

    #[test]
    fn the_llm_alone_streams_in_one_call_and_the_slm_alone_makes_none() {
        let llm = Work::of_llm(&[ROUTED]);
        assert_eq!((llm.calls, llm.remote, llm.sent, llm.cached()), (1, 4, 10, 0));
        assert_eq!((llm.slm_steps, llm.slm_positions, llm.llm_positions), (0, 0, 46));
        let slm = Work::of_slm(&[ROUTED]);
        assert_eq!((slm.calls, slm.remote, slm.sent, slm.slm_steps, slm.llm_positions), (0, 0, 0, 4, 0));
    }

    #[test]
    fn a_question_routed_as_a_whole_counts_as_the_llm_alone() {
        let whole = Outcome { remote: 4, sent: 10, suffix: 10, ..ROUTED };
        assert_eq!(Work::of(&[whole]), Work::of_llm(&[ROUTED]));
        // One remote token among others is token by token even when it is the first one.
        let first = Outcome { remote: 1, sent: 10, suffix: 10, ..ROUTED };
        assert_eq!((Work::of(&[first]).calls, Work::of(&[first]).slm_steps), (1, 4));
    }
}
