//! English texts of the model library.

use crate::amount;
use crate::judge::Judge;
use citer_core::library::{ModelState, Obstacle, StorageUse, Verdict};

pub const MODELS: &str = "Models";
pub const CLOSE: &str = "Close";
pub const INTRO: &str = "Models are kept in this browser and run on this device. A model for which no router was trained asks \
    the large one when it is unsure of a token.";
pub const SHIPPED: &str = "Built-in model";
pub const CARD_SLM: &str = "Card of the small model";
pub const CARD_LLM: &str = "Card of the large model";
pub const CARD_ROUTER: &str = "Card of the router: training, threshold, accuracy";
pub const CARDS_LICENCE: &str =
    "Both models and the router were trained by this program's own code; licence: MIT or Apache-2.0.";
pub const CARD_READING: &str = "Reading the card…";
pub const SHIPPED_ORIGIN: &str = "comes with this page, with its router";
pub const BY_ENTROPY: &str =
    "This model has no router: it asks when the model is unsure (entropy), calibrated on the shipped pair.";
pub const NO_ROUTER: &str = "This model has no router: it makes all tokens itself.";
pub const IN_USE: &str = "in use";
pub const USE: &str = "Use";
pub const RESUME: &str = "Resume";
pub const PAUSE: &str = "Pause";
pub const CHECK: &str = "Check";
pub const CHECK_HELP: &str = "Read every stored byte, compare it with its hash and fetch damaged parts again";
pub const REMOVE: &str = "Remove";
pub const REALLY_REMOVE: &str = "Really remove?";
pub const ADD_LABEL: &str = "Hugging Face repository or address";
pub const ADD_PLACEHOLDER: &str = "owner/name, owner/name:Q4_0 or https://…";
pub const ADD_HELP: &str =
    "Looked up first: size and whether it will run here. Nothing is downloaded before you say so.";
pub const ADD: &str = "Look up";
pub const IMPORT: &str = "From this device…";
pub const IMPORT_HELP: &str = "A GGUF file, or config.json, tokenizer.json and the safetensors files together";
pub const NONE: &str = "No other models yet.";
pub const UNKNOWN_FIT: &str = "Whether it runs here is known once its description is there.";
pub const LOOKING: &str = "Looking it up…";

/// Who judges the tokens of the model in use, where no router does.
pub fn judge(judge: Judge) -> Option<&'static str> {
    match judge {
        Judge::Router => None,
        Judge::Entropy => Some(BY_ENTROPY),
        Judge::Nobody => Some(NO_ROUTER),
    }
}

/// How far the model is.
pub fn state(state: ModelState, stored: u64, bytes: u64) -> String {
    let (stored_words, all) = (amount::bytes(stored), amount::bytes(bytes));
    match state {
        ModelState::Complete => format!("{all}, complete"),
        ModelState::Partial => format!("{stored_words} of {all} stored"),
        ModelState::Downloading => format!("{stored_words} of {all}, downloading"),
        ModelState::Checking => format!("checking {all}"),
        ModelState::Damaged => "its record is damaged: remove it and add it again".into(),
    }
}

pub fn state_name(state: ModelState) -> &'static str {
    match state {
        ModelState::Partial => "partial",
        ModelState::Downloading => "downloading",
        ModelState::Checking => "checking",
        ModelState::Complete => "complete",
        ModelState::Damaged => "damaged",
    }
}

pub fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Runs { tokens_per_second: None } => "Fits this device.".into(),
        Verdict::Runs { tokens_per_second: Some(speed) } => {
            format!("Fits this device: about {speed:.0} tokens a second.")
        }
        Verdict::Slowly { tokens_per_second } => {
            format!("Fits this device, but slowly: about {tokens_per_second:.1} tokens a second.")
        }
        Verdict::DoesNotFit(obstacle) => self::obstacle(obstacle),
    }
}

/// Tokens a second, where they are predicted.
pub fn speed(verdict: &Verdict) -> Option<f64> {
    match verdict {
        Verdict::Runs { tokens_per_second } => *tokens_per_second,
        Verdict::Slowly { tokens_per_second } => Some(*tokens_per_second),
        Verdict::DoesNotFit(_) => None,
    }
}

fn obstacle(obstacle: &Obstacle) -> String {
    let of = |needed: &u64, available: &u64| (amount::bytes(*needed), amount::bytes(*available));
    match obstacle {
        Obstacle::Memory { needed, available } => {
            let (needed, available) = of(needed, available);
            format!("Too large for this device: it needs {needed} of memory, and about {available} can be used.")
        }
        Obstacle::Buffer { tensor, needed, available } => {
            let (needed, available) = of(needed, available);
            format!("Too large for this graphics device: {tensor} takes {needed}, and it allows {available} at once.")
        }
        Obstacle::Storage { needed, available } => {
            let (needed, available) = of(needed, available);
            format!(
                "Not enough room: {needed} are to be stored, and {available} are free. Remove a model or free disk space."
            )
        }
        Obstacle::Unsupported { detail } => format!("Does not run here: {detail}."),
    }
}

pub fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Runs { .. } => "runs",
        Verdict::Slowly { .. } => "slowly",
        Verdict::DoesNotFit(_) => "does-not-fit",
    }
}

pub fn storage(storage: &StorageUse) -> String {
    let used = amount::bytes(storage.used);
    let kept = if storage.persistent {
        "kept until you remove it"
    } else {
        "may be cleared by the browser when space gets short, or when a private window is closed"
    };
    match storage.quota {
        Some(quota) => format!("Storage: {used} of {} used, {kept}.", amount::bytes(quota)),
        None => format!("Storage: {used} used, {kept}."),
    }
}

pub fn progress(name: &str) -> String {
    format!("Progress of {name}")
}

/// A card that cannot be read.
pub fn no_card(error: &str) -> String {
    format!("The card cannot be read ({error}): close and open it to try again.")
}
