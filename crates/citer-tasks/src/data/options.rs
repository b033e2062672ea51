//! Multiple-choice rows: question, options and gold letter in every published form.

use serde_json::Value;

use super::error::Problem;
use super::fields::{Fields, filled, text};
use crate::judge::choice;

/// What a multiple-choice row says.
pub(super) struct Options {
    pub(super) question: String,
    pub(super) choices: Vec<String>,
    /// The index of the right option.
    pub(super) gold: usize,
    pub(super) rationale: Option<String>,
}

/// Options with their labels, which may be missing.
struct Listed {
    labels: Option<Vec<String>>,
    choices: Vec<String>,
}

/// Reads a multiple-choice row.
pub(super) fn read(fields: Fields<'_>) -> Result<Options, Problem> {
    let (question, listed) = question(fields)?;
    let choices = listed.choices.iter().map(|text| filled("option", text)).collect::<Result<Vec<_>, _>>()?;
    if !(2..=choice::MOST).contains(&choices.len()) {
        return Err(Problem::Unexpected { what: "list of options", expected: "two to ten options" });
    }
    let digits = labels(listed.labels.as_deref(), choices.len())?;
    let rationale = fields.text(&["cot"]).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let gold = gold(fields, &choices, digits, rationale.as_deref())?;
    Ok(Options { question, choices, gold, rationale })
}

fn question(fields: Fields<'_>) -> Result<(String, Listed), Problem> {
    const WHAT: &str = "list of options";
    const FIELDS: &str = "a field \"choices\", \"Choices\", or columns A, B, C, ...";
    // ARC and CommonsenseQA as published keep the options inside the question.
    if let Some(Value::Object(question)) = fields.get("question") {
        let inner = Fields(question);
        let stem = inner.required("question", &["stem"], "a field \"stem\" in \"question\"")?;
        let options = inner.get("choices").ok_or(Problem::Missing { what: WHAT, fields: "\"question.choices\"" })?;
        return Ok((stem, listed(options)?));
    }
    let names = ["question", "question_stem", "Question Stem"];
    if let (None, Some(prompt)) = (fields.text(&names), fields.text(&["prompt"])) {
        return from_prompt(&prompt);
    }
    let question = fields.required("question", &names, "a field \"question\", \"question_stem\" or \"prompt\"")?;
    let options = match (fields.get("choices"), fields.text(&["Choices"])) {
        (Some(options), _) => listed(options)?,
        (None, Some(inline)) => from_inline(&inline)?,
        (None, None) => columns(fields).ok_or(Problem::Missing { what: WHAT, fields: FIELDS })?,
    };
    Ok((question, options))
}

/// Options as a list of texts, a list of `{text, label}`, or `{text: [], label: []}`.
fn listed(options: &Value) -> Result<Listed, Problem> {
    let wrong = Problem::Unexpected { what: "list of options", expected: "texts with or without labels" };
    let texts = |value: &Value| value.as_array()?.iter().map(text).collect::<Option<Vec<_>>>();
    let found = match options {
        Value::Object(columns) => columns.get("label").and_then(texts).zip(columns.get("text").and_then(texts)),
        Value::Array(list) if list.iter().all(Value::is_object) => {
            let column =
                |name: &str| list.iter().map(|option| option.get(name).and_then(text)).collect::<Option<Vec<_>>>();
            column("label").zip(column("text"))
        }
        other => {
            let choices = texts(other).ok_or(wrong)?;
            return Ok(Listed { labels: None, choices });
        }
    };
    let (labels, choices) = found.ok_or(wrong)?;
    Ok(Listed { labels: Some(labels), choices })
}

/// Columns named A, B, C, ...
fn columns(fields: Fields<'_>) -> Option<Listed> {
    let choices: Vec<_> =
        (0..choice::MOST).map_while(|index| fields.text(&[&choice::letter(index)?.to_string()])).collect();
    (!choices.is_empty()).then_some(Listed { labels: None, choices })
}

/// Options in one text: `(A) first (B) second`.
fn from_inline(inline: &str) -> Result<Listed, Problem> {
    let wrong = || Problem::Unexpected { what: "list of options", expected: "of the form (A) first (B) second" };
    let mut rest = inline.trim().strip_prefix("(A)").ok_or_else(wrong)?;
    let mut choices = Vec::new();
    for index in 1..choice::MOST {
        let mark = choice::letter(index).map(|letter| format!(" ({letter})")).unwrap_or_default();
        let Some((text, after)) = rest.split_once(&mark) else { break };
        choices.push(text.to_owned());
        rest = after;
    }
    choices.push(rest.to_owned());
    Ok(Listed { labels: None, choices })
}

/// CITER's rendered prompt: `Question: ...`, `Choices:`, a line `A. text` for each option, an empty line.
fn from_prompt(prompt: &str) -> Result<(String, Listed), Problem> {
    let wrong =
        || Problem::Unexpected { what: "prompt", expected: "\"Question: ...\", \"Choices:\" and lines \"A. ...\"" };
    let body = prompt.trim_start().strip_prefix("Question:").ok_or_else(wrong)?;
    let (question, options) = body.rsplit_once("\nChoices:\n").ok_or_else(wrong)?;
    let (labels, choices) = options
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .map(|line| line.split_once(". ").map(|(label, text)| (label.to_owned(), text.to_owned())))
        .collect::<Option<(Vec<_>, Vec<_>)>>()
        .ok_or_else(wrong)?;
    Ok((filled("question", question)?, Listed { labels: Some(labels), choices }))
}

/// Checks that labels are in order; true when they are digits.
fn labels(labels: Option<&[String]>, count: usize) -> Result<bool, Problem> {
    let Some(labels) = labels else { return Ok(false) };
    let all = |wanted: &dyn Fn(usize) -> Option<String>| {
        labels
            .iter()
            .enumerate()
            .all(|(index, label)| wanted(index).is_some_and(|wanted| label.trim().eq_ignore_ascii_case(&wanted)))
    };
    let letters = all(&|index| Some(choice::letter(index)?.to_string()));
    let digits = all(&|index| Some((index + 1).to_string()));
    if labels.len() == count && (letters || digits) { Ok(digits) } else { Err(Problem::Labels(labels.join(", "))) }
}

/// The index of the right option. All fields that name it must agree.
fn gold(fields: Fields<'_>, choices: &[String], digits: bool, rationale: Option<&str>) -> Result<usize, Problem> {
    let from_rationale = rationale.and_then(|text| choice::find(text, choices.len(), choices)).map(|(index, _)| index);
    let key = match fields.text(&["answerKey", "answer_key", "Answer Key", "target"]) {
        Some(key) => Some(by_label(&filled("gold answer", &key)?, choices.len(), digits)?),
        None => None,
    };
    let answer = match fields.get("answer") {
        Some(Value::Number(number)) => {
            let index = number.as_u64().and_then(|index| usize::try_from(index).ok());
            Some(index.filter(|&index| index < choices.len()).ok_or_else(|| Problem::UnknownGold(number.to_string()))?)
        }
        Some(Value::String(text)) => {
            Some(by_answer(&filled("gold answer", text)?, choices, digits, key.or(from_rationale))?)
        }
        Some(_) => {
            return Err(Problem::Unexpected { what: "gold answer", expected: "a letter, an index or an option" });
        }
        None => None,
    };
    let letter = |index: usize| choice::letter(index).map(String::from).unwrap_or_default();
    let gold = match (key, answer) {
        (Some(key), Some(answer)) if key != answer => {
            return Err(Problem::Contradiction { gold: letter(key), found: letter(answer) });
        }
        (Some(gold), _) | (None, Some(gold)) => gold,
        (None, None) => {
            return Err(Problem::Missing { what: "gold answer", fields: "a field \"answerKey\" or \"answer\"" });
        }
    };
    match from_rationale {
        Some(found) if found != gold => Err(Problem::Contradiction { gold: letter(gold), found: letter(found) }),
        _ => Ok(gold),
    }
}

fn by_label(label: &str, count: usize, digits: bool) -> Result<usize, Problem> {
    let index = match label.parse::<usize>() {
        Ok(number) if digits => number.checked_sub(1),
        Ok(_) => None,
        Err(_) => {
            let mut letters = label.chars();
            letters.next().filter(|_| letters.next().is_none()).and_then(choice::index)
        }
    };
    index.filter(|&index| index < count).ok_or_else(|| Problem::UnknownGold(label.to_owned()))
}

/// The option that a text names by its letter or by itself; `hint` decides between options with the same text.
fn by_answer(answer: &str, choices: &[String], digits: bool, hint: Option<usize>) -> Result<usize, Problem> {
    let labelled = by_label(answer, choices.len(), digits).ok();
    let named: Vec<_> = (0..choices.len()).filter(|&index| choices[index] == answer).collect();
    match (labelled, named.as_slice()) {
        (Some(index), []) => Ok(index),
        (None, [index]) => Ok(*index),
        (None, []) => Err(Problem::UnknownGold(answer.to_owned())),
        (Some(index), [other]) if index == *other => Ok(index),
        (_, several) => {
            hint.filter(|hint| several.contains(hint)).ok_or_else(|| Problem::AmbiguousGold(answer.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(row: Value) -> Result<(String, Vec<String>, usize), Problem> {
        let Value::Object(map) = row else { return Err(Problem::Empty("row")) };
        read(Fields(&map)).map(|options| (options.question, options.choices, options.gold))
    }

    #[test]
    fn every_published_form() {
        let texts = json!(["x", "y"]);
        let objects = json!([{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]);
        let columns = json!({"label": ["A", "B"], "text": texts});
        let prompt = "Question: Q\nChoices:\nA. x\nB. y\n\nAnswer:";
        for row in [
            json!({"question": {"stem": "Q", "choices": objects}, "answerKey": "B"}),
            json!({"question": "Q", "choices": objects, "answerKey": "b"}),
            json!({"question": "Q", "choices": columns, "answerKey": "B"}),
            json!({"question_stem": "Q", "choices": columns, "answerKey": "B"}),
            json!({"question": "Q", "choices": {"label": ["1", "2"], "text": texts}, "answerKey": "2"}),
            json!({"question": "Q", "choices": texts, "answer": 1}),
            json!({"question": "Q", "choices": texts, "answer": "B"}),
            json!({"question": "Q", "A": "x", "B": "y", "target": "B"}),
            json!({"Question Stem": "Q", "Choices": "(A) x (B) y", "Answer Key": "B"}),
            json!({"prompt": prompt, "answer": "y"}),
            json!({"prompt": prompt, "answer": "y", "cot": "Therefore, the answer is y (b)."}),
            json!({"prompt": prompt, "question": " Q ", "choices": columns, "answer": "y", "answerKey": "B"}),
        ] {
            assert_eq!(read_json(row.clone()), Ok(("Q".to_owned(), vec!["x".to_owned(), "y".to_owned()], 1)), "{row}");
        }
    }

    #[test]
    fn equal_options_need_a_letter() {
        let row = |cot: &str| json!({"prompt": "Question: Q\nChoices:\nA. x\nB. y\nC. x", "answer": "x", "cot": cot});
        assert_eq!(read_json(row("The answer is x (c).")).unwrap().2, 2);
        assert_eq!(read_json(row("It is x.")), Err(Problem::AmbiguousGold("x".to_owned())));
    }

    #[test]
    fn bad_rows_are_errors_that_say_what_to_do() {
        for (row, wanted) in [
            (json!({}), "has no question; expected a field"),
            (json!({"question": " ", "choices": ["x", "y"], "answerKey": "A"}), "the question is empty"),
            (json!({"question": 7.5, "answerKey": "A"}), "has no list of options"),
            (json!({"question": {"stem": "Q"}, "answerKey": "A"}), "has no list of options"),
            (json!({"question": "Q", "choices": ["x"], "answerKey": "A"}), "two to ten options"),
            (json!({"question": "Q", "choices": ["x", ""], "answerKey": "A"}), "the option is empty"),
            (json!({"question": "Q", "choices": "x, y", "answerKey": "A"}), "texts with or without labels"),
            (
                json!({"question": "Q", "choices": {"label": ["B", "A"], "text": ["x", "y"]}, "answerKey": "A"}),
                "labelled B, A",
            ),
            (
                json!({"question": "Q", "choices": {"label": ["A"], "text": ["x", "y"]}, "answerKey": "A"}),
                "labelled A;",
            ),
            (json!({"question": "Q", "choices": ["x", "y"]}), "has no gold answer"),
            (json!({"question": "Q", "choices": ["x", "y"], "answerKey": null}), "has no gold answer"),
            (json!({"question": "Q", "choices": ["x", "y"], "answerKey": ""}), "the gold answer is empty"),
            (json!({"question": "Q", "choices": ["x", "y"], "answerKey": "C"}), "\"C\" is none of the options"),
            (json!({"question": "Q", "choices": ["x", "y"], "answerKey": "1"}), "\"1\" is none of the options"),
            (json!({"question": "Q", "choices": ["x", "y"], "answer": -1}), "\"-1\" is none of the options"),
            (json!({"question": "Q", "choices": ["x", "y"], "answer": ["x"]}), "a letter, an index or an option"),
            (json!({"question": "Q", "choices": ["B", "y"], "answer": "B"}), "fits several options"),
            (
                json!({"question": "Q", "choices": ["x", "y"], "answerKey": "A", "answer": "y"}),
                "is \"A\" but the solution ends with \"B\"",
            ),
            (
                json!({"question": "Q", "choices": ["x", "y"], "answerKey": "A", "cot": "The answer is (B)."}),
                "is \"A\" but",
            ),
            (json!({"prompt": "Say something", "answer": "x"}), "the prompt should be"),
            (json!({"question": "Q", "Choices": "x or y", "answerKey": "A"}), "of the form (A)"),
        ] {
            let message = read_json(row.clone()).unwrap_err().to_string();
            assert!(message.contains(wanted), "{row}: {message}");
        }
    }
}
