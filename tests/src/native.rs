//! The native routed run: the same pair, question and threshold by `citer ask`.

use crate::product;
use citer_core::{Finish, Source, Trace};
use citer_tasks::{Split, suite};
use std::process::Command;

/// Further than this from the threshold a score decides the same on every adapter: theirs differ by less than a thousandth.
const CLEAR: f32 = 0.002;

/// A question whose native answer has tokens of both kinds.
pub struct Routed {
    /// What to type.
    pub question: String,
    /// The threshold, as the slider can be set to it.
    pub threshold: f32,
    /// The native run.
    pub trace: Trace,
}

/// Runs `citer ask` in router mode against the server at `url`.
pub fn ask(url: &str, question: &str, threshold: f32) -> Trace {
    let mut command = Command::new(product::citer());
    command.arg("ask").arg("--models").arg(product::models()).args(["--server", url]);
    let output = command.args(["--threshold", &threshold.to_string(), "--json", question]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "citer ask: {text}{}", String::from_utf8_lossy(&output.stderr));
    Trace::parse(text.trim()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The first held-out question, over some thresholds, that [`suits`] a comparison.
pub fn routed(url: &str) -> Routed {
    let questions: Vec<String> = suite(Split::Test, 41, 6).into_iter().map(|question| question.prompt).collect();
    for threshold in [0.5, 0.9, 0.95, 0.98, 0.99] {
        for question in questions.iter().filter(|question| !question.contains('\n')) {
            let trace = ask(url, question, threshold);
            if suits(&trace) {
                return Routed { question: question.clone(), threshold, trace };
            }
        }
    }
    panic!("no held-out question has both local and remote tokens: check the shipped router")
}

/// Ended by itself, long enough to be stopped half way, both kinds of tokens, and no score so near the threshold that another
/// adapter's rounding could decide differently.
fn suits(trace: &Trace) -> bool {
    let count = |wanted: fn(Source) -> bool| trace.events.iter().filter(|event| wanted(event.source)).count();
    let clear = trace.events.iter().all(|event| (event.score - event.threshold).abs() > CLEAR);
    let whole = trace.finish == Finish::End;
    whole
        && clear
        && trace.events.len() >= 10
        && count(|source| source == Source::Local) >= 2
        && count(Source::is_remote) >= 2
}
