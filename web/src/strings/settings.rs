//! English texts of a conversation's settings.

use citer_core::Sampling;

pub const TITLE: &str = "Conversation settings";
pub const INTRO: &str = "They hold for the next answers of this conversation and are kept with it.";
pub const SYSTEM: &str = "System prompt";
pub const SYSTEM_HELP: &str = "What both models are told before the question: a role, a language, a style. It is sent along \
    whenever a token is asked for.";
pub const SYSTEM_NONE: &str = "The model in use was trained without a system prompt. It is put before the question, and the \
    model may not follow it.";
pub const TEMPERATURE: &str = "Temperature";
pub const TEMPERATURE_HELP: &str =
    "0 always takes the most likely token; 1 draws from the models' own probabilities; up to 2.";
pub const TOP_P: &str = "Top-p";
pub const TOP_P_HELP: &str =
    "Only the most likely tokens that together reach this probability can be drawn; 1 leaves none out.";
pub const SEED: &str = "Seed";
pub const SEED_NONE: &str = "another one for every answer";
pub const SEED_HELP: &str = "The same seed draws the same answer again. Every answer says its own.";
pub const DEFAULTS: &str = "Use them for new conversations too";
pub const SAVE: &str = "Save";
pub const RESET: &str = "Reset";
pub const RESET_HELP: &str = "No system prompt, and the most likely token always";

/// What is not as usual, beside the button that opens the settings.
pub fn in_force(has_system: bool, temperature: f32) -> String {
    let system = has_system.then(|| "system prompt".to_owned());
    let drawn = (temperature > 0.0).then(|| format!("temperature {temperature}"));
    let parts: Vec<String> = system.into_iter().chain(drawn).collect();
    if parts.is_empty() { TITLE.to_owned() } else { format!("{TITLE}: {}", parts.join(", ")) }
}

/// How an answer was drawn.
pub fn drawn(sampling: &Sampling) -> String {
    let Sampling { temperature, top_p, seed } = sampling;
    match *top_p < 1.0 {
        true => format!("Drawn at temperature {temperature}, top-p {top_p}, seed {seed}."),
        false => format!("Drawn at temperature {temperature}, seed {seed}."),
    }
}
