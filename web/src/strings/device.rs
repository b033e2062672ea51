//! English texts of the device report.

pub const TITLE: &str = "Device report";
pub const INTRO: &str =
    "What this browser offers and what the engine made of it. Nothing is sent; copy it into a report of a problem.";
pub const LOOKING: &str = "…";
pub const BENCH: &str = "Measure the speed";
pub const NOT_SAID: &str = "not said";
pub const NO_ANSWER: &str = "no answer yet";
pub const NO_ADAPTER: &str = "there, but without an adapter: check the browser's graphics settings";
pub const NO_WEBGPU: &str = "not there: use Chrome or Edge 123 or later; until then the model runs on the processor";

/// Who judges the model's tokens.
pub fn judge(judge: crate::judge::Judge) -> &'static str {
    use crate::judge::Judge;
    match judge {
        Judge::Router => "the model's router",
        Judge::Entropy => "entropy, calibrated on the shipped pair: the model has no router",
        Judge::Nobody => "nobody: the model has no router",
    }
}
