//! Classes of tokens: what kind of token the router sends to the LLM.

use crate::{
    error::TrainError,
    interval::Share,
    models::Models,
    play::Table,
    plot::Class,
    signal::{Scorer, Signal},
    workers::Workers,
};
use citer_core::Mode;
use citer_tasks::Question;
use std::collections::BTreeMap;

/// The class of a token by its text and the text before it in the answer.
pub fn class(before: &str, text: &str) -> &'static str {
    let word = text.trim();
    let bare = word.trim_matches(|c: char| "().,:".contains(c));
    if word.is_empty() {
        "end and spaces"
    } else if bare.chars().all(|c| c.is_ascii_digit()) && !bare.is_empty() {
        if before.trim_end().ends_with('=') { "computed number" } else { "copied number" }
    } else if word.starts_with('(') && matches!(bare, "A" | "B" | "C" | "D") {
        if before.contains("answer is") { "letter again" } else { "letter" }
    } else if word.chars().all(|c| !c.is_alphanumeric()) {
        "sign"
    } else {
        "word"
    }
}

/// How many tokens of each class the router sends to the LLM at `threshold`.
pub fn routed(
    workers: &Workers,
    questions: &[Question],
    signal: &Signal,
    threshold: f64,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Class>, TrainError> {
    let count = |models: &mut Models, index: usize| {
        let mut tree = models.tree(&questions[index].prompt)?;
        let mut scorer = Scorer::new(signal, index as u64, workers.device);
        let mut table = Table { models, tree: &mut tree, scorer: &mut scorer };
        let answer = table.play(&[], Mode::Router, threshold as f32)?;
        let mut before = String::new();
        let mut counts: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        for event in &answer.events {
            let (hits, total) = counts.entry(class(&before, &event.text)).or_default();
            *hits += u64::from(event.source.is_remote());
            *total += 1;
            before.push_str(&event.text);
        }
        Ok(counts)
    };
    let mut all: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
    for (name, (hits, total)) in workers.each(questions.len(), count, &|_| {}, stop)?.into_iter().flatten() {
        let sum = all.entry(name).or_default();
        *sum = (sum.0 + hits, sum.1 + total);
    }
    let classes =
        all.into_iter().map(|(name, (hits, total))| Class { name: name.into(), routed: Share::new(hits, total) });
    Ok(classes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_fall_into_their_classes() {
        for (before, text, expected) in [
            ("Anna has 3 * 4 =", " 12", "computed number"),
            ("Anna has", " 3", "copied number"),
            ("The capital of France is Paris", " (B)", "letter"),
            ("Paris (B). The answer is", " (B)", "letter again"),
            ("3", " *", "sign"),
            ("The capital", " of", "word"),
            ("(B).", "", "end and spaces"),
            ("", "Each", "word"),
            ("\\boxed{", "4", "copied number"),
        ] {
            assert_eq!(class(before, text), expected, "{before}|{text}");
        }
    }
}
