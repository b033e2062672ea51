//! A question with its gold answer, drawn at random access from the seeded suite.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::facts;
use crate::family::{Family, Split};
use crate::stream::{Stream, stream};
use crate::task::Task;
use crate::{algebra, choice, word};

/// One question with its gold solution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// `family-split-seed-index`, enough to draw a generated question again; or the id that a file gives.
    pub id: String,
    /// The generated family or the benchmark the question belongs to.
    pub family: Task,
    /// The split the question belongs to.
    pub split: Split,
    /// What the user types: the whole user message, the same in training, labels and evaluation.
    pub prompt: String,
    /// The gold answer text, with its reasoning.
    pub solution: String,
    /// The final answer alone: a number such as `42`, a formula such as `\frac{1}{2}`, or a letter.
    pub gold: String,
    /// The options' texts, so that an answer may name one instead of its letter. Empty for generated questions, where
    /// only the letter counts, and for tasks without options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// What a family's generator returns; `key` names the problem itself, and no two splits share a key.
pub(crate) struct Draft {
    #[cfg_attr(not(test), expect(dead_code, reason = "only the tests compare keys"))]
    pub(crate) key: String,
    pub(crate) prompt: String,
    pub(crate) solution: String,
    pub(crate) gold: String,
}

fn draft(family: Family, split: Split, stream: &mut Stream) -> Draft {
    match family {
        Family::Word => word::draft(split, stream),
        Family::Algebra => algebra::draft(split, stream),
        Family::Commonsense => choice::draft(facts::COMMONSENSE, split, stream),
        Family::Science => choice::draft(facts::SCIENCE, split, stream),
        Family::Psychology => choice::draft(facts::PSYCHOLOGY, split, stream),
    }
}

/// Question `index` of a family's split: pure and deterministic, any index in any order.
pub fn question(family: Family, split: Split, seed: u64, index: u64) -> Question {
    let Draft { prompt, solution, gold, .. } = draft(family, split, &mut stream(family, split, seed, index));
    let id = format!("{family}-{split}-{seed}-{index}");
    Question { id, family: family.into(), split, prompt, solution, gold, choices: Vec::new() }
}

/// The first `per_family` questions of every family, grouped by family.
///
/// Validation and test suites skip questions whose prompt came up before. The families hold far more prompts
/// than a benchmark needs; should one run out (thousands of questions), its group is shorter.
pub fn suite(split: Split, seed: u64, per_family: usize) -> Vec<Question> {
    Family::ALL.into_iter().flat_map(|family| group(family, split, seed, per_family)).collect()
}

fn group(family: Family, split: Split, seed: u64, count: usize) -> Vec<Question> {
    let mut seen = HashSet::new();
    let attempts = (count as u64).saturating_mul(20);
    (0..attempts)
        .map(|index| question(family, split, seed, index))
        .filter(|question| split == Split::Train || seen.insert(question.prompt.clone()))
        .take(count)
        .collect()
}

/// Two test questions per family that the chat page offers as examples.
pub fn samples() -> Vec<Question> {
    suite(Split::Test, 2024, 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::is_correct;

    #[test]
    fn questions_are_reproducible_and_vary() {
        for family in Family::ALL {
            assert_eq!(question(family, Split::Train, 5, 77), question(family, Split::Train, 5, 77));
            let prompts: HashSet<_> = (0..50).map(|index| question(family, Split::Train, 5, index).prompt).collect();
            assert!(prompts.len() > 40, "{family} repeats itself: {} prompts of 50", prompts.len());
        }
    }

    #[test]
    fn splits_share_neither_keys_nor_prompts() {
        for family in Family::ALL {
            let mut owners = std::collections::HashMap::new();
            for split in Split::ALL {
                for index in 0..6000 {
                    let Draft { key, prompt, .. } = draft(family, split, &mut stream(family, split, 9, index));
                    for name in [key, prompt] {
                        assert_eq!(*owners.entry(name.clone()).or_insert(split), split, "shared: {name}");
                    }
                }
            }
        }
    }

    #[test]
    fn gold_solutions_score_full_marks_and_use_plain_text() {
        for family in Family::ALL {
            for split in Split::ALL {
                for index in 0..4000 {
                    let question = question(family, split, 3, index);
                    assert!(is_correct(&question, &question.solution), "{question:?}");
                    for text in [&question.prompt, &question.solution] {
                        assert!(text.is_ascii(), "{question:?}");
                        assert!(!text.contains("  ") && text.trim() == text, "{question:?}");
                        assert!(
                            !text.replace(&format!("\\boxed{{{}}}", question.gold), "").contains(['{', '}']),
                            "{text}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn suites_are_distinct_and_complete() {
        for split in [Split::Validation, Split::Test] {
            let suite = suite(split, 1, 400);
            assert_eq!(suite.len(), 2000);
            assert_eq!(suite.iter().map(|question| &question.prompt).collect::<HashSet<_>>().len(), 2000);
        }
        assert_eq!(suite(Split::Train, 1, 3).len(), 15);
    }

    #[test]
    fn samples_cover_every_family_twice() {
        let samples = samples();
        for family in Family::ALL {
            assert_eq!(samples.iter().filter(|question| question.family == family).count(), 2);
        }
        assert!(samples.iter().all(|question| question.split == Split::Test));
    }
}
