//! The judge of multiple-choice answers: ordered rules that find the chosen option in a text.

use super::text::{Part, after_cue, last_boxed, sentence};

/// The letter of option `index`: A, B, C, ...
pub fn letter(index: usize) -> Option<char> {
    LETTERS.chars().nth(index)
}

/// The index of a letter, whatever its case.
pub(crate) fn index(letter: char) -> Option<usize> {
    LETTERS.find(letter.to_ascii_uppercase())
}

/// The letters of options; no benchmark has more than ten of them.
const LETTERS: &str = "ABCDEFGHIJ";
/// What may stand right behind a bare letter.
const MARKS: &str = ".,;:)]}*\"”$!\\\n";
/// How many options a question may have.
pub(crate) const MOST: usize = LETTERS.len();

/// The rule that found an option; they are tried in this order and the first that finds one decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A box in the sentence after the last cue holds a letter: "the answer is \boxed{B}".
    BoxedStatement,
    /// The text of an option and a letter in brackets follow the cue: "the answer is A (small) heart. (B)".
    Labelled,
    /// A bare capital letter and a mark follow the cue: "the answer is B."
    BareLetter,
    /// The first bracketed letter in the sentence after the cue: "the answer is the heart (b)".
    Bracketed,
    /// The text of an option follows the cue: "the answer is the heart".
    OpeningText,
    /// A bare capital letter and a word follow the cue: "the answer is B because".
    LooseLetter,
    /// The sentence after the cue names one option only: "the answer is that our heart pumps blood".
    OnlyText,
    /// The last box of the text holds a letter.
    Boxed,
    /// All bracketed letters of the text are the same one: "That is the heart (B)."
    Agreed,
}

/// The option that `answer` chooses among `count` options, and the rule that found it.
///
/// `texts` are the options' texts, or empty when only letters count.
pub(crate) fn find(answer: &str, count: usize, texts: &[String]) -> Option<(usize, Rule)> {
    let count = count.min(MOST);
    let boxed = last_boxed(answer);
    let in_box = || boxed.and_then(|part| boxed_letter(part.text, count));
    stated(answer, boxed, count, texts)
        .or_else(|| in_box().map(|index| (index, Rule::Boxed)))
        .or_else(|| agreed(answer, count).map(|index| (index, Rule::Agreed)))
}

/// The rules that look at the sentence after the last cue.
fn stated(answer: &str, boxed: Option<Part<'_>>, count: usize, texts: &[String]) -> Option<(usize, Rule)> {
    let tail = after_cue(answer)?;
    let said = sentence(tail.text);
    boxed
        .filter(|part| (tail.start..tail.start + said.len()).contains(&part.start))
        .and_then(|part| boxed_letter(part.text, count))
        .map(|index| (index, Rule::BoxedStatement))
        .or_else(|| labelled(tail.text, count, texts).map(|index| (index, Rule::Labelled)))
        .or_else(|| bare(said, count, false).map(|index| (index, Rule::BareLetter)))
        .or_else(|| bracketed(said, count).next().map(|index| (index, Rule::Bracketed)))
        .or_else(|| opening(said, texts).map(|index| (index, Rule::OpeningText)))
        .or_else(|| bare(said, count, true).map(|index| (index, Rule::LooseLetter)))
        .or_else(|| only(said, texts).map(|index| (index, Rule::OnlyText)))
}

/// The letter of a box: `B`, `(B)`, `\text{B}`, `\text{(b) heart}`.
fn boxed_letter(content: &str, count: usize) -> Option<usize> {
    let plain = ["\\text{", "\\textbf{", "\\mathrm{", "\\mathbf{"]
        .iter()
        .fold(content.trim(), |text, command| text.strip_prefix(command).unwrap_or(text));
    bare(plain, count, true).or_else(|| bracketed(plain, count).next())
}

/// A capital letter that opens the text and stands alone; behind it comes the end or a mark, or white space if `loose`.
fn bare(text: &str, count: usize, loose: bool) -> Option<usize> {
    let words = ["option ", "choice ", "letter "];
    let text = words
        .iter()
        .find_map(|word| {
            text.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| &text[word.len()..])
        })
        .unwrap_or(text);
    let first = text.chars().next().filter(char::is_ascii_uppercase)?;
    let alone = text[1..].chars().next().is_none_or(|next| loose && next.is_whitespace() || MARKS.contains(next));
    index(first).filter(|&index| alone && index < count)
}

/// The letters in brackets, in order; one after the word "not" does not count.
fn bracketed(text: &str, count: usize) -> impl Iterator<Item = usize> + '_ {
    text.match_indices('(').filter_map(move |(at, _)| {
        let mut rest = text[at + 1..].chars();
        let letter = rest.next().filter(char::is_ascii_alphabetic)?;
        let negated = text[..at].trim_end().rsplit(' ').next().is_some_and(|word| word.eq_ignore_ascii_case("not"));
        (rest.next() == Some(')') && !negated).then(|| index(letter))?.filter(|&index| index < count)
    })
}

/// The bracketed letter of a text that has only one of them, however often.
fn agreed(text: &str, count: usize) -> Option<usize> {
    let mut letters = bracketed(text, count);
    let first = letters.next()?;
    letters.all(|letter| letter == first).then_some(first)
}

/// The letter in brackets right behind an option's text that opens the text.
fn labelled(text: &str, count: usize, texts: &[String]) -> Option<usize> {
    texts
        .iter()
        .filter_map(|option| {
            let option = option.trim().trim_end_matches('.');
            let start =
                text.get(..option.len()).filter(|start| !start.is_empty() && start.eq_ignore_ascii_case(option))?;
            let rest = text[start.len()..].trim_start_matches(['.', ',', '"', '”', '*']).trim_start();
            let end = rest.strip_prefix('(')?.find(')')?;
            bracketed(&rest[..end + 2], count).next()
        })
        .next()
}

/// The longest option that opens the text; letters of the same case decide between options that differ by case only.
fn opening(text: &str, texts: &[String]) -> Option<usize> {
    let text = without_article(text);
    let options = || texts.iter().enumerate().map(|(index, option)| (index, bare_option(option)));
    let longest = |same: fn(&str, &str) -> bool| {
        let fits = |option: &str| {
            text.get(..option.len()).is_some_and(|start| same(start, option)) && ends_word(text, option.len())
        };
        unique_longest(options().filter(|(_, option)| !option.is_empty() && fits(option)))
    };
    longest(|a, b| a == b).or_else(|| longest(|a, b| a.eq_ignore_ascii_case(b)))
}

/// The only option that occurs in the text in whole words; an option inside a longer one that occurs too is ignored.
fn only(text: &str, texts: &[String]) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let spans: Vec<_> = texts
        .iter()
        .enumerate()
        .filter_map(|(index, option)| {
            let option = bare_option(option).to_ascii_lowercase();
            let fits = |at: &usize| starts_word(&lower, *at) && ends_word(&lower, at + option.len());
            let at = lower.match_indices(&option).map(|(at, _)| at).find(fits)?;
            (!option.is_empty()).then_some((index, at..at + option.len()))
        })
        .collect();
    let inside = |span: &std::ops::Range<usize>| {
        spans.iter().any(|(_, other)| other.len() > span.len() && other.start <= span.start && span.end <= other.end)
    };
    let mut outer = spans.iter().filter(|(_, span)| !inside(span));
    let (index, _) = outer.next()?;
    outer.next().is_none().then_some(*index)
}

/// An option without its full stop and a leading article.
fn bare_option(option: &str) -> &str {
    without_article(option.trim().trim_end_matches('.'))
}

fn without_article(text: &str) -> &str {
    let articles = ["the ", "a ", "an ", "The ", "A ", "An "];
    articles.iter().find_map(|article| text.strip_prefix(article)).unwrap_or(text)
}

fn unique_longest<'a>(found: impl Iterator<Item = (usize, &'a str)>) -> Option<usize> {
    let found: Vec<_> = found.collect();
    let longest = found.iter().map(|(_, option)| option.len()).max()?;
    let mut best = found.iter().filter(|(_, option)| option.len() == longest);
    let (index, _) = best.next()?;
    best.next().is_none().then_some(*index)
}

fn starts_word(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_none_or(|character| !character.is_alphanumeric())
}

fn ends_word(text: &str, at: usize) -> bool {
    text.get(at..).is_some_and(|rest| rest.chars().next().is_none_or(|character| !character.is_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[&str], cases: &[(&str, Option<(char, Rule)>)]) {
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        for (answer, wanted) in cases {
            let found = find(answer, texts.len(), &texts).map(|(index, rule)| (letter(index).unwrap(), rule));
            assert_eq!(found, *wanted, "{answer}");
        }
    }

    #[test]
    fn rules_in_their_order() {
        use Rule::{
            Agreed, BareLetter, Boxed, BoxedStatement, Bracketed, Labelled, LooseLetter, OnlyText, OpeningText,
        };
        check(
            &["bank", "library", "river bank", "a mall.", "new york"],
            &[
                ("Therefore, the answer is \\boxed{B}. (A) is wrong.", Some(('B', BoxedStatement))),
                ("The answer is $\\boxed{\\text{(c) river bank}}$", Some(('C', BoxedStatement))),
                ("The answer is B. (A) is wrong.", Some(('B', BareLetter))),
                ("**Answer:** **E**", Some(('E', BareLetter))),
                ("The answer is option D, a mall", Some(('D', BareLetter))),
                ("The answer is B because (A) is wrong.", Some(('A', Bracketed))),
                ("The answer is B because banks are closed.", Some(('B', LooseLetter))),
                ("Therefore, the answer is bank (c).", Some(('C', Labelled))),
                ("Therefore, the answer is the bank (c).", Some(('C', Bracketed))),
                ("The answer is not (A) but (B).", Some(('B', Bracketed))),
                ("The answer could be either bank (a) or library (b).", Some(('A', Bracketed))),
                ("(A) The answer is (B). On reflection the answer is (C).", Some(('C', Bracketed))),
                ("The answer is Bank.", Some(('A', OpeningText))),
                ("The answer is the mall. Not the bank.", Some(('D', OpeningText))),
                ("The answer is river bank", Some(('C', OpeningText))),
                ("The answer is: you would go to New York!", Some(('E', OnlyText))),
                ("The answer is at some river bank.", Some(('C', OnlyText))),
                ("The answer is hard. So \\boxed{\\text{B}}", Some(('B', Boxed))),
                ("That is the library (B).", Some(('B', Agreed))),
                ("I hope this answer is helpful. (B) it is.", Some(('B', Agreed))),
                ("bank (A) or library (B)", None),
                ("The answer is between bank and library", None),
                ("The answer is a banker", None),
                ("The answer is (F).", None),
                ("The answer is (1).", None),
                ("The answer is D-day", None),
                ("bank", None),
                ("Therefore, the answer", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn options_that_differ_by_case_or_not_at_all() {
        use Rule::{Labelled, OpeningText};
        check(
            &["WW or ww", "WW or Ww", "slowly", "slowly"],
            &[
                ("The answer is WW or Ww.", Some(('B', OpeningText))),
                ("The answer is ww or ww.", None),
                ("The answer is slowly.", None),
                ("The answer is slowly (D).", Some(('D', Labelled))),
            ],
        );
    }

    #[test]
    fn options_with_letters_brackets_and_sentences() {
        check(
            &["A heart", "It is (c). It beats.", "vitamin D"],
            &[
                ("The answer is A heart (C).", Some(('C', Rule::Labelled))),
                ("The answer is A heart.", Some(('A', Rule::OpeningText))),
                ("The answer is It is (c). It beats (B).", Some(('B', Rule::Labelled))),
                ("The answer is A, as it beats.", Some(('A', Rule::BareLetter))),
                ("The answer is vitamin D.", Some(('C', Rule::OpeningText))),
            ],
        );
    }

    #[test]
    fn letters_have_indices() {
        assert_eq!((letter(0), letter(9), letter(10)), (Some('A'), Some('J'), None));
        assert_eq!((index('c'), index('J'), index('K')), (Some(2), Some(9), None));
    }
}
