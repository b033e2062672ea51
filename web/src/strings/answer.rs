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

pub fn version(place: usize, count: usize) -> String {
    format!("{place} of {count}")
}
