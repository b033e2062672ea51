//! Settings of one answer: mode, threshold, length and budget.

use crate::{
    budget::{Allowance, Budget},
    prices::Prices,
    sampling::Sampling,
};
use serde::{Deserialize, Serialize};

/// Who may make tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The SLM alone; no request is made.
    LocalOnly,
    /// The router decides token by token.
    #[default]
    Router,
    /// The LLM makes every token; the SLM stands in when it fails.
    RemoteOnly,
}

/// How one answer is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Who may make tokens.
    pub mode: Mode,
    /// A token whose score is below this is critical (0 to 1; higher asks the LLM more often).
    pub threshold: f32,
    /// Most tokens in the answer.
    pub max_tokens: usize,
    /// What escalation may cost in this answer.
    pub budget: Budget,
    /// Tokens of one answer asked for in vain after which no more are.
    pub max_failures: usize,
    /// Whether the SLM goes on from its own token while a request is under way, which is taken back if the LLM disagrees.
    /// The answer's tokens are the same either way.
    #[serde(default)]
    pub hide_wait: bool,
    /// How both models choose their tokens; greedy unless set.
    #[serde(default)]
    pub sampling: Sampling,
    /// The share of tokens to ask of the LLM, 0 to 1: the threshold then moves to meet it. `None` leaves it where it is.
    #[serde(default)]
    pub target_share: Option<f32>,
    /// What the server charges.
    #[serde(default)]
    pub prices: Prices,
    /// The conversation's budget.
    #[serde(default)]
    pub conversation: Allowance,
    /// The day's budget.
    #[serde(default)]
    pub day: Allowance,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Router,
            threshold: 0.5,
            max_tokens: 256,
            budget: Budget::default(),
            max_failures: 3,
            hide_wait: true,
            sampling: Sampling::GREEDY,
            target_share: None,
            prices: Prices::default(),
            conversation: Allowance::default(),
            day: Allowance::default(),
        }
    }
}

impl Settings {
    /// Whether every limit is a number.
    pub(crate) fn is_finite(&self) -> bool {
        let budgets = [&self.budget, &self.conversation.budget, &self.day.budget];
        self.threshold.is_finite()
            && self.target_share.is_none_or(f32::is_finite)
            && budgets.into_iter().all(Budget::is_finite)
    }

    /// Whether every budget permits another request, given what this answer has spent.
    pub fn allows(&self, spent: &crate::budget::Spent) -> bool {
        self.budget.allows(spent, &self.prices)
            && self.conversation.allows(spent, &self.prices)
            && self.day.allows(spent, &self.prices)
    }
}

/// CITER's rule (arXiv 2502.01976): the SLM's token stands when the router's score reaches the threshold. A score that is
/// not a number counts as critical.
pub fn is_critical(score: f32, threshold: f32) -> bool {
    score.is_nan() || score < threshold
}
