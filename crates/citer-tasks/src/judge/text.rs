//! Where a final answer stands in a text: after a cue such as "answer is", or in a `\boxed{}`.

/// The phrases that announce a final answer, in lower case.
const CUES: [&str; 3] = ["answer is", "answer:", "answer could be"];
/// The commands whose argument is a final answer.
const BOXES: [&str; 3] = ["\\boxed{", "\\boxed {", "\\fbox{"];

/// A part of a text and the byte it starts at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) start: usize,
    pub(super) text: &'a str,
}

/// The text after the last cue, whatever its case; marks and spaces that follow the cue are dropped.
pub(super) fn after_cue(answer: &str) -> Option<Part<'_>> {
    // ASCII lower-casing keeps byte positions.
    let lower = answer.to_ascii_lowercase();
    let start = CUES.iter().filter_map(|cue| lower.rfind(cue).map(|at| at + cue.len())).max()?;
    let text = answer[start..].trim_start_matches(|character: char| {
        character.is_whitespace() || matches!(character, ':' | '*' | '"' | '\'' | '“' | '‘' | '`')
    });
    Some(Part { start: answer.len() - text.len(), text })
}

/// The content of the last box whose braces balance; `\{` and `\}` do not count as braces.
pub(super) fn last_boxed(answer: &str) -> Option<Part<'_>> {
    let mut opens: Vec<_> =
        BOXES.iter().flat_map(|open| answer.match_indices(open)).map(|(at, open)| (at, at + open.len())).collect();
    opens.sort_unstable();
    opens.into_iter().rev().find_map(|(start, inside)| {
        let text = balanced(&answer[inside..])?;
        Some(Part { start, text })
    })
}

/// The text up to the brace that closes a group opened just before it.
fn balanced(inside: &str) -> Option<&str> {
    let mut depth = 1_usize;
    let mut escaped = false;
    for (at, character) in inside.char_indices() {
        match character {
            '{' if !escaped => depth += 1,
            '}' if !escaped => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&inside[..at]);
        }
        escaped = character == '\\' && !escaped;
    }
    None
}

/// The text up to the end of its first sentence or line.
pub(super) fn sentence(text: &str) -> &str {
    let end = ['\n'].iter().filter_map(|mark| text.find(*mark)).chain(text.find(". ")).min();
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_balanced_box_counts() {
        for (text, wanted) in [
            ("\\boxed{3}", Some("3")),
            ("\\boxed{3} or \\boxed{\\frac{1}{2}}.", Some("\\frac{1}{2}")),
            ("\\boxed{3} then \\boxed{4", Some("3")),
            ("\\boxed{\\boxed{7}}", Some("7")),
            ("\\fbox{1} \\boxed {2}", Some("2")),
            ("\\boxed{\\{1,2\\}}", Some("\\{1,2\\}")),
            ("\\boxed{\\left\\{ x \\right.}", Some("\\left\\{ x \\right.")),
            ("\\boxed{a \\\\{b} c}", Some("a \\\\{b} c")),
            ("\\boxed{", None),
            ("boxed{3}", None),
        ] {
            assert_eq!(last_boxed(text).map(|part| part.text), wanted, "{text}");
        }
    }

    #[test]
    fn the_last_cue_counts() {
        for (text, wanted) in [
            ("The answer is 4. The ANSWER IS: **5**", Some("5**")),
            ("Final answer: B", Some("B")),
            ("The answer is", Some("")),
            ("An answer", None),
        ] {
            assert_eq!(after_cue(text).map(|part| part.text), wanted, "{text}");
        }
        let part = after_cue("The answer is é(").unwrap();
        assert_eq!((part.start, part.text), (14, "é("));
    }
}
