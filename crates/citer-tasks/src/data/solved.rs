//! Rows of maths benchmarks: a problem, its worked solution and its final answer, in every published form.

use super::error::Problem;
use super::fields::{Fields, filled};
use crate::judge::{maths, number};
use crate::task::AnswerType;

/// What a row of a maths benchmark says.
pub(super) struct Solved {
    pub(super) question: String,
    /// A number in one spelling, or LaTeX as published.
    pub(super) gold: String,
    /// The solution as published.
    pub(super) rationale: Option<String>,
    /// The solution without marks that only the benchmark uses and without its last sentence, if that only repeats
    /// the answer.
    pub(super) body: String,
}

/// What MATH's copies with a merged solution and answer put between the two.
const MERGED: &str = "The answer is: ";

/// Reads a row whose answer is a number or a formula.
pub(super) fn read(fields: Fields<'_>, kind: AnswerType) -> Result<Solved, Problem> {
    let question = question(fields)?;
    let answer = fields.text(&["answer"]);
    let solution = fields.text(&["cot", "solution", "chain_of_thought"]);
    // A field "answer" may hold solution and answer in one text.
    let split = |answer: &str| match kind {
        AnswerType::Number => answer.rsplit_once(number::MARK).map(|(body, gold)| (body.to_owned(), gold.to_owned())),
        _ => answer.rsplit_once(MERGED).map(|(body, gold)| (body.to_owned(), gold.to_owned())),
    };
    let merged = answer.as_deref().and_then(split).filter(|_| solution.is_none());
    let (body, rationale, stated) = match (merged, solution) {
        (Some((body, gold)), _) => (body, answer, Some(gold)),
        (None, Some(solution)) => (solution.clone(), Some(solution), fields.text(&["answerKey"]).or(answer)),
        (None, None) => (String::new(), None, fields.text(&["answerKey", "ans", "Answer"]).or(answer)),
    };
    let found = rationale
        .as_deref()
        .and_then(|text| if kind == AnswerType::Number { number::find(text) } else { maths::find(text) });
    let gold = match (stated, &found) {
        (Some(gold), _) => filled("gold answer", &gold)?,
        (None, Some(found)) => found.clone(),
        (None, None) => {
            return Err(Problem::Missing {
                what: "gold answer",
                fields: "a field \"answer\", \"answerKey\", \"ans\" or \"Answer\", or a solution with \\boxed{}",
            });
        }
    };
    let gold = match kind {
        AnswerType::Number => number::of(&gold).ok_or(Problem::NoNumber(gold))?,
        _ => gold,
    };
    if let Some(found) = found.filter(|found| !maths::same(found, &gold)) {
        return Err(Problem::Contradiction { gold, found });
    }
    let body =
        if kind == AnswerType::Number { without_closing(&without_calculator(&body)) } else { body.trim().to_owned() };
    Ok(Solved { question, gold, rationale, body })
}

fn question(fields: Fields<'_>) -> Result<String, Problem> {
    // SVAMP tells the story and asks in two fields.
    if let (Some(body), Some(question)) = (fields.text(&["Body"]), fields.text(&["Question"])) {
        let body = filled("question", &body)?;
        let stop = if body.ends_with(['.', '?', '!', ',']) { "" } else { "." };
        return Ok(format!("{body}{stop} {}", filled("question", &question)?));
    }
    let names = ["question", "problem", "context", "original_text"];
    if let (None, Some(prompt)) = (fields.text(&names), fields.text(&["prompt"])) {
        // CITER's rendered prompt.
        let wrong = Problem::Unexpected { what: "prompt", expected: "of the form \"... Question: ... Solution:\"" };
        let (_, rest) = prompt.split_once("Question:").ok_or(wrong.clone())?;
        let (question, _) = rest.rsplit_once("\nSolution:").ok_or(wrong)?;
        return filled("question", question);
    }
    fields.required(
        "question",
        &names,
        "a field \"question\", \"problem\", \"context\", \"original_text\" or \"prompt\"",
    )
}

/// Drops GSM8K's calculator marks: `6 * 7 = <<6*7=42>>42` becomes `6 * 7 = 42`.
fn without_calculator(text: &str) -> String {
    let mut parts = text.split("<<");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(">>") {
            Some((_, rest)) => out.push_str(rest),
            None => out.extend(["<<", part]),
        }
    }
    out.trim().to_owned()
}

/// Drops a last sentence such as `The final answer is: \boxed{42}`.
fn without_closing(text: &str) -> String {
    let start = ["The final answer is", "The answer is"].iter().filter_map(|cue| text.rfind(cue)).max();
    match start {
        Some(start) if text[start..].contains("\\boxed{") && text[start..].trim_end().lines().count() == 1 => {
            text[..start].trim_end().to_owned()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read_json(row: &Value, kind: AnswerType) -> Result<(String, String, String), Problem> {
        let map = row.as_object().unwrap();
        read(Fields(map), kind).map(|solved| (solved.question, solved.body, solved.gold))
    }

    #[test]
    fn every_published_form() {
        let prompt = "Solve it in \\boxed{}.\nQuestion: Q?\nSolution: ";
        for (row, body, gold) in [
            (json!({"question": "Q?", "answer": "1 + 1 = <<1+1=2>>2\n#### 1,002"}), "1 + 1 = 2", "1002"),
            (json!({"problem": "Q?", "solution": "It is 1. The answer is \\boxed{2}."}), "It is 1.", "2"),
            (json!({"prompt": prompt, "cot": "One.\nThe final answer is: \\boxed{2}", "answerKey": "2"}), "One.", "2"),
            (json!({"original_text": "Q?", "ans": 2.0}), "", "2"),
            (json!({"question": "Q?", "answer": "2"}), "", "2"),
        ] {
            assert_eq!(
                read_json(&row, AnswerType::Number),
                Ok(("Q?".to_owned(), body.to_owned(), gold.to_owned())),
                "{row}"
            );
        }
        let svamp = json!({"Body": "A is 1", "Question": "Q?", "Answer": 1.5});
        assert_eq!(
            read_json(&svamp, AnswerType::Number).unwrap(),
            ("A is 1. Q?".to_owned(), String::new(), "1.5".to_owned())
        );
        for (row, gold) in [
            (json!({"problem": "Q?", "solution": "So $\\boxed{\\frac12}$."}), "\\frac{1}{2}"),
            (json!({"problem": "Q?", "solution": "So $\\boxed{\\frac12}$.", "answer": "\\frac12"}), "\\frac12"),
            (json!({"context": "Q?", "chain_of_thought": "So $\\boxed{\\frac12}$.", "answer": "1/2"}), "1/2"),
            (json!({"question": "Q?", "answer": "So $\\boxed{\\frac12}$.The answer is: \\frac12"}), "\\frac12"),
        ] {
            assert_eq!(
                read_json(&row, AnswerType::Maths),
                Ok(("Q?".to_owned(), "So $\\boxed{\\frac12}$.".to_owned(), gold.to_owned())),
                "{row}"
            );
        }
    }

    #[test]
    fn bad_rows_are_errors_that_say_what_to_do() {
        for (row, wanted) in [
            (json!({"answer": "2"}), "has no question"),
            (json!({"question": "", "answer": "2"}), "the question is empty"),
            (json!({"prompt": "Q?", "answer": "2"}), "the prompt should be"),
            (json!({"question": "Q?"}), "has no gold answer"),
            (json!({"question": "Q?", "answer": " "}), "the gold answer is empty"),
            (json!({"question": "Q?", "answer": "Some.\n####"}), "the gold answer is empty"),
            (json!({"question": "Q?", "answer": "two"}), "\"two\" is no number"),
            (json!({"question": "Q?", "solution": "Two."}), "has no gold answer"),
            (
                json!({"question": "Q?", "solution": "\\boxed{3}", "answer": "2"}),
                "is \"2\" but the solution ends with \"3\"",
            ),
        ] {
            let message = read_json(&row, AnswerType::Number).unwrap_err().to_string();
            assert!(message.contains(wanted), "{row}: {message}");
        }
    }

    #[test]
    fn calculator_marks_go_away() {
        assert_eq!(without_calculator("a <<1+1=2>>2 b <<3>>3"), "a 2 b 3");
        assert_eq!(without_calculator("1 << 2"), "1 << 2");
        assert_eq!(without_closing("The answer is \\boxed{2}.\nNo."), "The answer is \\boxed{2}.\nNo.");
    }
}
