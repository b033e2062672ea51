//! What if the threshold had been another one: a finished answer's tokens as they would have been made, from its record
//! alone. Exact up to the first token that would have been another one; beyond it the scores are those of another text.

use citer_core::{Source, TokenEvent};

/// Who would have made a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// The small model, unasked.
    Local,
    /// Both: the large model would have agreed.
    Agreed,
    /// The large model.
    Remote,
    /// The small model, since the large one could not be asked.
    Forced,
    /// The large model would have been asked; what it would have said is not known.
    Asked,
}

impl Maker {
    /// The word that marks it on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Agreed => "agreed",
            Self::Remote => "remote",
            Self::Forced => "forced",
            Self::Asked => "asked",
        }
    }
}

/// An answer at another threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// Who would have made each token.
    pub makers: Vec<Maker>,
    /// Tokens up to which this is exact.
    pub exact: usize,
    /// The first other token where it is known: the small model's own choice, by its place among its candidates.
    pub instead: Option<usize>,
}

impl WhatIf {
    /// The answer of these tokens at `threshold`.
    pub fn new(events: &[TokenEvent], threshold: f32) -> Self {
        let mut exact = None;
        let mut instead = None;
        let mut makers = Vec::with_capacity(events.len());
        for (place, event) in events.iter().enumerate() {
            // A score that was no number is recorded as 0 and is critical at every threshold.
            let critical = event.score < threshold || event.score == 0.0;
            let (maker, stays) = match (event.source, critical) {
                (Source::Local, false) => (Maker::Local, true),
                (Source::Local, true) => (Maker::Asked, false),
                (Source::Agreed, true) => (Maker::Agreed, true),
                (Source::Remote, true) => (Maker::Remote, true),
                (Source::Forced(_), true) => (Maker::Forced, true),
                // The small model's token stood anyway.
                (Source::Agreed | Source::Forced(_), false) => (Maker::Local, true),
                (Source::Remote, false) => {
                    let own = event.own.or_else(|| event.local.first().map(|best| best.id));
                    if own != Some(event.id) && exact.is_none() {
                        instead = event.local.iter().position(|candidate| Some(candidate.id) == own);
                    }
                    (Maker::Local, own == Some(event.id))
                }
            };
            if !stays && exact.is_none() {
                exact = Some(place);
            }
            makers.push(maker);
        }
        Self { exact: exact.unwrap_or(events.len()), makers, instead }
    }

    /// Share of tokens that would have been asked of the large model; exact only where [`Self::exact`] covers them all.
    pub fn share(&self) -> f64 {
        let asked = self.makers.iter().filter(|maker| !matches!(maker, Maker::Local | Maker::Forced)).count();
        if self.makers.is_empty() { 0.0 } else { asked as f64 / self.makers.len() as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::tests::token;
    use citer_core::{Candidate, ForcedReason};

    fn event(index: usize, source: Source, score: f32, own: u32) -> TokenEvent {
        let local = vec![Candidate { id: own, probability: 0.5 }];
        TokenEvent { score, local, ..token(index, "x", source).event }
    }

    #[test]
    fn at_its_own_threshold_an_answer_is_itself() {
        let events = [
            event(0, Source::Local, 0.9, 7),
            event(1, Source::Agreed, 0.1, 7),
            event(2, Source::Remote, 0.2, 8),
            event(3, Source::Forced(ForcedReason::Budget), 0.3, 7),
        ];
        let same = WhatIf::new(&events, 0.5);
        assert_eq!(same.makers, [Maker::Local, Maker::Agreed, Maker::Remote, Maker::Forced]);
        assert_eq!((same.exact, same.share()), (4, 0.5));
    }

    #[test]
    fn a_drawn_token_is_not_the_best_candidate() {
        let best = event(0, Source::Remote, 0.1, 7);
        let local = vec![Candidate { id: 7, probability: 0.5 }, Candidate { id: 4, probability: 0.2 }];
        let drawn = |own| TokenEvent { own: Some(own), local: local.clone(), id: 7, ..best.clone() };
        let lower = WhatIf::new(&[drawn(4)], 0.05);
        assert_eq!((lower.exact, lower.instead), (0, Some(1)), "the small model drew its second candidate");
        let rare = WhatIf::new(&[drawn(90)], 0.05);
        assert_eq!((rare.exact, rare.instead), (0, None), "what it drew is not among the candidates");
    }

    #[test]
    fn below_it_agreed_and_forced_tokens_stay_and_a_remote_one_diverges() {
        let events = [
            event(0, Source::Agreed, 0.1, 7),
            event(1, Source::Forced(ForcedReason::Timeout), 0.1, 7),
            event(2, Source::Remote, 0.1, 7),
            event(3, Source::Remote, 0.1, 8),
            event(4, Source::Local, 0.9, 7),
        ];
        let lower = WhatIf::new(&events, 0.05);
        assert!(lower.makers.iter().all(|maker| *maker == Maker::Local));
        assert_eq!((lower.exact, lower.instead, lower.share()), (3, Some(0), 0.0));
    }

    #[test]
    fn above_it_a_local_token_is_asked_for_and_nobody_knows_what_comes() {
        let events =
            [event(0, Source::Local, 0.9, 7), event(1, Source::Local, 0.6, 7), event(2, Source::Local, 0.95, 7)];
        let higher = WhatIf::new(&events, 0.7);
        assert_eq!(higher.makers, [Maker::Local, Maker::Asked, Maker::Local]);
        assert_eq!((higher.exact, higher.instead), (1, None));
    }

    #[test]
    fn a_score_that_was_no_number_is_critical_at_zero_too() {
        let events = [event(0, Source::Remote, 0.0, 8)];
        assert_eq!(WhatIf::new(&events, 0.0).makers, [Maker::Remote]);
    }
}
