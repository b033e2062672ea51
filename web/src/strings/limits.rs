//! English texts of the limits.

use citer_core::{Limits, Preset, Spent};

pub const LIMITS: &str = "Limits";
pub const TITLE: &str = "How much the large model may help";
pub const PRESET: &str = "Who makes the tokens";
pub const OWN: &str = "Your own threshold";
pub const TARGET: &str = "Aim at this share of tokens, in %";
pub const TARGET_HELP: &str = "The threshold then moves by itself, so that the most doubtful tokens are the ones asked for. Empty: the threshold stays where you put it.";
pub const BUDGETS: &str = "Budgets";
pub const BUDGETS_HELP: &str = "When one is spent the small model goes on alone; an answer never stops for it. They count from the next answer on.";
pub const ANSWER: &str = "Answer";
pub const CONVERSATION: &str = "Chat";
pub const DAY: &str = "Day";
pub const SHARE: &str = "Share, %";
pub const CALLS: &str = "Requests";
pub const TOKENS: &str = "Tokens sent";
pub const KILOBYTES: &str = "Kilobytes";
pub const USD: &str = "US$";
pub const NO_LIMIT: &str = "none";
pub const NO_NUMBER: &str = "No number: the old limit holds.";
pub const RESET: &str = "No limits";
pub const SPENT: &str = "Spent so far";

pub fn preset(preset: Preset) -> &'static str {
    match preset {
        Preset::LocalOnly => "The small model alone",
        Preset::PreferLocal => "The small model unless it doubts",
        Preset::PreferRemote => "The large model unless the small one is nearly certain",
        Preset::RemoteOnly => "The large model alone",
    }
}

/// What a field is for.
pub fn of(what: &str, whose: &str) -> String {
    format!("{what}, {}", whose.to_lowercase())
}

/// What is in force, in a few words.
pub fn in_force(limits: &Limits) -> String {
    let budgets = [&limits.answer, &limits.conversation, &limits.day];
    let budgets = budgets.into_iter().filter(|budget| **budget != Default::default()).count();
    let mut parts = Vec::new();
    if let Some(share) = limits.target_share {
        parts.push(format!("aims at {}", percent(share)));
    }
    match budgets {
        0 => {}
        1 => parts.push("one budget".to_owned()),
        _ => parts.push(format!("{budgets} budgets")),
    }
    if parts.is_empty() { "none set".to_owned() } else { parts.join(", ") }
}

/// What the threshold aims at.
pub fn aims(share: f32) -> String {
    format!("moves to ask for {} of the tokens", percent(share))
}

/// What was spent, with bytes and money in words.
pub fn spent(spent: &Spent, bytes: &str, money: Option<String>) -> String {
    let money = money.map(|money| format!(", {money}")).unwrap_or_default();
    let Spent { remote_tokens, tokens, calls, tokens_sent, .. } = spent;
    format!("{calls} requests, {remote_tokens} of {tokens} tokens, {tokens_sent} tokens sent, {bytes} both ways{money}")
}

fn percent(share: f32) -> String {
    format!("{} %", (share * 1e4).round() / 1e2)
}
