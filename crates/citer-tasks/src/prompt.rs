//! The one prompt of each answer type, and the gold solution in the form that the prompt asks for.
//!
//! Training, labels and evaluation all take [`Question::prompt`](crate::Question) and its solution as they are made
//! here, so no stage can render a question in its own way. Options stand one per line as `(A) text`, whatever labels a
//! file uses.

use crate::judge::choice::letter;

/// A multiple-choice prompt.
pub(crate) fn choice(question: &str, choices: &[String]) -> String {
    let options: String =
        choices.iter().enumerate().filter_map(|(index, text)| Some(format!("({}) {text}\n", letter(index)?))).collect();
    format!("{question}\n{options}\nExplain briefly, then end with: The answer is TEXT (LETTER).")
}

/// A prompt for a number or a formula.
pub(crate) fn boxed(question: &str) -> String {
    format!("{question}\n\nSolve it step by step and put the final answer in \\boxed{{}}.")
}

/// The sentence that ends a multiple-choice solution.
pub(crate) fn choice_closing(text: &str, letter: char) -> String {
    format!("The answer is {} ({letter}).", text.trim_end_matches('.'))
}

/// The sentence that ends a solution with a number or a formula.
pub(crate) fn boxed_closing(gold: &str) -> String {
    format!("The answer is \\boxed{{{gold}}}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_exactly_these() {
        let choices = ["bank", "library"].map(str::to_owned);
        assert_eq!(
            choice("Where is money?", &choices),
            "Where is money?\n(A) bank\n(B) library\n\nExplain briefly, then end with: The answer is TEXT (LETTER)."
        );
        assert_eq!(
            boxed("What is 2 + 2?"),
            "What is 2 + 2?\n\nSolve it step by step and put the final answer in \\boxed{}."
        );
        assert_eq!(choice_closing("It opens.", 'B'), "The answer is It opens (B).");
        assert_eq!(boxed_closing("4"), "The answer is \\boxed{4}.");
    }
}
