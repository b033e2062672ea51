//! What an evaluation measured, question by question: the input of curves, costs and the report.

use crate::error::TrainError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What one question cost and gave under one policy at one setting.
///
/// Serialised as `[right, tokens, remote, prompt, sent, suffix]`, because a report holds very many of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Row", from = "Row")]
pub struct Outcome {
    /// Whether the judge accepted the answer.
    pub right: bool,
    /// Tokens of the answer, the end token included.
    pub tokens: u32,
    /// Those of them that the LLM made.
    pub remote: u32,
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Tokens sent to an API without memory: the lengths of the prefixes of all calls together.
    pub sent: u64,
    /// Tokens sent within a session: only those that the server had not seen.
    pub suffix: u64,
}

type Row = (u8, u32, u32, u32, u64, u64);

impl From<Outcome> for Row {
    fn from(o: Outcome) -> Self {
        (o.right.into(), o.tokens, o.remote, o.prompt, o.sent, o.suffix)
    }
}

impl From<Row> for Outcome {
    fn from((right, tokens, remote, prompt, sent, suffix): Row) -> Self {
        Self { right: right != 0, tokens, remote, prompt, sent, suffix }
    }
}

/// A policy over its settings: `outcomes[setting][question]`, the questions in the same order for all policies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The policy's name.
    pub policy: String,
    /// The setting (threshold) of each list of outcomes.
    pub thresholds: Vec<f64>,
    /// One list a setting, one outcome a question.
    pub outcomes: Vec<Vec<Outcome>>,
    /// Answers at each setting that leave the recorded answers of both models, so that decoding went on from where they
    /// do; all others are read off the record. Empty where nothing was recorded.
    #[serde(default)]
    pub diverged: Vec<u64>,
}

/// A whole measurement: all policies and both models alone, on the same questions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The family of each question.
    pub families: Vec<String>,
    /// The SLM alone.
    pub slm: Vec<Outcome>,
    /// The LLM alone.
    pub llm: Vec<Outcome>,
    /// The policies.
    pub sweeps: Vec<Sweep>,
}

impl Sweep {
    /// The setting whose threshold is closest to `threshold`.
    pub fn nearest(&self, threshold: f64) -> Option<usize> {
        let distance = |i: usize| (self.thresholds[i] - threshold).abs();
        (0..self.thresholds.len()).min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
    }
}

impl Measurement {
    /// Refuses a measurement from which figures would be wrong: lists of different lengths, questions in another order
    /// (their prompts differ), counts that contradict each other, a policy named twice.
    pub fn check(&self) -> Result<(), TrainError> {
        let wrong = |what: String| Err(TrainError::Settings(format!("the measurement contradicts itself: {what}")));
        if self.families.is_empty() {
            return wrong("it has no questions".into());
        }
        self.check_list("SLM", &self.slm, false)?;
        self.check_list("LLM", &self.llm, false)?;
        let mut names = BTreeSet::new();
        for sweep in &self.sweeps {
            if !names.insert(&sweep.policy) {
                return wrong(format!("{} comes twice", sweep.policy));
            }
            if sweep.thresholds.len() != sweep.outcomes.len() || sweep.thresholds.iter().any(|t| !t.is_finite()) {
                return wrong(format!("{} needs one finite threshold for each of its settings", sweep.policy));
            }
            let beyond = |count: &u64| *count > self.families.len() as u64;
            if !sweep.diverged.is_empty() && sweep.diverged.len() != sweep.outcomes.len()
                || sweep.diverged.iter().any(beyond)
            {
                return wrong(format!("{} has other settings or questions that diverge", sweep.policy));
            }
            for outcomes in &sweep.outcomes {
                self.check_list(&sweep.policy, outcomes, true)?;
            }
        }
        Ok(())
    }

    fn check_list(&self, name: &str, outcomes: &[Outcome], routed: bool) -> Result<(), TrainError> {
        let wrong = |what: String| Err(TrainError::Settings(format!("the measurement contradicts itself: {what}")));
        if outcomes.len() != self.families.len() {
            return wrong(format!("{name} has {} outcomes for {} questions", outcomes.len(), self.families.len()));
        }
        for (i, (o, slm)) in outcomes.iter().zip(&self.slm).enumerate() {
            if o.prompt != slm.prompt {
                return wrong(format!("question {i} has a prompt of {} tokens, under {name} {}", slm.prompt, o.prompt));
            }
            if o.remote > o.tokens || o.suffix > o.sent || (routed && o.remote > 0 && o.sent < u64::from(o.prompt)) {
                return wrong(format!("question {i} under {name}: {o:?}"));
            }
        }
        Ok(())
    }

    /// The families in the order of their first question.
    pub fn family_names(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.families.iter().map(String::as_str).filter(|name| seen.insert(*name)).collect()
    }

    /// Indices of a family's questions; of all questions without a family.
    pub fn questions(&self, family: Option<&str>) -> Vec<usize> {
        (0..self.families.len()).filter(|&i| family.is_none_or(|name| self.families[i] == name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(prompt: u32) -> Outcome {
        Outcome { right: true, tokens: 5, remote: 2, prompt, sent: 2 * u64::from(prompt) + 3, suffix: 13 }
    }

    fn measurement() -> Measurement {
        let list = vec![outcome(10), outcome(12)];
        let sweep = Sweep {
            policy: "router".into(),
            thresholds: vec![0.2, 0.7],
            outcomes: vec![list.clone(); 2],
            diverged: vec![0, 2],
        };
        Measurement { families: vec!["b".into(), "a".into()], slm: list.clone(), llm: list, sweeps: vec![sweep] }
    }

    #[test]
    fn an_outcome_is_stored_as_a_short_row_and_comes_back() {
        let text = serde_json::to_string(&outcome(10)).unwrap();
        assert_eq!(text, "[1,5,2,10,23,13]");
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome(10));
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |change: &dyn Fn(&mut Measurement)| {
            let mut m = measurement();
            change(&mut m);
            m.check().is_err()
        };
        assert!(!refused(&|_| ()));
        assert!(refused(&|m| m.families.clear()));
        assert!(refused(&|m| m.sweeps[0].outcomes[1].swap(0, 1)), "another order of questions");
        assert!(refused(&|m| m.llm.truncate(1)));
        assert!(refused(&|m| m.sweeps[0].outcomes[0][0].remote = 6));
        assert!(refused(&|m| m.sweeps[0].outcomes[0][0].suffix = 99));
        assert!(refused(&|m| m.sweeps[0].thresholds[0] = f64::NAN));
        assert!(refused(&|m| m.sweeps[0].diverged = vec![1]) && refused(&|m| m.sweeps[0].diverged[1] = 3));
        assert!(refused(&|m| m.sweeps.push(m.sweeps[0].clone())));
    }

    #[test]
    fn families_keep_their_order_and_select_their_questions() {
        let m = measurement();
        assert_eq!(m.family_names(), ["b", "a"]);
        assert_eq!((m.questions(Some("a")), m.questions(None)), (vec![1], vec![0, 1]));
        assert_eq!((m.sweeps[0].nearest(0.4), m.sweeps[0].nearest(0.5)), (Some(0), Some(1)));
    }
}
