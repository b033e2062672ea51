//! Measures of the split over many answers: share over time, scores, wasted calls, waits, bill and break-even.

use crate::conversation::Conversation;
use crate::exchange::Exchange;
use citer_core::prices::Prices;
use citer_core::waits::Waits;
use citer_core::{Source, Spent, Split, TokenEvent};

/// What is kept of one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// When it was asked.
    pub asked: u64,
    /// Who made how much of it.
    pub split: Split,
    /// Its waits.
    pub waits: Waits,
    /// Tokens of its prompt, where they are known.
    pub prompt: u64,
    /// Score and source of every token.
    pub scores: Vec<(f32, Source)>,
    /// Milliseconds that were waited for each token that was asked for.
    pub calls_ms: Vec<f64>,
}

impl From<&Exchange> for Answer {
    fn from(exchange: &Exchange) -> Self {
        let events = || exchange.tokens.iter().map(|token| &token.event);
        let paid = |event: &TokenEvent| (event.wait_ms - event.hidden_ms).max(0.0);
        Self {
            asked: exchange.asked,
            split: exchange.split.clone(),
            waits: events().collect(),
            prompt: exchange.trace.as_ref().map_or(0, |trace| trace.prompt.len() as u64),
            scores: events().map(|event| (event.score, event.source)).collect(),
            calls_ms: events().filter(|event| event.source.was_asked()).map(paid).collect(),
        }
    }
}

/// Measures over answers in the order they were asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// The answers.
    pub answers: Vec<Answer>,
}

/// Tokens whose scores lie in one part of the scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// Tokens that the small model made unasked.
    pub local: u64,
    /// Tokens that both made.
    pub agreed: u64,
    /// Tokens of the large model.
    pub remote: u64,
    /// Tokens of the small model that were to be asked for.
    pub forced: u64,
}

impl Bin {
    /// All of them.
    pub fn total(self) -> u64 {
        self.local + self.agreed + self.remote + self.forced
    }
}

/// What answers cost, in US dollars by a price table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bill {
    /// What was really sent and received.
    pub routed: f64,
    /// The same answers made by the large model alone, one request each.
    pub llm_only: f64,
    /// The share of tokens at which both are equal, for these requests.
    pub break_even: Option<f64>,
}

impl Statistics {
    /// Those of the answers that a conversation shows.
    pub fn of(conversation: &Conversation) -> Self {
        let answers = conversation.shown().filter(|exchange| !exchange.tokens.is_empty()).map(Answer::from).collect();
        Self { answers }
    }

    /// Adds other answers.
    pub fn extend(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.answers.sort_by_key(|answer| answer.asked);
    }

    /// Tokens in all.
    pub fn tokens(&self) -> u64 {
        self.answers.iter().map(|answer| answer.split.tokens()).sum()
    }

    /// What was spent in all.
    pub fn spent(&self) -> Spent {
        self.answers.iter().fold(Spent::default(), |sum, answer| sum.plus(&answer.split.spent))
    }

    /// The share of remote tokens of each answer, and of all up to it.
    pub fn shares(&self) -> Vec<(f64, f64)> {
        let (mut remote, mut tokens) = (0u64, 0u64);
        let one = |answer: &Answer| {
            remote += answer.split.spent.remote_tokens;
            tokens += answer.split.tokens();
            (answer.split.share(), if tokens == 0 { 0.0 } else { remote as f64 / tokens as f64 })
        };
        self.answers.iter().map(one).collect()
    }

    /// The scores in `bins` equal parts of 0 to 1.
    pub fn histogram(&self, bins: usize) -> Vec<Bin> {
        let mut histogram = vec![Bin::default(); bins.max(1)];
        for (score, source) in self.scores() {
            let place = ((score.clamp(0.0, 1.0) * bins as f32) as usize).min(histogram.len() - 1);
            let bin = &mut histogram[place];
            match source {
                Source::Local => bin.local += 1,
                Source::Agreed => bin.agreed += 1,
                Source::Remote => bin.remote += 1,
                Source::Forced(_) => bin.forced += 1,
            }
        }
        histogram
    }

    fn scores(&self) -> impl Iterator<Item = (f32, Source)> + '_ {
        self.answers.iter().flat_map(|answer| answer.scores.iter().copied())
    }

    /// The share of these tokens whose scores are below `threshold`.
    pub fn below(&self, threshold: f32) -> f64 {
        let below = self.scores().filter(|(score, _)| *score < threshold || *score == 0.0).count();
        if self.tokens() == 0 { 0.0 } else { below as f64 / self.tokens() as f64 }
    }

    /// Answered requests that brought the small model's own token, and all answered ones.
    pub fn wasted(&self) -> (u64, u64) {
        let sum = |count: fn(&Split) -> u64| self.answers.iter().map(|answer| count(&answer.split)).sum::<u64>();
        (sum(|split| split.agreed), sum(|split| split.agreed + split.remote))
    }

    /// The waits of all answers.
    pub fn waits(&self) -> Waits {
        let mut sum = Waits::default();
        for Answer { waits, .. } in &self.answers {
            sum.tokens += waits.tokens;
            sum.compute_ms += waits.compute_ms;
            sum.answered += waits.answered;
            sum.agreed += waits.agreed;
            sum.reserved += waits.reserved;
            sum.hidden_ms += waits.hidden_ms;
            sum.paid_ms += waits.paid_ms;
            sum.server_ms += waits.server_ms;
            sum.timed += waits.timed;
        }
        sum
    }

    /// Median and 95th percentile of the time that was waited for a token, in milliseconds.
    pub fn call_times(&self) -> Option<(f64, f64)> {
        let mut all: Vec<f64> = self.answers.iter().flat_map(|answer| answer.calls_ms.iter().copied()).collect();
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all.get(((all.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied();
        Some((at(0.5)?, at(0.95)?))
    }

    /// What the answers cost by a price table. Making everything on the device costs nothing there.
    pub fn bill(&self, prices: &Prices) -> Bill {
        let mut routed = 0.0;
        let mut llm_only = 0.0;
        for answer in &self.answers {
            // A record that does not say what the large model made counts one token an answer.
            let spent = &answer.split.spent;
            let made = spent.tokens_received.max(spent.remote_tokens);
            routed += prices.usd(&Spent { tokens_received: made, ..spent.clone() });
            let tokens = answer.split.tokens();
            let alone = Spent { tokens_sent: answer.prompt, tokens_received: tokens, ..Spent::default() };
            llm_only += prices.usd(&alone);
        }
        let remote: u64 = self.answers.iter().map(|answer| answer.split.spent.remote_tokens).sum();
        let break_even = (routed > 0.0 && self.tokens() > 0)
            .then(|| (llm_only / routed * remote as f64 / self.tokens() as f64).min(1.0));
        Bill { routed, llm_only, break_even }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::tests::branched;

    #[test]
    fn shares_follow_the_answers_and_wasted_calls_are_those_that_agreed() {
        let statistics = Statistics::of(&branched());
        assert_eq!(statistics.shares(), [(0.5, 0.5), (1.0, 2.0 / 3.0)]);
        assert_eq!(statistics.wasted(), (1, 2));
        assert_eq!((statistics.tokens(), statistics.call_times()), (3, Some((0.0, 0.0))));
    }

    #[test]
    fn every_score_is_in_the_histogram_and_the_threshold_counts_those_below() {
        let statistics = Statistics::of(&branched());
        let bins = statistics.histogram(4);
        assert_eq!(bins.iter().map(|bin| bin.total()).sum::<u64>(), 3);
        assert_eq!((bins[1].remote, bins[1].agreed, bins[3].local), (1, 1, 1));
        assert_eq!([statistics.below(0.2), statistics.below(0.5), statistics.below(1.0)], [0.0, 2.0 / 3.0, 1.0]);
        assert_eq!(Statistics::default().histogram(3), [Bin::default(); 3]);
    }

    #[test]
    fn the_bill_counts_what_was_sent_and_what_one_request_would_have_sent() {
        let mut statistics = Statistics::of(&branched());
        let answer = &mut statistics.answers[0];
        answer.split.spent =
            Spent { tokens: 2, remote_tokens: 1, tokens_sent: 100, tokens_cached: 60, ..Spent::default() };
        answer.prompt = 50;
        statistics.answers.truncate(1);
        let bill = statistics.bill(&Prices { prompt: 1.0, cached: 0.5, output: 10.0 });
        assert!((bill.routed - (40.0 + 30.0 + 10.0) / 1e6).abs() < 1e-12, "{bill:?}");
        assert!((bill.llm_only - (50.0 + 20.0) / 1e6).abs() < 1e-12, "{bill:?}");
        assert!((bill.break_even.unwrap() - 70.0 / 80.0 * 0.5).abs() < 1e-9, "{bill:?}");
        assert_eq!(statistics.bill(&Prices::default()).break_even, None);
    }

    #[test]
    fn conversations_add_up_in_the_order_of_time() {
        let mut all = Statistics::of(&branched());
        let mut earlier = all.clone();
        earlier.answers.iter_mut().for_each(|answer| answer.asked = 0);
        all.extend(earlier);
        assert_eq!((all.answers.len(), all.tokens(), all.answers[0].asked), (4, 6, 0));
    }
}
