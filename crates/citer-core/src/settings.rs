//! Settings of one answer: mode, threshold, length and budget.

use crate::budget::Budget;
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
    /// What escalation may cost.
    pub budget: Budget,
    /// Failed requests in one answer after which no more are tried.
    pub max_failures: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { mode: Mode::Router, threshold: 0.5, max_tokens: 256, budget: Budget::default(), max_failures: 3 }
    }
}

impl Settings {
    /// CITER's rule (arXiv 2502.01976): the SLM's token stands when the router's score reaches the threshold. A
    /// score that is not a number counts as critical.
    pub fn is_critical(&self, score: f32) -> bool {
        score.is_nan() || score < self.threshold
    }
}
