//! Every English text of the page, in one place.

pub mod answer;
pub mod chats;
pub mod device;
pub mod endpoints;
pub mod ledger;
pub mod limits;
pub mod measure;
pub mod models;
pub mod privacy;
pub mod processor;
pub mod settings;
pub mod shell;

use crate::judge::Judge;
use citer_core::{Finish, ForcedReason, Mode, Source};
use citer_tasks::Family;

pub const NAME: &str = "Citer";
pub const NEW_CHAT: &str = "New conversation";
pub const MENU: &str = "Menu";
pub const THEME_SYSTEM: &str = "Colours: as the system. Change to light";
pub const THEME_LIGHT: &str = "Colours: light. Change to dark";
pub const THEME_DARK: &str = "Colours: dark. Change to the system's";

pub const ENGINE_STARTING: &str = "Starting the engine";
pub const ENGINE_READY: &str = "Engine ready";
pub const ENGINE_FAILED: &str = "Engine stopped";
pub const ENGINE_ERROR_TITLE: &str = "The engine is not running";
pub const ENGINE_ERROR_KEPT: &str = "The conversation and what you typed are kept.";
pub const RESTART: &str = "Restart engine";
pub const REVIVING: &str = "Restarting the engine";
pub const ELSEWHERE: &str = "Runs in another tab";
pub const ELSEWHERE_TITLE: &str = "Another tab runs the engine";
pub const ELSEWHERE_TEXT: &str =
    "Two at once would slow each other down. It starts here as soon as that tab is closed.";
pub const TAKE_OVER: &str = "Use it here instead";
pub const USE_SHIPPED: &str = "Use the built-in model";
pub const NO_SCRIPT: &str = "its program cannot be loaded";

pub const SERVER_UNKNOWN: &str = "Looking for the LLM…";
pub const SERVER_UNAVAILABLE: &str = "No LLM: local only";
pub const PROBE: &str = "Look again";

pub const MODE: &str = "Who may make tokens";
pub const MORE: &str = "Threshold, context and privacy";
pub const MORE_LOCKED: &str = "Threshold, context and privacy. This conversation stays on this device";
pub const THRESHOLD: &str = "Threshold";
pub const THRESHOLD_HELP: &str = "Higher asks the LLM more often.";

pub const PANEL: &str = "Split and legend";
pub const SPLIT_LAST: &str = "Last answer";
pub const SPLIT_ALL: &str = "Conversation";
pub const SPLIT_NONE: &str = "No tokens yet.";
pub const LEGEND: &str = "Who made a token";
pub const LEGEND_HELP: &str = "Point at a token, tap it, or move through an answer with the arrow keys.";

pub const EMPTY_TITLE: &str = "A small model answers here. It asks for help only when it must.";
pub const EMPTY_TEXT: &str = "The small model and its router run in this browser. Where the router doubts the small \
    model's next token, that one token comes from a large model. Try one of these:";

pub const LOG: &str = "Conversation";
pub const YOU: &str = "You";
pub const ANSWER: &str = "Answer";
pub const ANSWER_TEXT: &str = "Answer, token by token. The arrow keys move between tokens.";
pub const WAITING: &str = "Waiting for the engine…";
pub const THINKING: &str = "Reading the question…";
pub const SAVE_TRACE: &str = "Save trace";
pub const SAVE_TRACE_HELP: &str = "Save the full record of this answer as JSON";
pub const ANSWER_FAILED: &str = "This answer could not be finished.";
pub const ANSWER_CUT: &str = "Your question is back in the text field.";

pub const QUESTION: &str = "Your question";
pub const PLACEHOLDER: &str = "Ask a question";
pub const SEND: &str = "Send";
pub const STOP: &str = "Stop";
pub const STOPPING: &str = "Stopping…";
pub const KEYS: &str = "Enter sends · Shift+Enter: new line · Esc stops";

pub const CARD_SLM: &str = "Small model";
pub const CARD_LLM: &str = "Large model";
pub const CARD_COMPUTE: &str = "Compute";
pub const CARD_ASKED: &str = "Asked of";
pub const CARD_WAIT: &str = "Wait: paid / hidden";
pub const CARD_BYTES: &str = "Bytes sent / received";
pub const CARD_TOKENS: &str = "Tokens sent / cached";
pub const CARD_MONEY: &str = "Cost";
pub const CARD_SERVER: &str = "Server's compute";
pub const CARD_RETRIES: &str = "Requests repeated";
pub const CARD_RESERVE: &str = "From the reserve of an earlier request";
pub const END_OF_ANSWER: &str = "end of answer";
pub const NO_TEXT: &str = "part of a character";

pub fn worker_refused(error: &str) -> String {
    format!("The browser refuses to start the engine ({error}). Allow workers for this page, or use another browser.")
}

/// Told beside the answer that goes on.
pub fn revived(death: &str) -> String {
    format!("{} The engine is started again and the answer goes on.", sentence(death))
}

pub fn message_unreadable(error: &str) -> String {
    format!("The engine said something this page does not understand ({error}). Reload the page to update both.")
}

pub fn server_available(name: &str, host: Option<&str>) -> String {
    host.map_or_else(|| format!("LLM: {name}"), |host| format!("LLM: {name} at {host}"))
}

pub fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::LocalOnly => "Local only",
        Mode::Router => "Router",
        Mode::RemoteOnly => "Remote only",
    }
}

/// An error's text as a sentence.
pub fn sentence(error: &str) -> String {
    let mut letters = error.trim().chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if error.trim_end().ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// What the score of a token's card is.
pub fn card_score(judge: Judge) -> &'static str {
    if judge == Judge::Entropy { "Score from entropy" } else { "Router score" }
}

/// What leaves the device in this mode.
pub fn mode_help(mode: Mode, has_server: bool, judge: Judge) -> &'static str {
    match (mode, has_server) {
        (Mode::LocalOnly, _) => "Nothing you type leaves this device.",
        (_, false) => "The LLM is not there, so all tokens are made on this device.",
        (Mode::Router, true) if judge == Judge::Nobody => {
            "No router was trained for this model: all tokens are made on this device, and nothing is asked of the LLM."
        }
        (Mode::Router, true) if judge == Judge::Entropy => {
            "This model has no router: where it is unsure of a token (entropy, calibrated on the shipped pair), the question \
            and the answer so far go to the LLM's server."
        }
        (Mode::Router, true) => "For a doubtful token, the question and the answer so far go to the LLM's server.",
        (Mode::RemoteOnly, true) => "The question and the answer go to the LLM's server.",
    }
}

pub fn source(source: Source) -> &'static str {
    match source {
        Source::Local => "local",
        Source::Agreed => "agreed",
        Source::Remote => "remote",
        Source::Forced(_) => "forced",
    }
}

pub fn source_help(source: Source) -> &'static str {
    match source {
        Source::Local => "The small model made it. Nothing was sent.",
        Source::Agreed => "The large model was asked and agreed with the small one.",
        Source::Remote => "The large model was asked and chose another token.",
        Source::Forced(_) => "The large model was wanted, but the small model's token had to stand.",
    }
}

pub fn reason(reason: ForcedReason) -> &'static str {
    match reason {
        ForcedReason::NoRemote => "No server is connected.",
        ForcedReason::Unreachable => "The server could not be reached.",
        ForcedReason::Timeout => "The server did not answer in time.",
        ForcedReason::Busy => "The server was busy.",
        ForcedReason::BadAnswer => "The server's answer could not be used.",
        ForcedReason::Budget => "The budget was spent.",
        ForcedReason::Cooldown => "The server had failed and was left alone for a while.",
    }
}

pub fn score(score: f32, threshold: f32, critical: bool) -> String {
    let word = if critical { "below" } else { "not below" };
    format!("{}, {word} the threshold {}", self::threshold(score), self::threshold(threshold))
}

/// A probability with more digits near its ends, where routers put most of their scores.
pub fn threshold(value: f32) -> String {
    if (0.01..0.99).contains(&value) { format!("{value:.2}") } else { format!("{value:.4}") }
}

/// Why an answer ended, where the reader would not expect it.
pub fn finish(finish: Finish) -> Option<&'static str> {
    match finish {
        Finish::End => None,
        Finish::Length => Some("Cut at the longest permitted answer."),
        Finish::Context => Some("Cut: the small model's memory is full. Ask a shorter question."),
        Finish::Stopped => Some("Stopped by you."),
    }
}

pub fn finish_name(finish: Finish) -> &'static str {
    match finish {
        Finish::End => "end",
        Finish::Length => "length",
        Finish::Context => "context",
        Finish::Stopped => "stopped",
    }
}

/// How fast the engine was.
pub fn speed(tokens_per_second: f64) -> String {
    format!("{tokens_per_second:.1} tokens a second")
}

pub fn tokens(count: u64) -> String {
    if count == 1 { "1 token".into() } else { format!("{count} tokens") }
}

pub fn sent(bytes: &str) -> String {
    format!("{bytes} sent")
}

/// What asking cost in time.
pub fn waited(time: &str, calls: u64) -> String {
    let requests = if calls == 1 { "1 request".into() } else { format!("{calls} requests") };
    format!("{time} waited for {requests}")
}

pub fn family(family: Family) -> &'static str {
    match family {
        Family::Word => "Word problems",
        Family::Algebra => "Algebra",
        Family::Commonsense => "Common sense",
        Family::Science => "Science",
        Family::Psychology => "Psychology",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_sentences() {
        assert_eq!(sentence("the file is gone: reload"), "The file is gone: reload.");
        assert_eq!(sentence("Done."), "Done.");
    }
}

/// How much of a long question is read.
pub fn reading(share: f32) -> String {
    format!("Reading the question, {:.0} %…", share * 100.0)
}

/// Heading of the benchmark's page.
pub const BENCH: &str = "Speed of the engine on this device";
/// Columns of its table.
pub const BENCH_COLUMNS: [&str; 4] =
    ["Context", "Prefill, tokens/s", "Decode, tokens/s", "Decode one by one, tokens/s"];

/// What the benchmark is doing.
pub fn bench_stage(stage: &str, progress: f32) -> String {
    format!("{stage}, {:.0} %", progress * 100.0)
}
