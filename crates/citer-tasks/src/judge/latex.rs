//! LaTeX answers in one spelling: tokens without layout, units and currency, with braces around every argument.

/// One token of a formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A command without its backslash: a word such as `frac`, or one other character.
    Command(String),
    /// Any other character; white space never gets here.
    Char(char),
}

use Token::{Char, Command};

/// Commands that change the look only.
const LAYOUT: [&str; 25] = [
    "left",
    "right",
    "big",
    "Big",
    "bigl",
    "bigr",
    "Bigl",
    "Bigr",
    "bigg",
    "Bigg",
    "displaystyle",
    "textstyle",
    "quad",
    "qquad",
    "limits",
    "mathbf",
    "boldsymbol",
    "bf",
    "rm",
    ",",
    "!",
    ";",
    ":",
    " ",
    "$",
];
/// Commands with the same meaning, and the spelling kept.
const SYNONYMS: [(&str, &str); 12] = [
    ("dfrac", "frac"),
    ("tfrac", "frac"),
    ("cfrac", "frac"),
    ("leq", "le"),
    ("geq", "ge"),
    ("neq", "ne"),
    ("lbrace", "{"),
    ("rbrace", "}"),
    ("dots", "ldots"),
    ("cdots", "ldots"),
    ("to", "rightarrow"),
    ("lvert", "|"),
];
/// Commands whose argument is words.
const WORDS: [&str; 8] = ["text", "textbf", "textit", "textrm", "mbox", "mathrm", "operatorname", "hbox"];
/// Units that are dropped behind a number even outside `\text{}`.
const UNITS: [&str; 36] = [
    "square units",
    "cubic units",
    "units",
    "unit",
    "dollars",
    "dollar",
    "cents",
    "degrees",
    "degree",
    "percent",
    "hours",
    "hour",
    "minutes",
    "seconds",
    "days",
    "weeks",
    "months",
    "years",
    "inches",
    "inch",
    "feet",
    "miles",
    "meters",
    "metres",
    "mph",
    "cm",
    "mm",
    "km",
    "ft",
    "m",
    "kg",
    "cubic inches",
    "square inches",
    "square feet",
    "square meters",
    "points",
];

/// Words behind a time of day; they are part of the answer.
const CLOCK: [&str; 4] = ["a.m", "p.m", "am", "pm"];
/// Words that multiply the number in front of them, so they are no units.
pub(super) const SCALES: [&str; 6] = ["dozen", "hundred", "thousand", "million", "billion", "trillion"];

/// The tokens of an answer in one spelling.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let text = drop_unit(unwrap(text));
    let mut flat = drop_layout(words(&scan(text)));
    while matches!(flat.last(), Some(Char('.' | ',' | ';'))) {
        flat.pop();
    }
    braced(&thousands(flat))
}

/// Removes what encloses a whole answer (`$`, `\(`, `\[`) and what ends a sentence.
fn unwrap(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let before = text;
        text = text.trim_end_matches(['.', ',', ';']).trim_matches('$').trim();
        for (open, close) in [("\\(", "\\)"), ("\\[", "\\]")] {
            text = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).unwrap_or(text).trim();
        }
        if text == before {
            return text;
        }
    }
}

/// Removes a unit written as a plain word behind a number.
fn drop_unit(text: &str) -> &str {
    let base = ["^2", "^3", "^{2}", "^{3}"].iter().find_map(|power| text.strip_suffix(power)).unwrap_or(text);
    UNITS
        .iter()
        .filter_map(|unit| base.strip_suffix(unit)?.strip_suffix(' '))
        .find(|number| {
            number.trim_end().ends_with(|last: char| last.is_ascii_digit() || matches!(last, '}' | ')' | '$'))
        })
        .map_or(text, str::trim_end)
}

fn scan(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            tokens.push(Char(if character.is_whitespace() { ' ' } else { character }));
            continue;
        }
        let mut name = String::new();
        while let Some(letter) = characters.next_if(char::is_ascii_alphabetic) {
            name.push(letter);
        }
        if name.is_empty() {
            name.extend(characters.next());
        } else {
            // White space behind a command only ends its name.
            while characters.next_if(|next| next.is_whitespace()).is_some() {}
        }
        tokens.push(Command(name));
    }
    tokens
}

/// Replaces `\text{...}` by its characters; behind a number at the end of the answer it is a unit and goes away.
fn words(tokens: &[Token]) -> Vec<Token> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Command(name) = token else {
            out.push(token.clone());
            continue;
        };
        if !WORDS.contains(&name.as_str()) {
            out.push(token.clone());
            continue;
        }
        let content: Vec<_> = match tokens.get(at) {
            Some(Char('{')) => tokens[at + 1..].iter().take_while(|token| **token != Char('}')).cloned().collect(),
            _ => Vec::new(),
        };
        if tokens.get(at) == Some(&Char('{')) {
            at += content.len() + 2;
        }
        let plain: String =
            content.iter().filter_map(|token| if let Char(letter) = token { Some(*letter) } else { None }).collect();
        let rest = tokens.get(at..).unwrap_or_default();
        let plain = plain.trim();
        let lower = plain.to_ascii_lowercase();
        let meant =
            CLOCK.iter().any(|half| lower.starts_with(half)) || SCALES.iter().any(|scale| lower.contains(scale));
        let last = out.iter().rev().find(|token| **token != Char(' ') && !is_layout(token));
        let number = matches!(last, Some(Char(end)) if end.is_ascii_digit() || matches!(end, '}' | ')' | '%'));
        let whole = plain.chars().all(|letter| letter.is_alphabetic() || matches!(letter, ' ' | '.' | '/' | '-'));
        if number && whole && !meant && is_power(rest) {
            return out;
        }
        match plain {
            "and" | "or" => out.push(Char(',')),
            _ => out.extend(content),
        }
    }
    out
}

/// Whether nothing but a power of a unit (`^2`, `^{3}`) follows.
fn is_power(rest: &[Token]) -> bool {
    rest.iter().all(|token| matches!(token, Char(' ' | '^' | '{' | '}' | '2' | '3' | '.' | '$')))
        && rest.iter().filter(|token| matches!(token, Char('2' | '3'))).count() <= 1
        && rest.iter().find(|token| **token != Char(' ')).is_none_or(|first| matches!(first, Char('^' | '.' | '$')))
}

fn is_layout(token: &Token) -> bool {
    match token {
        Command(name) => LAYOUT.contains(&name.as_str()),
        Char(_) => false,
    }
}

/// Drops layout, white space, currency, percent and degree signs, and gives synonyms one name. A comma before `\!`
/// and one in braces of its own only group digits, so they go too.
fn drop_layout(tokens: Vec<Token>) -> Vec<Token> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = |ahead: usize| tokens.get(at + ahead);
        let mut width = 1;
        match token {
            Char(',') if next(1) == Some(&Command("!".to_owned())) => {}
            Char('{') if next(1) == Some(&Char(',')) && next(2) == Some(&Char('}')) => width = 3,
            Char('^') if next(1) == Some(&Command("circ".to_owned())) => width = 2,
            Char('^') if next(1) == Some(&Char('{')) && next(2) == Some(&Command("circ".to_owned())) => {
                width = if next(3) == Some(&Char('}')) { 4 } else { 3 };
            }
            Char(' ' | '~' | '$' | '%' | '°') => {}
            Char('−' | '–') => out.push(Char('-')),
            Char('×' | '·') => out.push(Char('*')),
            Char('π') => out.push(Command("pi".to_owned())),
            Char('∞') => out.push(Command("infty".to_owned())),
            Char(character) => out.push(Char(*character)),
            Command(name) if is_layout(token) || matches!(name.as_str(), "%" | "degree" | "textdegree") => {}
            Command(name) if matches!(name.as_str(), "cdot" | "times") => out.push(Char('*')),
            Command(name) if name == "div" => out.push(Char('/')),
            Command(name) => {
                let kept = SYNONYMS.iter().find(|(other, _)| other == name).map_or(name.as_str(), |(_, kept)| kept);
                out.push(Command(kept.to_owned()));
            }
        }
        at += width;
    }
    out
}

/// Drops the commas of an answer that is one number with groups of three digits, such as `12,345.6`.
fn thousands(tokens: Vec<Token>) -> Vec<Token> {
    let plain: Option<String> =
        tokens.iter().map(|token| if let Char(character) = token { Some(*character) } else { None }).collect();
    let grouped = plain.is_some_and(|text| {
        let digits = text.trim_start_matches(['+', '-']);
        let whole = digits.split('.').next().unwrap_or_default();
        let mut groups = whole.split(',');
        let first = groups.next().unwrap_or_default();
        let numeric = digits.chars().all(|character| character.is_ascii_digit() || matches!(character, ',' | '.'));
        numeric && (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3)
    });
    if grouped { tokens.into_iter().filter(|token| *token != Char(',')).collect() } else { tokens }
}

/// Puts braces around every argument that is a single token: `\frac12`, `\sqrt2`, `x^2`, `a_1`.
fn braced(tokens: &[Token]) -> Vec<Token> {
    let closing = closing(tokens);
    let mut wrap = vec![false; tokens.len()];
    // Marks the argument that starts at a position and returns the position behind it.
    let mut argument = |at: usize| match tokens.get(at) {
        Some(Char('{')) => closing.get(at).copied().unwrap_or(at) + 1,
        Some(Char('-' | '+' | '(' | ')' | '}' | ',')) | None => at + 1,
        Some(Command(name)) if matches!(name.as_str(), "frac" | "sqrt") => at + 1,
        Some(_) => {
            wrap[at] = true;
            at + 1
        }
    };
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Command(name) if name == "frac" => {
                let second = argument(at + 1);
                argument(second);
            }
            Command(name) if name == "sqrt" => {
                let root = tokens.get(at + 1) == Some(&Char('['));
                let skip = if root { tokens[at..].iter().position(|token| *token == Char(']')) } else { None };
                argument(at + skip.unwrap_or(0) + 1);
            }
            Char('^' | '_') => {
                argument(at + 1);
            }
            _ => {}
        }
    }
    let mut out = Vec::with_capacity(tokens.len() + 8);
    for (token, wrap) in tokens.iter().zip(wrap) {
        if wrap {
            out.extend([Char('{'), token.clone(), Char('}')]);
        } else {
            out.push(token.clone());
        }
    }
    out
}

/// For each `{` the position of its `}`; for anything else, and for a brace that is never closed, its own position.
fn closing(tokens: &[Token]) -> Vec<usize> {
    let mut closing: Vec<_> = (0..tokens.len()).collect();
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Char('{') => open.push(at),
            Char('}') => {
                if let Some(start) = open.pop() {
                    closing[start] = at;
                }
            }
            _ => {}
        }
    }
    closing
}

/// Tokens as text; a space ends a command name that a letter follows.
pub(super) fn text(tokens: &[Token]) -> String {
    let mut out = String::new();
    let mut after_word = false;
    for token in tokens {
        match token {
            Command(name) => {
                out.push('\\');
                out.push_str(name);
                after_word = name.ends_with(|last: char| last.is_ascii_alphabetic());
            }
            Char(character) => {
                if after_word && character.is_ascii_alphabetic() {
                    out.push(' ');
                }
                out.push(*character);
                after_word = false;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for (latex, wanted) in [
            (" $5$. ", "5"),
            ("\\(\\dfrac{1}{2}\\)", "\\frac{1}{2}"),
            ("\\tfrac12", "\\frac{1}{2}"),
            ("\\frac1{72}", "\\frac{1}{72}"),
            ("\\sqrt2 + \\sqrt[3] 5", "\\sqrt{2}+\\sqrt[3]{5}"),
            ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\frac{\\pi}{2})"),
            ("x^2_1", "x^{2}_{1}"),
            ("11,\\! 111,\\!111", "11111111"),
            ("1{,}000", "1000"),
            ("-12,345.60", "-12345.60"),
            ("1,2", "1,2"),
            ("(1,234)", "(1,234)"),
            ("\\$18.90", "18.90"),
            ("50\\%", "50"),
            ("45^\\circ", "45"),
            ("45^{\\circ}", "45"),
            ("10\\text{ cm}^2", "10"),
            ("10 \\mbox{ inches}", "10"),
            ("10 square units", "10"),
            ("2 cm^3", "2"),
            ("2m", "2m"),
            ("6 \\text{ p.m.}", "6p.m"),
            ("3 \\text{ million}", "3million"),
            ("\\text{Evelyn}", "Evelyn"),
            ("3\\text{ and }5", "3,5"),
            ("x \\geq 2", "x\\ge2"),
            ("2\\pi r", "2\\pi r"),
            ("3 \\cdot 4", "3*4"),
            ("\\frac", "\\frac"),
            ("x^", "x^"),
            ("", ""),
        ] {
            assert_eq!(text(&tokens(latex)), wanted, "{latex}");
        }
    }
}
