//! Limits: what a person lets the LLM's help cost, in an answer, a conversation and a day, and the settings that keep to them.

use crate::{
    budget::{Allowance, Budget, Spent},
    settings::Settings,
};
use serde::{Deserialize, Serialize};

/// Seconds of a day.
pub const DAY: u64 = 86_400;

/// The day, of UTC, of a time in seconds after 1970.
pub const fn day(unix: u64) -> u64 {
    unix / DAY
}

/// What a person wants to spend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// The share of tokens to ask of the LLM, 0 to 1; the threshold then moves to meet it.
    pub target_share: Option<f32>,
    /// Of one answer.
    pub answer: Budget,
    /// Of one conversation.
    pub conversation: Budget,
    /// Of one day, over all conversations.
    pub day: Budget,
}

impl Limits {
    /// The settings of a new answer that keeps to these limits, given what was spent before it.
    pub fn apply(&self, settings: Settings, conversation: Spent, today: Spent) -> Settings {
        Settings {
            target_share: self.target_share,
            budget: self.answer.clone(),
            conversation: Allowance { budget: self.conversation.clone(), spent: conversation },
            day: Allowance { budget: self.day.clone(), spent: today },
            ..settings
        }
    }
}

/// What was spent on one day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Days since 1970 (UTC).
    day: u64,
    spent: Spent,
}

impl Day {
    /// What was spent on the day of `now`, in seconds since 1970.
    pub fn spent(&self, now: u64) -> Spent {
        if self.day == day(now) { self.spent.clone() } else { Spent::default() }
    }

    /// Counts what was spent at `now`; what an earlier day spent is forgotten.
    pub fn add(&mut self, spent: &Spent, now: u64) {
        *self = Self { day: day(now), spent: self.spent(now).plus(spent) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::Prices;

    #[test]
    fn the_tightest_limit_ends_escalation() {
        let calls = |limit| Budget { calls: Some(limit), ..Budget::default() };
        let limits = Limits { target_share: Some(0.1), answer: calls(9), conversation: calls(5), day: calls(8) };
        let before = |calls| Spent { calls, ..Spent::default() };
        let settings = limits.apply(Settings::default(), before(3), before(4));
        assert_eq!(settings.target_share, Some(0.1));
        assert!(settings.allows(&before(1)) && !settings.allows(&before(2)), "the conversation's is spent first");
        let settings = limits.apply(Settings::default(), before(0), before(7));
        assert!(settings.allows(&before(0)) && !settings.allows(&before(1)), "here the day's");
        let free = Limits::default().apply(Settings::default(), before(u64::MAX), before(u64::MAX));
        assert_eq!(free.prices, Prices::default());
        assert!(free.allows(&before(u64::MAX)));
    }

    #[test]
    fn a_new_day_begins_at_nothing() {
        let (mut day, spent) = (Day::default(), Spent { calls: 2, ..Spent::default() });
        day.add(&spent, 5 * DAY + 1);
        day.add(&spent, 6 * DAY - 1);
        assert_eq!((day.spent(5 * DAY).calls, day.spent(6 * DAY).calls), (4, 0));
        day.add(&spent, 6 * DAY);
        assert_eq!((day.spent(6 * DAY + 7).calls, day.spent(5 * DAY).calls), (2, 0));
    }

    #[test]
    fn absent_limits_read_as_none() {
        let limits: Limits = serde_json::from_str(r#"{"day":{"usd":0.5}}"#).unwrap();
        assert_eq!(limits, Limits { day: Budget { usd: Some(0.5), ..Budget::default() }, ..Limits::default() });
    }
}
