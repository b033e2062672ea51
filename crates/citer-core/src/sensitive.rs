//! Sensitive spans: text that should not leave the device, found by rules or marked by the person.
//!
//! The rules prefer known shapes over guesses: a number in a sum must not look like a telephone's.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a span holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Marked by the person.
    Marked,
    /// A password, an API key or another secret of random letters.
    Key,
    /// A payment card's number.
    Card,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
}

/// A sensitive part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it is, in bytes.
    pub range: Range<usize>,
    /// What it holds.
    pub kind: Kind,
}

/// Shortest text that can be marked, in characters: every "a" of a conversation is not meant.
pub const SHORTEST_MARK: usize = 2;

/// The sensitive spans of `text` in order, without overlaps: those in `marks` wherever they stand, and those found by rules.
pub fn find(text: &str, marks: &[String]) -> Vec<Span> {
    let mut found = Vec::new();
    for mark in marks.iter().map(|mark| mark.trim()).filter(|mark| mark.chars().count() >= SHORTEST_MARK) {
        found.extend(text.match_indices(mark).map(|(at, _)| Span { range: at..at + mark.len(), kind: Kind::Marked }));
    }
    keys(text, &mut found);
    numbers(text, &mut found);
    emails(text, &mut found);
    // Of two that overlap the one that begins first stays, and of those the longer one.
    found.sort_by_key(|span| (span.range.start, usize::MAX - span.range.end, span.kind));
    let mut end = 0;
    found.retain(|span| {
        let is_free = span.range.start >= end;
        if is_free {
            end = span.range.end;
        }
        is_free
    });
    found
}

/// Words of letters that keys are made of.
fn words(text: &str, belongs: fn(char) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let mut start = None;
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    ends.filter_map(move |(at, letter)| match (start, belongs(letter)) {
        (None, true) => {
            start = Some(at);
            None
        }
        (Some(from), false) => {
            start = None;
            Some((from, &text[from..at]))
        }
        _ => None,
    })
}

/// How the keys of well-known services begin, with the fewest characters of a whole one.
const PREFIXES: [(&str, usize); 13] = [
    ("sk-", 20),
    ("sk_live_", 20),
    ("sk_test_", 20),
    ("pk_live_", 20),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("hf_", 24),
    ("AKIA", 20),
    ("AIza", 35),
];

/// A word this long whose letters look drawn by lot counts as a key.
const LONG: usize = 32;
/// Bits a letter of it carries at least.
const RANDOM: f64 = 3.5;

fn keys(text: &str, found: &mut Vec<Span>) {
    for (at, word) in words(text, |letter| letter.is_ascii_alphanumeric() || "-_.+/=".contains(letter)) {
        let word = word.trim_end_matches('.');
        let is_known = PREFIXES.iter().any(|(prefix, length)| word.starts_with(prefix) && word.len() >= *length);
        let is_token = word.starts_with("eyJ") && word.len() >= LONG && word.matches('.').count() == 2;
        let is_random = !word.contains('/') && word.len() >= LONG && mixes(word) && entropy(word) >= RANDOM;
        if is_known || is_token || is_random {
            found.push(Span { range: at..at + word.len(), kind: Kind::Key });
        }
    }
    let mut from = 0;
    while let Some(start) = text[from..].find("-----BEGIN ").map(|at| from + at) {
        let head = text[start..].lines().next().unwrap_or_default();
        let end = text[start..].find("-----END ").map_or(text.len(), |at| {
            let rest = &text[start + at..];
            start + at + rest.find('\n').unwrap_or(rest.len())
        });
        if head.contains("PRIVATE KEY") {
            found.push(Span { range: start..end, kind: Kind::Key });
        }
        from = end.max(start + 1);
    }
}

/// Whether a word has letters and digits.
fn mixes(word: &str) -> bool {
    word.contains(|letter: char| letter.is_ascii_digit()) && word.contains(|letter: char| letter.is_ascii_alphabetic())
}

/// Bits of a letter of `word`, by how often each stands in it.
fn entropy(word: &str) -> f64 {
    let mut counts = [0u32; 256];
    word.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let all = word.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all).map(|p| -p * p.log2()).sum()
}

fn emails(text: &str, found: &mut Vec<Span>) {
    let is_name = |letter: char| letter.is_alphanumeric() || "._%+-".contains(letter);
    let is_host = |letter: char| letter.is_alphanumeric() || ".-".contains(letter);
    for (at, _) in text.match_indices('@') {
        let name: usize = text[..at].chars().rev().take_while(|letter| is_name(*letter)).map(char::len_utf8).sum();
        let host: usize = text[at + 1..].chars().take_while(|letter| is_host(*letter)).map(char::len_utf8).sum();
        let host = text[at + 1..at + 1 + host].trim_end_matches(['.', '-']);
        let is_whole = host.rsplit_once('.').is_some_and(|(name, top)| {
            !name.is_empty() && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic)
        });
        if name > 0 && is_whole {
            found.push(Span { range: at - name..at + 1 + host.len(), kind: Kind::Email });
        }
    }
}

/// Digits in groups: where they are, the groups, and what stands between them.
struct Number<'a> {
    range: Range<usize>,
    text: &'a str,
    groups: Vec<&'a str>,
}

impl Number<'_> {
    fn digits(&self) -> String {
        self.groups.concat()
    }

    fn lengths(&self) -> Vec<usize> {
        self.groups.iter().map(|group| group.len()).collect()
    }
}

fn numbers(text: &str, found: &mut Vec<Span>) {
    let mut from = 0;
    while let Some(number) = next_number(text, from) {
        from = number.range.end;
        let kind = if is_card(&number) {
            Kind::Card
        } else if is_phone(&number) {
            Kind::Phone
        } else {
            continue;
        };
        found.push(Span { range: number.range, kind });
    }
}

/// The next run of digits with single separators, from byte `from` on.
fn next_number(text: &str, from: usize) -> Option<Number<'_>> {
    let first = from + text[from..].find(|letter: char| letter.is_ascii_digit())?;
    // A sign or a bracket before the digits belongs to them, a letter makes them a word's.
    let before = text[..first].chars().next_back();
    let start = if matches!(before, Some('+' | '(')) && first > from { first - 1 } else { first };
    let start = if text[..start].ends_with('+') && start > from { start - 1 } else { start };
    let (mut end, mut gap) = (first, 0);
    for (at, letter) in text[first..].char_indices() {
        let at = first + at;
        if letter.is_ascii_digit() {
            end = at + 1;
            gap = 0;
        } else if "-. ()/".contains(letter) && gap < 2 {
            gap += 1;
        } else {
            break;
        }
    }
    let whole = &text[start..end];
    let groups = whole.split(|letter: char| !letter.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    Some(Number { range: start..end, text: whole, groups })
}

/// 13 to 19 digits in one piece or in groups as on cards, with a right check digit.
fn is_card(number: &Number<'_>) -> bool {
    let digits = number.digits();
    let lengths = number.lengths();
    let in_fours =
        lengths.split_last().is_some_and(|(last, rest)| rest.iter().all(|length| *length == 4) && *last <= 4);
    let is_shaped = lengths.len() == 1 || in_fours || lengths == [4, 6, 5];
    let varies = digits.bytes().any(|digit| Some(digit) != digits.bytes().next());
    (13..=19).contains(&digits.len()) && is_shaped && varies && luhn(&digits)
}

/// The check digit of payment cards.
fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                1 if digit > 4 => digit * 2 - 9,
                1 => digit * 2,
                _ => digit,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// `+49 30 123456`, `(555) 123-4567`, `555-123-4567`, `030 12345678`: an international number, or groups as people write
/// telephone numbers. Numbers of sums, dates and addresses of computers are not.
fn is_phone(number: &Number<'_>) -> bool {
    let (count, lengths, text) = (number.digits().len(), number.lengths(), number.text);
    let is_date = matches!(lengths.as_slice(), [4, 2, 2] | [2, 2, 4] | [1 | 2, 1 | 2, 4]);
    let one_separator = ["-", "."].iter().any(|separator| number.groups.join(separator) == text);
    if text.starts_with('+') || text.starts_with("(+") {
        return (8..=15).contains(&count);
    }
    if text.starts_with('(') {
        return (9..=12).contains(&count) && lengths.len() >= 2;
    }
    if text.starts_with('0') {
        return (9..=14).contains(&count) && !is_date && !text.starts_with("0.") && (lengths.len() >= 2 || count <= 12);
    }
    one_separator && matches!(lengths.as_slice(), [3, 3, 4] | [1, 3, 3, 4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<(&str, Kind)> {
        find(text, &[]).into_iter().map(|span| (&text[span.range], span.kind)).collect()
    }

    #[test]
    fn finds_what_people_keep_to_themselves() {
        for (text, part, kind) in [
            ("Write to jane.doe+home@mail.example.org, please", "jane.doe+home@mail.example.org", Kind::Email),
            ("(müller@büro.de)", "müller@büro.de", Kind::Email),
            ("call +49 30 901820 now", "+49 30 901820", Kind::Phone),
            ("call (555) 123-4567.", "(555) 123-4567", Kind::Phone),
            ("555-123-4567", "555-123-4567", Kind::Phone),
            ("Tel. 030 12345678", "030 12345678", Kind::Phone),
            ("card 4111 1111 1111 1111, 12/27", "4111 1111 1111 1111", Kind::Card),
            ("378282246310005", "378282246310005", Kind::Card),
            ("my key is sk-abcdefghijklmnop0123.", "sk-abcdefghijklmnop0123", Kind::Key),
            ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", Kind::Key),
            (
                "token=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
                "token=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
                Kind::Key,
            ),
        ] {
            assert_eq!(kinds(text), [(part, kind)], "{text}");
        }
        let pem = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\nbye";
        assert_eq!(kinds(pem), [(pem.trim_end_matches("\nbye"), Kind::Key)]);
    }

    #[test]
    fn leaves_sums_dates_and_plain_words_alone() {
        for text in [
            "What is 3 + 4?",
            "12 + 34 - 5.75 = 40.25, 1000000 / 3",
            "0.12345678901",
            "On 2026-11-26 or 01.02.2026, at 09:30",
            "192.168.100.200 and 10.0.0.1",
            "4111 1111 1111 1112 has a wrong check digit",
            "0000 0000 0000 0000",
            "Pneumonoultramicroscopicsilicovolcanoconiosis",
            "a@b, @name, name@host",
            "https://example.org/a/long/path/with/many/parts/2026/11/26/index.html",
            "5x + 10 = 25, x^2 = 1024",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    #[test]
    fn marks_are_found_everywhere_and_come_first() {
        let marks = [" Aunt Mary ".to_owned(), "x".to_owned()];
        let text = "Aunt Mary and aunt mary met Aunt Mary";
        let found = find(text, &marks);
        assert_eq!(found.iter().map(|span| span.range.clone()).collect::<Vec<_>>(), [0..9, 28..37]);
        assert!(found.iter().all(|span| span.kind == Kind::Marked));
        let mail = find("mary@example.org", &["mary@example.org".to_owned()]);
        assert_eq!(mail, [Span { range: 0..16, kind: Kind::Marked }]);
    }

    proptest! {
        #[test]
        fn spans_are_in_order_and_whole_characters(
            text in "([+( ]?[0-9]{1,5}[-. )/]|[a-zäß@._]{1,6}|\\PC){0,24}",
            mark in "\\PC{0,3}",
        ) {
            let mut end = 0;
            for span in find(&text, &[mark]) {
                prop_assert!(span.range.start >= end && span.range.end > span.range.start);
                prop_assert!(text.get(span.range.clone()).is_some());
                end = span.range.end;
            }
        }
    }
}
