//! The texts beside a question and its answer.

pub const EDIT: &str = "Edit";
pub const EDIT_HELP: &str = "Ask in other words; what is here stays as another version";
pub const CANCEL: &str = "Cancel";
pub const VERSION_BEFORE: &str = "Version before";
pub const VERSION_AFTER: &str = "Next version";
pub const COPY: &str = "Copy";
pub const COPIED: &str = "Copied";
pub const NOT_COPIED: &str = "The browser does not allow copying";
pub const CONTINUE: &str = "Continue";
pub const AGAIN: &str = "Answer again";
pub const AGAIN_HELP: &str = "Make another answer; this one stays as another version";
pub const INTERRUPTED: &str = "The page was closed before this answer was finished.";
pub const DONE: &str = "done: ";
pub const NOT_DONE: &str = "to do: ";

/// Letters that stand where a run of tokens begins.
pub const LABEL_AGREED: &str = "A";
pub const LABEL_REMOTE: &str = "R";
pub const LABEL_FORCED: &str = "F";

pub fn version(place: usize, count: usize) -> String {
    format!("{place} of {count}")
}

pub const VIEW: &str = "Show in answers";
pub const HEAT_HELP: &str = "The darker, the more the router doubted the small model's token.";
pub const WHAT_IF: &str = "What if…";
pub const WHAT_IF_HELP: &str = "See who would have made the tokens at another threshold, without asking anybody";
pub const WHAT_IF_LABEL: &str = "At threshold";
pub const REPLAY: &str = "Replay";
pub const REPLAY_HELP: &str = "Show the answer again as it came, from its record";
pub const REPLAY_END: &str = "End replay";

pub fn view(mode: crate::view_mode::ViewMode) -> &'static str {
    use crate::view_mode::ViewMode;
    match mode {
        ViewMode::Plain => "Plain",
        ViewMode::Source => "Who made it",
        ViewMode::Heat => "Scores",
    }
}

/// What another threshold would have done.
pub fn what_if(result: &citer_chat::counterfactual::WhatIf, threshold: f32, instead: Option<&str>) -> String {
    let (exact, all) = (result.exact, result.makers.len());
    let share = crate::strings::measure::percent(result.share());
    let threshold = crate::strings::threshold(threshold);
    let mut text = format!("At {threshold}, {share} of the tokens would be asked of the large model. ");
    if exact == all {
        text.push_str("This is exact.");
        return text;
    }
    text.push_str(&match instead {
        Some(own) => {
            format!("Exact for the first {exact} of {all} tokens; then the small model would say “{}”, ", own.trim())
        }
        None => format!("Exact for the first {exact} of {all} tokens; then the large model would be asked, "),
    });
    text.push_str("and the rest (dimmed) is a guess.");
    text
}

/// Why a token was made where it was.
pub fn why(source: citer_core::Source, mode: citer_core::Mode, judge: crate::judge::Judge) -> &'static str {
    use crate::judge::Judge;
    use citer_core::{Mode, Source};
    match (source, mode) {
        (Source::Local, Mode::LocalOnly) => "“Local only” was chosen.",
        (Source::Local, _) if judge == Judge::Entropy => {
            "The model was sure enough of it (entropy, calibrated on the shipped pair: it has no router)."
        }
        (Source::Local, _) if judge == Judge::Nobody => "This model has no router: it makes all tokens itself.",
        (Source::Local, _) => "The router trusted it: its score is not below the threshold.",
        (Source::Agreed | Source::Remote, Mode::RemoteOnly) => "“Remote only” was chosen.",
        (Source::Agreed | Source::Remote, _) if judge == Judge::Entropy => {
            "The model was unsure of it (entropy, calibrated on the shipped pair: it has no router)."
        }
        (Source::Agreed | Source::Remote, _) => "The router doubted it: its score is below the threshold.",
        (Source::Forced(reason), _) => crate::strings::reason(reason),
    }
}

pub const CONTEXT_HELP: &str =
    "Tokens of the small model's memory. When it is full an answer is cut, and a longer question is refused.";

/// How full the model's memory is, in words.
pub fn context(context: citer_chat::context::Context) -> String {
    use citer_chat::context::Room;
    let used = context.said + context.typed;
    let advice = match context.room() {
        Room::Enough => "",
        Room::Tight => ": the answer may be cut",
        Room::None if context.said > 0 => ": start a new conversation or ask a shorter question",
        Room::None => ": too long, ask a shorter question",
    };
    format!("Context: about {used} of {} tokens{advice}", context.capacity)
}

/// The word for tests and styles.
pub fn room_name(room: citer_chat::context::Room) -> &'static str {
    use citer_chat::context::Room;
    match room {
        Room::Enough => "enough",
        Room::Tight => "tight",
        Room::None => "none",
    }
}
