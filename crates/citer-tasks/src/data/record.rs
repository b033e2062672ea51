//! One row of a benchmark, checked, and the question it becomes.

use super::benchmark::Benchmark;
use super::error::Problem;
use super::fields::Fields;
use super::format::Row;
use super::{options, solved};
use crate::family::Split;
use crate::judge::choice::{self, Rule};
use crate::prompt;
use crate::question::Question;
use crate::task::AnswerType;

/// One row of a benchmark, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The id in the file, or `benchmark-split-row`.
    pub id: String,
    /// The benchmark.
    pub benchmark: Benchmark,
    /// The split.
    pub split: Split,
    /// The question alone.
    pub question: String,
    /// The options' texts; empty for maths.
    pub choices: Vec<String>,
    /// The final answer: a letter, a number in one spelling, or LaTeX as published.
    pub gold: String,
    /// The published solution or rationale, unchanged.
    pub rationale: Option<String>,
    /// The solution without its closing sentence.
    body: String,
}

impl Record {
    /// Checks a row. Options get the letters A, B, C, ... in their order, whatever labels the file uses.
    pub(super) fn new(benchmark: Benchmark, split: Split, row: &Row) -> Result<Self, Problem> {
        let fields = Fields(&row.fields);
        let id = match fields.text(&["id", "ID", "unique_id"]) {
            Some(id) => super::fields::filled("id", &id)?,
            None => format!("{benchmark}-{split}-{}", row.number),
        };
        let record = match benchmark.answer_type() {
            AnswerType::Choice => {
                let options = options::read(fields)?;
                let gold = choice::letter(options.gold).map(String::from).unwrap_or_default();
                let body = options.rationale.as_deref().map(|text| capitals(text, options.choices.len()));
                Self {
                    id,
                    benchmark,
                    split,
                    question: options.question,
                    choices: options.choices,
                    gold,
                    rationale: options.rationale,
                    body: body.unwrap_or_default(),
                }
            }
            kind => {
                let solved = solved::read(fields, kind)?;
                Self {
                    id,
                    benchmark,
                    split,
                    question: solved.question,
                    choices: Vec::new(),
                    gold: solved.gold,
                    rationale: solved.rationale,
                    body: solved.body,
                }
            }
        };
        Ok(record)
    }

    /// The question with the task's prompt, and the solution in the form that the prompt asks for.
    pub fn question(self) -> Question {
        let kind = self.benchmark.answer_type();
        let prompt = match kind {
            AnswerType::Choice => prompt::choice(&self.question, &self.choices),
            AnswerType::Number | AnswerType::Maths => prompt::boxed(&self.question),
        };
        let solution = match kind {
            AnswerType::Choice => self.choice_solution(),
            AnswerType::Number => join(&self.body, "\n", &prompt::boxed_closing(&self.gold)),
            // MATH's solutions box their answer where it comes up.
            AnswerType::Maths if self.body.contains("\\boxed") => self.body,
            AnswerType::Maths => join(&self.body, "\n", &prompt::boxed_closing(&self.gold)),
        };
        Question {
            id: self.id,
            family: self.benchmark.into(),
            split: self.split,
            prompt,
            solution,
            gold: self.gold,
            choices: self.choices,
        }
    }

    /// The rationale; unless its last sentence says "the answer is TEXT (LETTER).", one that does follows.
    fn choice_solution(&self) -> String {
        let rule = choice::find(&self.body, self.choices.len(), &self.choices).map(|(_, rule)| rule);
        if matches!(rule, Some(Rule::Labelled | Rule::Bracketed)) && self.body.ends_with(&format!("({}).", self.gold)) {
            return self.body.clone();
        }
        let gold = self.gold.chars().next().unwrap_or_default();
        let text = choice::index(gold).and_then(|index| self.choices.get(index)).map_or("", String::as_str);
        join(&self.body, " ", &prompt::choice_closing(text, gold))
    }
}

fn join(body: &str, between: &str, closing: &str) -> String {
    if body.is_empty() { closing.to_owned() } else { format!("{body}{between}{closing}") }
}

/// Writes `(a)` as `(A)`, the way prompts label options.
fn capitals(text: &str, count: usize) -> String {
    (0..count).filter_map(choice::letter).fold(text.to_owned(), |text, letter| {
        text.replace(&format!(" ({})", letter.to_ascii_lowercase()), &format!(" ({letter})"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::judge::is_correct;

    fn question(benchmark: Benchmark, row: Value) -> Question {
        let Value::Object(fields) = row else { unreachable!("not an object") };
        Record::new(benchmark, Split::Train, &Row { number: 7, fields }).unwrap().question()
    }

    #[test]
    fn choice_questions() {
        let row = |cot: Value| json!({"id": "q", "question": "Where?", "choices": ["bank", "mall"], "answerKey": "B", "cot": cot});
        for (cot, wanted) in [
            (json!("Shops. Therefore, the answer is mall (b)."), "Shops. Therefore, the answer is mall (B)."),
            (json!("Shops are in a mall (b)."), "Shops are in a mall (B). The answer is mall (B)."),
            (
                json!("Shops. The answer is either mall (b),"),
                "Shops. The answer is either mall (B), The answer is mall (B).",
            ),
            (Value::Null, "The answer is mall (B)."),
        ] {
            let question = question(Benchmark::CommonsenseQa, row(cot));
            assert_eq!(question.solution, wanted);
            assert!(is_correct(&question, &question.solution));
            assert!(is_correct(&question, "The answer is the mall.") && !is_correct(&question, "The answer is (A)."));
            assert!(question.prompt.starts_with("Where?\n(A) bank\n(B) mall\n\n"));
            assert_eq!((question.id.as_str(), question.gold.as_str()), ("q", "B"));
        }
    }

    #[test]
    fn maths_questions() {
        let word = question(Benchmark::Gsm8k, json!({"question": "Q?", "answer": "2 * 3 = <<2*3=6>>6\n#### 6"}));
        assert_eq!(word.solution, "2 * 3 = 6\nThe answer is \\boxed{6}.");
        assert_eq!(word.id, "gsm8k-train-7");
        let formula = question(Benchmark::Math, json!({"problem": "Q?", "solution": "It is $\\boxed{\\frac12}$."}));
        assert_eq!(formula.solution, "It is $\\boxed{\\frac12}$.");
        assert!(is_correct(&formula, "\\boxed{0.5}") && !is_correct(&formula, "\\boxed{5}"));
        assert_eq!(
            question(Benchmark::Math, json!({"problem": "Q?", "answer": "x^2"})).solution,
            "The answer is \\boxed{x^2}."
        );
    }

    #[test]
    fn questions_survive_json() {
        let asked = question(Benchmark::Arc, json!({"question": "Q?", "choices": ["a", "b"], "answerKey": "A"}));
        let json = serde_json::to_string(&asked).unwrap();
        assert!(json.contains("\"family\":\"arc\""));
        assert_eq!(serde_json::from_str::<Question>(&json).unwrap(), asked);
    }
}
