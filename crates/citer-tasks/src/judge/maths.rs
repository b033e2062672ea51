//! The judge of mathematical answers: the last `\boxed{}`, compared in one spelling and by value.

use std::collections::BTreeSet;

use super::latex::Token::{self, Char, Command};
use super::latex::{text, tokens};
use super::text::last_boxed;
use super::value::value;

/// Two values are the same when they differ by less than this share.
const TOLERANCE: f64 = 1e-10;
/// Values that letters get when two expressions are compared; nothing about them is special.
const POINTS: [[f64; 2]; 3] = [[0.618_034, 1.324_718], [1.902_16, 0.260_497], [2.665_144, 0.764_224]];

/// The final answer of a text in one spelling: the content of its last `\boxed{}`.
pub(crate) fn find(answer: &str) -> Option<String> {
    last_boxed(answer).map(|part| canonical(part.text)).filter(|text| !text.is_empty())
}

/// An answer in one spelling: no layout, units, currency or `x =` in front, and no needless zeros in a number.
pub(crate) fn canonical(answer: &str) -> String {
    written(&right_side(&tokens(answer)))
}

/// A number in one spelling, or `None` for anything else.
pub(super) fn number(answer: &str) -> Option<String> {
    let tokens = right_side(&tokens(answer));
    value(&tokens, &|_| None)?;
    Some(written(&tokens))
}

/// Whether two answers are the same: the same text in one spelling, the same value, or lists of such. The order of
/// a bare list or a set does not matter; that of a tuple does. Formulas with letters are compared at three points.
pub(crate) fn same(left: &str, right: &str) -> bool {
    same_tokens(&right_side(&tokens(left)), &right_side(&tokens(right)))
}

fn same_tokens(left: &[Token], right: &[Token]) -> bool {
    let (a, b) = (written(left), written(right));
    if a.is_empty() || b.is_empty() {
        return false;
    }
    let word = |text: &str| text.len() > 1 && text.chars().all(char::is_alphabetic);
    a == b
        || word(&a) && word(&b) && a.eq_ignore_ascii_case(&b)
        || !(is_numeral(&a) && is_numeral(&b)) && (same_value(left, right) || same_parts(left, right))
}

/// Plain numerals are in one spelling already, so long ones are never compared by rounded values.
fn is_numeral(text: &str) -> bool {
    text.chars().all(|character| character.is_ascii_digit() || matches!(character, '-' | '.'))
}

fn same_value(left: &[Token], right: &[Token]) -> bool {
    let letters = letters(left);
    if letters != self::letters(right) || has_word(left) || has_word(right) {
        return false;
    }
    let points = if letters.is_empty() { 1 } else { POINTS.len() };
    POINTS[..points].iter().all(|[scale, shift]| {
        let variable = |letter: char| {
            let index = letters.iter().position(|&other| other == letter)?;
            Some(scale * (index as f64 + 1.0) + shift)
        };
        match (value(left, &variable), value(right, &variable)) {
            (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
            _ => false,
        }
    })
}

fn letters(tokens: &[Token]) -> BTreeSet<char> {
    let letter = |token: &Token| match token {
        Char(character) if character.is_ascii_alphabetic() => Some(*character),
        _ => None,
    };
    tokens.iter().filter_map(letter).collect()
}

/// Whether three letters stand side by side: a word, not a product.
fn has_word(tokens: &[Token]) -> bool {
    tokens.windows(3).any(|run| run.iter().all(|token| matches!(token, Char(letter) if letter.is_alphabetic())))
}

/// Compares the parts of lists, sets, tuples, intervals, unions and equations.
fn same_parts(left: &[Token], right: &[Token]) -> bool {
    let (left_open, left_close, left_inside) = enclosed(left);
    let (right_open, right_close, right_inside) = enclosed(right);
    if (left_open, left_close) != (right_open, right_close) {
        return false;
    }
    let ordered = left_open.is_some_and(|open| *open != Command("{".to_owned()));
    if left_open.is_some() || parts(left_inside, is_comma).len() > 1 {
        return same_list(&parts(left_inside, is_comma), &parts(right_inside, is_comma), ordered);
    }
    let separators: [fn(&Token) -> bool; 2] =
        [|token| *token == Command("cup".to_owned()), |token| *token == Char('=')];
    separators.iter().any(|&separator| {
        let (a, b) = (parts(left, separator), parts(right, separator));
        a.len() > 1 && same_list(&a, &b, true)
    })
}

fn same_list(left: &[&[Token]], right: &[&[Token]], ordered: bool) -> bool {
    if left.len() != right.len() || left.len() > 100 {
        return false;
    }
    if ordered {
        return left.iter().zip(right).all(|(a, b)| same_tokens(a, b));
    }
    let mut open: Vec<_> = right.to_vec();
    left.iter().all(|a| {
        let at = open.iter().position(|b| same_tokens(a, b));
        at.map(|at| open.swap_remove(at)).is_some()
    })
}

fn is_comma(token: &Token) -> bool {
    *token == Char(',')
}

fn opens(token: &Token) -> bool {
    matches!(token, Char('(' | '[' | '{')) || *token == Command("{".to_owned())
}

fn closes(token: &Token) -> bool {
    matches!(token, Char(')' | ']' | '}')) || *token == Command("}".to_owned())
}

/// The bracket pair around a whole answer and what is inside; without such a pair the answer itself. Braces that only
/// group (`{...}`) are not such a pair.
fn enclosed(tokens: &[Token]) -> (Option<&Token>, Option<&Token>, &[Token]) {
    let pair = || {
        let (first, rest) = tokens.split_first()?;
        let (last, inside) = rest.split_last()?;
        let mut depth = 1_usize;
        let closed_early = inside.iter().any(|token| {
            depth = depth + usize::from(opens(token)) - usize::from(closes(token));
            depth == 0
        });
        let pair = opens(first) && closes(last) && *first != Char('{') && !closed_early && depth == 1;
        pair.then_some((Some(first), Some(last), inside))
    };
    pair().unwrap_or((None, None, tokens))
}

/// The parts between separators that stand outside all brackets.
fn parts(tokens: &[Token], separator: fn(&Token) -> bool) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            depth = (depth + usize::from(opens(token))).saturating_sub(usize::from(closes(token)));
            depth == 0 && separator(token)
        })
        .collect()
}

/// Drops `x =`, `f(x) =` or `x \in` in front of an answer, and the braces or the brackets of a lone letter.
fn right_side(tokens: &[Token]) -> Vec<Token> {
    let letter = |token: &Token| matches!(token, Char(letter) if letter.is_ascii_alphabetic());
    let mut equals =
        tokens.iter().enumerate().filter(|(_, token)| **token == Char('=') || **token == Command("in".to_owned()));
    let mut rest = tokens;
    if let (Some((at, _)), None) = (equals.next(), equals.next()) {
        let name = match &tokens[..at] {
            [name] => letter(name),
            [name, Char('('), argument, Char(')')] => letter(name) && letter(argument),
            _ => false,
        };
        if name {
            rest = &tokens[at + 1..];
        }
    }
    match rest {
        [Char('('), single, Char(')')] if letter(single) => vec![single.clone()],
        [Char('{'), inside @ .., Char('}')] if !inside.iter().any(|token| opens(token) || closes(token)) => {
            inside.to_vec()
        }
        _ => rest.to_vec(),
    }
}

/// Tokens as text, a lone decimal without needless signs and zeros.
fn written(tokens: &[Token]) -> String {
    let text = text(tokens);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let numeric = digits.contains(|character: char| character.is_ascii_digit())
        && digits.chars().all(|character| character.is_ascii_digit() || character == '.')
        && digits.matches('.').count() <= 1;
    if !numeric {
        return text;
    }
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let decimals = decimals.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    match (whole, decimals) {
        ("0", "") => "0".to_owned(),
        (_, "") => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{decimals}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_the_same() {
        for (left, right) in [
            ("42", " $42.00$."),
            ("0.5", "\\frac{1}{2}"),
            ("\\dfrac12", "1/2"),
            ("\\frac{6}{8}", ".75"),
            ("-\\frac{1}{2}", "\\frac{-1}{2}"),
            ("3\\frac{1}{2}", "7/2"),
            ("\\frac{\\sqrt3}{3}", "\\frac{1}{\\sqrt{3}}"),
            ("10,000", "10000"),
            ("1{,}234", "1,\\!234"),
            ("+7", "7"),
            ("x=5", "5"),
            ("x \\in [-2,7]", "[-2, 7]"),
            ("f(x) = 2x", "2x"),
            ("5 \\text{ cm}^2", "5"),
            ("5 inches", "5"),
            ("\\$4.50", "4.5"),
            ("90^\\circ", "90"),
            ("25\\%", "25"),
            ("\\left(3, \\frac{\\pi}{2}\\right)", "(3,\\pi/2)"),
            ("1,-2", "-2,1"),
            ("\\{1, 2\\}", "\\{2,1\\}"),
            ("3 \\text{ and } 4", "4,3"),
            ("x+2", "2 + x"),
            ("(x+1)^2", "x^2+2x+1"),
            ("y = 2x + 3", "y=3+2x"),
            ("x^2 + y = 1", "y + x^2 = 1"),
            ("(-\\infty, 2)\\cup(3,\\infty)", "(-\\infty,2) \\cup (3, \\infty)"),
            ("\\text{Evelyn}", "evelyn"),
            ("\\text{(C)}", "C"),
            ("{5}", "5"),
            ("2516_8", "2516_{8}"),
            ("\\begin{pmatrix} \\dfrac12 \\\\ 3 \\end{pmatrix}", "\\begin{pmatrix}\\frac{1}{2}\\\\3\\end{pmatrix}"),
        ] {
            assert!(same(left, right), "{left} and {right}: {} and {}", canonical(left), canonical(right));
            assert!(same(right, left), "{right} and {left}");
        }
    }

    #[test]
    fn answers_that_differ() {
        for (left, right) in [
            ("42", "43"),
            ("5", "-5"),
            ("10000000000000001", "10000000000000000"),
            ("0.333", "\\frac{1}{3}"),
            ("(1,2)", "(2,1)"),
            ("(1,2)", "[1,2]"),
            ("1,2", "1,2,2"),
            ("1,1,2", "1,2,2"),
            ("x=1, y=2", "2"),
            ("2x=10", "10"),
            ("x+2", "x-2"),
            ("x", "y"),
            ("x+y", "2x"),
            ("2516_8", "2516"),
            ("6\\text{ a.m.}", "6\\text{ p.m.}"),
            ("2m", "2"),
            ("1\\frac{1}{2}", "\\frac{1}{2}"),
            ("A", "a"),
            ("listen", "silent"),
            ("50\\%", "0.5"),
            ("\\sin x", "\\cos x"),
            ("", ""),
            ("\\text{}", ""),
        ] {
            assert!(!same(left, right), "{left} and {right}: {} and {}", canonical(left), canonical(right));
        }
    }

    #[test]
    fn the_last_box_is_the_answer() {
        for (answer, wanted) in [
            ("Subtract 3: 2x = 4. The answer is \\boxed{2}.", Some("2")),
            ("\\boxed{1} no, \\boxed{x = -2.50}", Some("-2.5")),
            ("\\boxed{\\text{5}}", Some("5")),
            ("\\boxed{}", None),
            ("The answer is 2.", None),
        ] {
            assert_eq!(find(answer).as_deref(), wanted, "{answer}");
        }
    }

    #[test]
    fn odd_text_never_panics() {
        for text in
            ["\\", "}{", "\\frac{", "\\text", "\\text{", "^", "\\sqrt[", "é^é", "=,=", "((", "\\{,", "{,}", ")("]
        {
            assert!(canonical(text).len() < 100);
            assert!(!same(text, "1"), "{text}");
        }
        let deep = "(".repeat(50_000);
        assert!(same(&deep, &deep) && !same(&deep, "1"));
    }
}
