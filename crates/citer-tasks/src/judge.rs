//! One judge per answer type: finds the final answer in a model's text and compares it with the gold answer.
//!
//! A judge sees only the answer text, never the prompt, so it cannot favour a choice that the question spells out.

use crate::choice::LETTERS;
use crate::family::Family;
use crate::question::Question;

/// The phrase that announces a final answer, matched without regard to case.
const CUE: &str = "answer is";

/// The final answer in `answer`, normalised, or `None` if the text never gives one.
///
/// Rules, the first that matches wins:
/// - word: the first number after the last "answer is"; the last `\boxed{}`.
/// - algebra: the last closed `\boxed{}`.
/// - choice families: the first "(A)" to "(D)" after the last "answer is"; a bare letter right after it; the
///   last `\boxed{}` that holds a letter.
pub fn extract(family: Family, answer: &str) -> Option<String> {
    let boxed = last_boxed(answer);
    match family {
        Family::Word => {
            after_cue(answer).and_then(first_number).or(boxed.map(normalise)).filter(|text| !text.is_empty())
        }
        Family::Algebra => boxed.map(normalise).filter(|text| !text.is_empty()),
        Family::Commonsense | Family::Science | Family::Psychology => {
            let tail = after_cue(answer);
            tail.and_then(bracketed_letter).or_else(|| tail.and_then(letter)).or_else(|| boxed.and_then(letter))
        }
    }
}

/// Whether the final answer in `answer` is the question's gold answer.
pub fn is_correct(question: &Question, answer: &str) -> bool {
    extract(question.family, answer).is_some_and(|found| found == normalise(&question.gold))
}

/// The text after the last cue.
fn after_cue(answer: &str) -> Option<&str> {
    // ASCII lower-casing keeps byte positions.
    let start = answer.to_ascii_lowercase().rfind(CUE)? + CUE.len();
    answer.get(start..)
}

/// The content of the last `\boxed{...}` whose braces balance.
fn last_boxed(answer: &str) -> Option<&str> {
    const OPEN: &str = "\\boxed{";
    answer.rmatch_indices(OPEN).find_map(|(start, _)| {
        let inside = &answer[start + OPEN.len()..];
        let mut depth = 1;
        for (at, character) in inside.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(&inside[..at]);
            }
        }
        None
    })
}

/// The first run of digits with its sign, commas and decimals, normalised.
fn first_number(text: &str) -> Option<String> {
    let start = text.find(|character: char| character.is_ascii_digit())?;
    let sign = if text[..start].ends_with('-') { "-" } else { "" };
    let end = text[start..]
        .find(|character: char| !character.is_ascii_digit() && character != ',' && character != '.')
        .map_or(text.len(), |length| start + length);
    Some(normalise(&format!("{sign}{}", &text[start..end])))
}

/// Drops what does not change a value: spaces, `$`, thousands commas, a left side "x =", a trailing period, zeros
/// in front of a number and after its decimal point.
fn normalise(text: &str) -> String {
    let right = text.rsplit('=').next().unwrap_or(text);
    let plain: String =
        right.chars().filter(|character| !character.is_whitespace() && !matches!(character, '$' | ',')).collect();
    let plain = plain.trim_end_matches(['.', '\\']);
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain), |digits| ("-", digits));
    let mut numeral = digits;
    if numeral.contains('.') && numeral.chars().all(|character| character.is_ascii_digit() || character == '.') {
        numeral = numeral.trim_end_matches('0').trim_end_matches('.');
    }
    if numeral.starts_with('0') && numeral.chars().all(|character| character.is_ascii_digit()) {
        numeral = numeral.trim_start_matches('0');
        if numeral.is_empty() {
            return "0".to_owned();
        }
    }
    format!("{sign}{numeral}")
}

/// The first "(A)" to "(D)".
fn bracketed_letter(text: &str) -> Option<String> {
    text.match_indices('(')
        .find_map(|(at, _)| {
            let rest = &text[at + 1..];
            LETTERS.iter().find(|letter| rest.strip_prefix(**letter).is_some_and(|end| end.starts_with(')')))
        })
        .map(|letter| (*letter).to_owned())
}

/// A letter A to D that opens the text on its own, with or without marks around it.
fn letter(text: &str) -> Option<String> {
    let mut words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let word = words.find(|word| !word.is_empty())?;
    LETTERS.contains(&word).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(family: Family, cases: &[(&str, Option<&str>)]) {
        for (answer, wanted) in cases {
            assert_eq!(extract(family, answer).as_deref(), *wanted, "{answer}");
        }
    }

    #[test]
    fn word_answers() {
        check(
            Family::Word,
            &[
                ("That makes 18 + 7 = 25 pens. The answer is 25.", Some("25")),
                ("The answer is 3. No, wait: the answer is $1,024.00.", Some("1024")),
                ("the ANSWER IS: 007 pens", Some("7")),
                ("The answer is 0.", Some("0")),
                ("The answer is 0.50", Some("0.5")),
                ("The answer is -4.", Some("-4")),
                ("So we get \\boxed{12}", Some("12")),
                ("The answer is 5, and 6 is not.", Some("5")),
                ("That makes 18 + 7 = 25 pens.", None),
                ("The answer is", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn algebra_answers() {
        check(
            Family::Algebra,
            &[
                ("x = 5. The answer is \\boxed{5}.", Some("5")),
                ("\\boxed{1} then \\boxed{ x = 02. }", Some("2")),
                ("\\boxed{\\frac{1}{2}}", Some("\\frac{1}{2}")),
                ("\\boxed{7} and an open \\boxed{8", Some("7")),
                ("The answer is 5.", None),
                ("\\boxed{}", None),
            ],
        );
    }

    #[test]
    fn choice_answers() {
        for family in [Family::Commonsense, Family::Science, Family::Psychology] {
            check(
                family,
                &[
                    ("The organ is the heart. Therefore, the answer is (B).", Some("B")),
                    ("The answer is (A). On reflection the answer is (C) heart.", Some("C")),
                    ("The answer is the heart, (D), not (A).", Some("D")),
                    ("The answer is B.", Some("B")),
                    ("The answer is: **C**", Some("C")),
                    ("\\boxed{D}", Some("D")),
                    ("The answer is a heart.", None),
                    ("The answer is (E).", None),
                    ("(B) is a good choice.", None),
                    ("Therefore, the answer", None),
                ],
            );
        }
    }

    #[test]
    fn odd_text_never_panics() {
        for text in ["answer is é(", "ANSWER IS (Ä)", "\\boxed{{{", "answer is ...", "answer is ,,,.", "\\boxed{}}}é"]
        {
            for family in Family::ALL {
                assert!(extract(family, text).is_none_or(|found| !found.is_empty()));
            }
        }
    }
}
