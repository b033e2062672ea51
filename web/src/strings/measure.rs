//! The texts of the dialog that measures the split.

use crate::{amount, strings};
use citer_chat::batch::Setting;
use citer_core::Mode;

pub const MEASURE: &str = "Measure the split";
pub const TITLE: &str = "The split, measured";
pub const SCOPE: &str = "What is measured";
pub const NONE: &str = "No answers yet. Ask something, then look again.";
pub const ANSWERS: &str = "Answers";
pub const REMOTE: &str = "Remote tokens";
pub const REQUESTS: &str = "Requests";
pub const WASTED: &str = "Wasted calls";
pub const WAIT: &str = "Waited for the LLM";
pub const CALL: &str = "Wait a request";
pub const LOCAL_TIME: &str = "Small model, a token";
pub const SENT: &str = "Sent";
pub const BILL: &str = "Bill";
pub const NO_PRICES: &str = "no prices set (see Servers)";
pub const BREAK_EVEN_MONEY: &str = "Cheaper than the LLM alone below";
pub const BREAK_EVEN_TIME: &str = "Faster than the LLM alone below";
pub const SHARES: &str = "Share of remote tokens: each answer (dots) and all so far (line)";
pub const SHARES_AXIS: &str = "answers in order";
pub const SCORES: &str = "Router scores of all tokens (heights are logarithmic)";
pub const MOVE: &str = "Threshold";
pub const USE_THRESHOLD: &str = "Use this threshold";
pub const CURVE: &str = "Accuracy over share of remote tokens, with 95 % intervals";
pub const CURVE_LABEL: &str = "Accuracy over share of remote tokens; the table has the figures";
pub const BATCH_HELP: &str = "Drop a file of questions here: one a line, as this page's or a published benchmark's \
    (CommonsenseQA, ARC, MMLU, GSM8K, MATH). Each is answered at every setting and judged, on this device. A saved result goes on.";
pub const CHOOSE: &str = "Choose a file";
pub const SLM: &str = "Small model alone";
pub const LLM: &str = "Large model alone";
pub const THRESHOLDS: &str = "Router at thresholds";
pub const RUN: &str = "Run";
pub const GO_ON: &str = "Go on";
pub const KEPT: &str =
    "This batch was not finished when the page was closed. It can go on from its last answer, at its settings.";
pub const DISCARD: &str = "Discard it";
pub const KEPT_ELSEWHERE: &str =
    "Another window's batch is kept on this device: this one lasts until the page is closed.";
pub const KEPT_FULL: &str =
    "The browser has no room left: the newest answers of this batch last until the page is closed. Save the results.";
pub const PROGRESS: &str = "Answers made";
pub const SAVE: &str = "Save results";
pub const COLUMNS: [&str; 4] = ["Setting", "Accuracy", "Remote tokens", "Sent"];

pub fn scope(scope: u8) -> &'static str {
    ["This conversation", "All conversations", "Batch"][usize::from(scope.min(2))]
}

pub fn scope_name(scope: u8) -> &'static str {
    ["conversation", "all", "batch"][usize::from(scope.min(2))]
}

pub fn answers(count: usize, tokens: u64) -> String {
    format!("{count} with {}", strings::tokens(tokens))
}

pub fn requests(calls: u64, failures: u64) -> String {
    if failures == 0 { calls.to_string() } else { format!("{calls}, {failures} in vain") }
}

pub fn wasted(agreed: u64, answered: u64) -> String {
    match answered {
        0 => "none".into(),
        _ => {
            format!("{agreed} of {answered} brought the small model's own token ({})", amount::share(agreed, answered))
        }
    }
}

pub fn waits(paid: f64, hidden: f64) -> String {
    format!("{} paid, {} hidden behind local work", amount::time(paid), amount::time(hidden))
}

pub fn call(median: f64, high: f64) -> String {
    format!("{} in the middle, {} at the 95th percentile", amount::time(median), amount::time(high))
}

pub fn sent(bytes: u64, tokens: u64, cached: u64) -> String {
    format!("{}, {} ({cached} cached there)", amount::bytes(bytes), strings::tokens(tokens))
}

pub fn bill(routed: f64, llm: f64) -> String {
    format!("{} as routed, {} by the LLM alone, nothing on this device alone", money(routed), money(llm))
}

/// US dollars with as many digits as small bills need.
pub fn money(usd: f64) -> String {
    if usd == 0.0 {
        "$0".into()
    } else if usd < 0.01 {
        format!("${usd:.6}")
    } else {
        format!("${usd:.4}")
    }
}

pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 || percent >= 9.95 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

pub fn shares_label(count: usize, last: f64) -> String {
    format!("Share of remote tokens over {count} answers: {} in all", percent(last))
}

pub fn below(threshold: &str, share: f64) -> String {
    format!("At {threshold}, {} of these tokens lie below the threshold and would be asked for.", percent(share))
}

pub fn loaded(name: &str, count: usize) -> String {
    format!("{name}: {count} questions")
}

pub fn no_threshold(text: &str) -> String {
    format!("“{text}” is no threshold: write numbers from 0 to 1, with commas between them.")
}

pub fn setting(setting: &Setting) -> String {
    match setting.mode {
        Mode::LocalOnly => SLM.into(),
        Mode::RemoteOnly => LLM.into(),
        Mode::Router => format!("Router at {}", strings::threshold(setting.threshold)),
    }
}

pub fn batch_stopped(error: &str) -> String {
    format!("The batch stopped: {}", strings::sentence(error))
}

pub fn not_kept(detail: &str) -> String {
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!(
        "This browser stores nothing for this page{detail}: the batch lasts until the page is closed. Save the results."
    )
}
