//! The value of a formula, so that `1/2`, `0.5` and `\frac{3}{6}`, or `x+2` and `2+x`, are the same answer.

use super::latex::Token::{self, Char, Command};

/// Brackets nested deeper than this are not evaluated: a model's text must not overflow the stack.
const DEPTH: usize = 40;
/// Longer formulas are compared as text only.
const LENGTH: usize = 400;

/// Evaluates tokens with `variable` giving each letter's value; `None` for what is no arithmetic expression.
pub(super) fn value(tokens: &[Token], variable: &dyn Fn(char) -> Option<f64>) -> Option<f64> {
    if tokens.is_empty() || tokens.len() > LENGTH {
        return None;
    }
    let mut reader = Reader { tokens, at: 0, depth: 0, variable };
    let value = reader.sum()?;
    (reader.at == tokens.len() && value.is_finite()).then_some(value)
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    variable: &'a dyn Fn(char) -> Option<f64>,
}

impl Reader<'_> {
    fn next_char(&self) -> Option<char> {
        match self.tokens.get(self.at) {
            Some(Char(character)) => Some(*character),
            _ => None,
        }
    }

    fn next_command(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Command(name)) => Some(name),
            _ => None,
        }
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        (self.next_char() == Some(wanted)).then(|| self.at += 1)
    }

    fn sum(&mut self) -> Option<f64> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let mut total = 0.0;
        let mut sign = match self.next_char() {
            Some('-') => -1.0,
            _ => 1.0,
        };
        if matches!(self.next_char(), Some('+' | '-')) {
            self.at += 1;
        }
        loop {
            total += sign * self.product()?;
            sign = match self.next_char() {
                Some('+') => 1.0,
                Some('-') => -1.0,
                _ => break,
            };
            self.at += 1;
        }
        self.depth -= 1;
        Some(total)
    }

    fn product(&mut self) -> Option<f64> {
        let mut total = self.power()?;
        loop {
            match self.next_char() {
                Some('*') => {
                    self.at += 1;
                    total *= self.power()?;
                }
                Some('/') => {
                    self.at += 1;
                    total /= self.power()?;
                }
                Some('(' | '{') => total *= self.power()?,
                Some(letter) if letter.is_ascii_alphabetic() => total *= self.power()?,
                None if self.next_command().is_some_and(|name| matches!(name, "frac" | "sqrt" | "pi")) => {
                    total *= self.power()?;
                }
                _ => return Some(total),
            }
        }
    }

    fn power(&mut self) -> Option<f64> {
        let base = self.atom()?;
        if self.take('^').is_none() {
            return Some(base);
        }
        Some(base.powf(self.group('{', '}')?))
    }

    fn group(&mut self, open: char, close: char) -> Option<f64> {
        self.take(open)?;
        let inside = self.sum()?;
        self.take(close)?;
        Some(inside)
    }

    fn atom(&mut self) -> Option<f64> {
        match self.next_char() {
            Some('(') => self.group('(', ')'),
            Some('{') => self.group('{', '}'),
            Some(character) if character.is_ascii_digit() || character == '.' => self.number(),
            Some(character) if character.is_ascii_alphabetic() => {
                self.at += 1;
                (self.variable)(character)
            }
            Some(_) => None,
            None => self.command(),
        }
    }

    fn command(&mut self) -> Option<f64> {
        let name = self.next_command()?.to_owned();
        self.at += 1;
        match name.as_str() {
            "pi" => Some(std::f64::consts::PI),
            "frac" => Some(self.group('{', '}')? / self.group('{', '}')?),
            "sqrt" if self.next_char() == Some('[') => {
                let degree = self.group('[', ']')?;
                Some(self.group('{', '}')?.powf(1.0 / degree))
            }
            "sqrt" => Some(self.group('{', '}')?.sqrt()),
            _ => None,
        }
    }

    /// A numeral; a whole number right before a proper fraction of whole numbers is a mixed number.
    fn number(&mut self) -> Option<f64> {
        let mut text = String::new();
        while let Some(character) = self.next_char().filter(|next| next.is_ascii_digit() || *next == '.') {
            text.push(character);
            self.at += 1;
        }
        let whole = text.parse().ok()?;
        if text.contains('.') || self.next_command() != Some("frac") {
            return Some(whole);
        }
        let start = self.at;
        self.at += 1;
        if let (Some(top), Some(bottom)) = (self.digits(), self.digits())
            && top < bottom
        {
            return Some(whole + top / bottom);
        }
        self.at = start;
        Some(whole)
    }

    /// A group of digits alone: `{12}`.
    fn digits(&mut self) -> Option<f64> {
        self.take('{')?;
        let mut text = String::new();
        while let Some(digit) = self.next_char().filter(char::is_ascii_digit) {
            text.push(digit);
            self.at += 1;
        }
        self.take('}')?;
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::latex::tokens;
    use super::*;

    #[test]
    fn values() {
        for (latex, wanted) in [
            ("12", Some(12.0)),
            ("-.5", Some(-0.5)),
            ("1/4", Some(0.25)),
            ("-\\frac{3}{4}", Some(-0.75)),
            ("\\frac{-3}{4}", Some(-0.75)),
            ("3\\frac12", Some(3.5)),
            ("-3\\frac12", Some(-3.5)),
            ("3\\frac{3}{2}", Some(4.5)),
            ("2\\sqrt{2}", Some(8.0_f64.sqrt())),
            ("\\sqrt[3]{8}", Some(2.0)),
            ("2^{10}-2^3", Some(1016.0)),
            ("-2^2", Some(-4.0)),
            ("3(4+5)/9", Some(3.0)),
            ("2\\pi", Some(2.0 * std::f64::consts::PI)),
            ("1/0", None),
            ("1.2.3", None),
            ("(3,4)", None),
            ("5_8", None),
            ("3!", None),
            ("x", None),
            ("2+", None),
            ("\\sqrt{-1}", None),
            ("\\frac{1}", None),
            ("", None),
        ] {
            let found = value(&tokens(latex), &|_| None);
            assert!(
                found.zip(wanted).map_or(found == wanted, |(a, b)| (a - b).abs() < 1e-12),
                "{latex}: {found:?}, wanted {wanted:?}"
            );
        }
    }

    #[test]
    fn deep_and_long_formulas_are_left_alone() {
        assert_eq!(value(&tokens(&"(".repeat(100_000)), &|_| None), None);
        assert_eq!(value(&tokens(&format!("{}1{}", "(".repeat(90), ")".repeat(90))), &|_| None), None);
        assert_eq!(value(&tokens(&"1+".repeat(5_000)), &|_| None), None);
    }
}
