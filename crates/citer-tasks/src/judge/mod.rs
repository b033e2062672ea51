//! One judge per answer type: finds the final answer in a model's text and compares it with the gold answer.
//!
//! A judge sees only the answer text, never the prompt, so it cannot favour a choice that the question spells out.
//! Labels, scores, the generated suite and loaded benchmarks all use the same three judges:
//!
//! - choice: a letter (or an option's text) after the last "answer is", in the last `\boxed{}`, or the only letter in
//!   brackets;
//! - number: the last number that is marked by `####`, boxed or announced by "answer is";
//! - maths: the last `\boxed{}` whose braces balance, compared in one LaTeX spelling and by value.

pub(crate) mod choice;
mod latex;
pub(crate) mod maths;
pub(crate) mod number;
mod text;
mod value;

use crate::question::Question;
use crate::task::{AnswerType, Task};

/// The final answer in `answer`, normalised, or `None` if the text never gives one.
///
/// For multiple choice this knows the letters only; [`Question::answer`] knows the options' texts as well.
pub fn extract(task: impl Into<Task>, answer: &str) -> Option<String> {
    let task = task.into();
    find(task.answer_type(), answer, task.most_choices(), &[])
}

/// Whether the final answer in `answer` is the question's gold answer.
pub fn is_correct(question: &Question, answer: &str) -> bool {
    let Some(found) = question.answer(answer) else { return false };
    match question.family.answer_type() {
        AnswerType::Choice => found == question.gold,
        AnswerType::Number | AnswerType::Maths => maths::same(&found, &question.gold),
    }
}

impl Question {
    /// The final answer in a model's text, normalised, or `None` if the text never gives one.
    pub fn answer(&self, text: &str) -> Option<String> {
        let count = if self.choices.is_empty() { self.family.most_choices() } else { self.choices.len() };
        find(self.family.answer_type(), text, count, &self.choices)
    }
}

fn find(kind: AnswerType, answer: &str, count: usize, texts: &[String]) -> Option<String> {
    match kind {
        AnswerType::Choice => {
            choice::find(answer, count, texts).and_then(|(index, _)| choice::letter(index)).map(String::from)
        }
        AnswerType::Number => number::find(answer),
        AnswerType::Maths => maths::find(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Family;

    fn check(family: Family, cases: &[(&str, Option<&str>)]) {
        for (answer, wanted) in cases {
            assert_eq!(extract(family, answer).as_deref(), *wanted, "{answer}");
        }
    }

    #[test]
    fn families_use_the_judge_of_their_answer_type() {
        check(
            Family::Word,
            &[
                ("That makes 18 + 7 = 25 pens. The answer is 25.", Some("25")),
                ("The answer is 5, and 6 is not.", Some("5")),
                ("That makes 18 + 7 = 25 pens.", None),
            ],
        );
        check(
            Family::Algebra,
            &[
                ("2x = 4. The answer is \\boxed{2}.", Some("2")),
                ("\\boxed{x = 5}", Some("5")),
                ("The answer is 2.", None),
            ],
        );
        for family in [Family::Commonsense, Family::Science, Family::Psychology] {
            check(
                family,
                &[
                    ("The organ is the heart (B). The answer is (B).", Some("B")),
                    ("The answer is (A). On reflection the answer is (C) heart.", Some("C")),
                    ("The answer is the heart, (D), not (A).", Some("D")),
                    ("The answer is B.", Some("B")),
                    ("The answer is: **C**", Some("C")),
                    ("\\boxed{D}", Some("D")),
                    ("The organ is the heart (B).", Some("B")),
                    ("The answer is a heart.", None),
                    ("The answer is (E).", None),
                    ("Therefore, the answer", None),
                ],
            );
        }
    }

    #[test]
    fn odd_text_never_panics() {
        let odd = [
            "answer is é(",
            "ANSWER IS (Ä)",
            "answer is ,,,.",
            "\\boxed{}}}é",
            "answer is 1/",
            "answer is 5,",
            "#### -",
        ];
        for text in odd {
            for family in Family::ALL {
                assert!(extract(family, text).is_none_or(|found| !found.is_empty()));
            }
        }
    }

    #[test]
    fn random_text_never_panics_and_equality_is_consistent() {
        const PARTS: [&str; 46] = [
            "\\boxed{",
            "}",
            "{",
            "(",
            ")",
            "[",
            "]",
            "\\{",
            "\\}",
            "\\frac",
            "\\sqrt",
            "\\text{",
            "\\left",
            "\\cup",
            "^",
            "_",
            ",",
            ".",
            "-",
            "+",
            "=",
            "/",
            "1",
            "23",
            "0",
            "x",
            "y",
            "A",
            "(b)",
            "answer is ",
            "not ",
            "heart",
            "####",
            "\n",
            " ",
            "$",
            "%",
            "\\",
            "\\!",
            "é",
            "−",
            "^\\circ",
            "\\pi",
            " cm",
            "and",
            "\\in",
        ];
        let mut stream = crate::stream::stream(Family::Word, crate::Split::Test, 1, 1);
        let options = ["a heart", "heart", "", "(b)"].map(str::to_owned);
        let mut text = || {
            let count = rand::RngExt::random_range(&mut stream, 0..12);
            (0..count).map(|_| crate::stream::pick(&mut stream, &PARTS)).collect::<String>()
        };
        for _ in 0..20_000 {
            let (left, right) = (text(), text());
            for kind in [AnswerType::Choice, AnswerType::Number, AnswerType::Maths] {
                assert!(find(kind, &left, 4, &options).is_none_or(|found| !found.is_empty()));
            }
            assert_eq!(maths::same(&left, &right), maths::same(&right, &left), "{left} | {right}");
            assert_eq!(maths::same(&left, &left), !maths::canonical(&left).is_empty(), "{left}");
        }
    }
}
