//! The judge of whole-number and decimal answers (word problems): finds the final number in a text.

use super::latex::SCALES;
use super::maths;
use super::text::{after_cue, last_boxed, sentence};

/// The line mark in front of the answer in GSM8K's solutions.
pub(crate) const MARK: &str = "####";

/// The final number of `answer`, without commas, currency, units and needless zeros.
///
/// The last statement decides: a number after `####`, the last `\boxed{}`, or the number after the last
/// "answer is" (behind the last `=` of that sentence, if it has one).
pub(crate) fn find(answer: &str) -> Option<String> {
    let mark = answer.rfind(MARK).map(|at| (at, answer[at + MARK.len()..].lines().next().and_then(first_number)));
    let part = last_boxed(answer);
    let boxed =
        part.map(|part| (part.start, maths::number(part.text).or_else(|| first_number(&maths::canonical(part.text)))));
    let cue = after_cue(answer).and_then(|tail| {
        let said = sentence(tail.text);
        // A box in that sentence is what it states, whether it holds a number or not.
        let holds_box = part.is_some_and(|part| (tail.start..tail.start + said.len()).contains(&part.start));
        (!holds_box).then(|| (tail.start, first_number(said.rsplit('=').next().unwrap_or(said))))
    });
    let found = [mark, boxed, cue].into_iter().flatten().filter_map(|(at, found)| Some((at, found?)));
    found.max_by_key(|(at, _)| *at).map(|(_, found)| found)
}

/// The number that a gold answer is, in one spelling.
pub(crate) fn of(gold: &str) -> Option<String> {
    maths::number(gold)
}

/// The first number of a text: sign, thousands commas, decimals, `3/4` and `2 1/2`. A power such as `10^3` or
/// `1e9`, and words such as "3 million" are nothing that this judge reads: `None` rather than the first digits.
fn first_number(text: &str) -> Option<String> {
    let text = text.replace(['−', '–'], "-");
    let start = text.find(|character: char| character.is_ascii_digit())?;
    let (start, dot) = if text[..start].ends_with('.') { (start - 1, true) } else { (start, false) };
    let negative = text[..start].trim_end_matches(['$', '€', '£', '\\', '(', '{']).ends_with('-');
    let rest = &text[start..];
    let whole = numeral(rest);
    let after = &rest[whole..];
    let fraction = |text: &str| {
        let top = digits(text);
        let bottom = digits(text.get(top + 1..).unwrap_or_default());
        (top > 0 && bottom > 0 && text[top..].starts_with('/')).then_some(top + 1 + bottom)
    };
    let value = if !dot && let Some(length) = fraction(rest) {
        rest[..length].to_owned()
    } else if let Some(part) = after.strip_prefix(' ')
        && let Some(length) = fraction(part)
    {
        let (top, bottom) = part[..length].split_once('/')?;
        format!("{}\\frac{{{top}}}{{{bottom}}}", &rest[..whole])
    } else if after.starts_with('^')
        || after.starts_with(['e', 'E']) && digits(&after[1..]) > 0
        || SCALES.iter().any(|scale| after.trim_start().to_ascii_lowercase().starts_with(scale))
    {
        return None;
    } else {
        rest[..whole].to_owned()
    };
    maths::number(&format!("{}{value}", if negative { "-" } else { "" }))
}

/// The length of a decimal numeral at the start of a text, thousands commas included.
fn numeral(text: &str) -> usize {
    let mut end = digits(text);
    if (1..=3).contains(&end) {
        while text[end..].starts_with(',') && digits(&text[end + 1..]) == 3 {
            end += 4;
        }
    }
    if text[end..].starts_with('.') {
        let decimals = digits(&text[end + 1..]);
        end += if decimals > 0 { decimals + 1 } else { 0 };
    }
    end
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts() {
        for (answer, wanted) in [
            ("That makes 18 + 7 = 25 pens. The answer is 25.", Some("25")),
            ("The answer is 3. No, wait: the answer is $1,024.00.", Some("1024")),
            ("the ANSWER IS: 007 pens", Some("7")),
            ("The answer is 0.", Some("0")),
            ("The answer is 0.50", Some("0.5")),
            ("The answer is .50", Some("0.5")),
            ("The answer is -4.", Some("-4")),
            ("The answer is -$4.20.", Some("-4.2")),
            ("The answer is −4.", Some("-4")),
            ("The answer is 10 - 4 = 6 pens.", Some("6")),
            ("The answer is 3/4 of a cake.", Some("3/4")),
            ("The answer is 2 1/2 cups.", Some("2\\frac{1}{2}")),
            ("The answer is 3,4 or 5.", Some("3")),
            ("The answer is 1,234,567 people.", Some("1234567")),
            ("The answer is 10^3.", None),
            ("The answer is 1e9.", None),
            ("The answer is 3 million.", None),
            ("The answer is \\boxed{3\\text{ million}}.", None),
            ("The answer is 50%.", Some("50")),
            ("So we get \\boxed{12}", Some("12")),
            ("So we get \\boxed{\\$1{,}200.50 \\text{ dollars}}", Some("1200.5")),
            ("The answer is \\boxed{18}.", Some("18")),
            ("The answer is 18.\n#### 1,019", Some("1019")),
            ("\\boxed{3}. So the answer is 5.", Some("5")),
            ("The answer is 5. In short: \\boxed{6}", Some("6")),
            ("\\boxed{12 pens} I hope this answer is helpful.", Some("12")),
            ("The answer is 5, and 6 is not.", Some("5")),
            ("That makes 18 + 7 = 25 pens.", None),
            ("The answer is", None),
            ("####", None),
            ("", None),
        ] {
            assert_eq!(find(answer).as_deref(), wanted, "{answer}");
        }
    }
}
