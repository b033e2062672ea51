//! Tokens in a terminal: who made each shows by style and, unless NO_COLOR is set, by colour.

use citer_core::{Source, TokenEvent};
use std::io::{IsTerminal, Write};

/// How tokens are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Text alone, for files and pipes.
    Plain,
    /// Styles without colours.
    Styles,
    /// Styles and colours.
    Colours,
}

impl Paint {
    /// What standard output takes and its user wants.
    pub fn of_output() -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match (std::io::stdout().is_terminal(), no_colour) {
            (false, _) => Self::Plain,
            (true, true) => Self::Styles,
            (true, false) => Self::Colours,
        }
    }

    /// A token's text.
    pub fn token(self, event: &TokenEvent) -> String {
        self.text(event.source, &event.text)
    }

    /// `text` as made by `source`.
    fn text(self, source: Source, text: &str) -> String {
        // Underlined: asked; bold: changed by the LLM; italic: the local token had to stand.
        let (style, colour) = match source {
            Source::Local => return text.into(),
            Source::Agreed => ("4", "36"),
            Source::Remote => ("1;4", "35"),
            Source::Forced(_) => ("3", "33"),
        };
        match self {
            _ if text.is_empty() => String::new(),
            Self::Plain => text.into(),
            Self::Styles => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
            Self::Colours => format!("\u{1b}[{style};{colour}m{text}\u{1b}[0m"),
        }
    }

    /// What the styles mean; `None` where there are none.
    pub fn legend(self) -> Option<String> {
        use citer_core::ForcedReason::Unreachable;
        (self != Self::Plain).then(|| {
            let names = [
                (Source::Local, "local"),
                (Source::Agreed, "agreed (both models)"),
                (Source::Remote, "remote"),
                (Source::Forced(Unreachable), "local because the server could not be asked"),
            ];
            names.map(|(source, name)| self.text(source, name)).join(", ")
        })
    }
}

/// Prints at once. A reader that is gone sees nothing; the answer goes on.
pub fn show(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use citer_core::ForcedReason::Timeout;

    #[test]
    fn sources_differ_without_colours_too() {
        let sources = [Source::Local, Source::Agreed, Source::Remote, Source::Forced(Timeout)];
        for paint in [Paint::Styles, Paint::Colours] {
            let mut texts = sources.map(|source| paint.text(source, "x")).to_vec();
            texts.sort();
            texts.dedup();
            assert_eq!(texts.len(), 4);
        }
        assert!(sources.iter().all(|source| Paint::Plain.text(*source, "x") == "x"));
        // Colours are the numbers 30 to 37.
        let coloured = |source: &Source| Paint::Styles.text(*source, "x").contains(";3");
        assert!(!sources.iter().any(coloured));
    }
}
