//! Multiple-choice questions drawn from the fact tables.

use rand::RngExt;
use rand::seq::SliceRandom;

use crate::facts::{Relation, ranked};
use crate::family::Split;
use crate::question::Draft;
use crate::stream::{Stream, fill, hash, pick};

/// How fast the weight of a fact falls with its rank: `1 / (rank + 1)^0.7`, in all three splits.
const SKEW: f64 = 0.7;
/// The letters of the four choices.
pub(crate) const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// Draws a fact (common ones more often), a paraphrase that `split` owns, and four choices in random order.
///
/// The solution states the fact with the letter of its choice behind the object: finding the letter is then one
/// look-up of a text that was just written, which tiny models learn.
pub(crate) fn draft(relations: &'static [Relation], split: Split, stream: &mut Stream) -> Draft {
    let facts = ranked(relations);
    let (relation, (subject, object)) = facts[zipf(stream, facts.len())];
    let paraphrase = pick(stream, &paraphrases(relation, subject, split));

    let mut choices = vec![object];
    let mut distractors = relation.distractors(subject, object);
    distractors.shuffle(stream);
    choices.extend(distractors.into_iter().take(LETTERS.len() - 1));
    choices.shuffle(stream);
    let gold = LETTERS[choices.iter().position(|&choice| choice == object).unwrap_or(0)];

    let subject_field = ("s", subject.to_owned());
    let listed: Vec<_> = LETTERS.iter().zip(&choices).map(|(letter, choice)| format!("({letter}) {choice}")).collect();
    let prompt =
        format!("{} {}", fill(relation.questions[paraphrase], std::slice::from_ref(&subject_field)), listed.join(" "));
    let object_field = ("o", format!("{object} ({gold})"));
    let statement = fill(pick(stream, relation.statements), &[subject_field, object_field]);
    Draft {
        key: format!("{}:{subject}:{paraphrase}", relation.name),
        prompt,
        solution: format!("{statement} The answer is ({gold})."),
        gold: gold.to_owned(),
    }
}

/// The paraphrases of a fact that belong to a split: the fact's hash names the test one, the next one is for
/// validation, the others are for training.
fn paraphrases(relation: &Relation, subject: &str, split: Split) -> Vec<usize> {
    let count = relation.questions.len();
    let test = (hash(&format!("{}:{subject}", relation.name)) % count as u64) as usize;
    let validation = (test + 1) % count;
    match split {
        Split::Test => vec![test],
        Split::Validation => vec![validation],
        Split::Train => (0..count).filter(|&index| index != test && index != validation).collect(),
    }
}

/// A rank below `count`, drawn with weight `(rank + 1)^-SKEW`.
fn zipf(stream: &mut Stream, count: usize) -> usize {
    let weight = |rank: usize| (rank as f64 + 1.0).powf(-SKEW);
    let mut left = stream.random::<f64>() * (0..count).map(weight).sum::<f64>();
    for rank in 0..count {
        left -= weight(rank);
        if left < 0.0 {
            return rank;
        }
    }
    count - 1
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::facts::COMMONSENSE;

    #[test]
    fn each_paraphrase_belongs_to_one_split() {
        for relation in COMMONSENSE {
            for (subject, _) in relation.facts {
                let mut all: Vec<_> =
                    Split::ALL.iter().flat_map(|&split| paraphrases(relation, subject, split)).collect();
                all.sort_unstable();
                assert_eq!(all, (0..relation.questions.len()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn common_facts_are_drawn_more_often_but_rare_ones_do_occur() {
        let mut stream = Stream::seed_from_u64(1);
        let mut counts = [0_u32; 100];
        for _ in 0..50_000 {
            counts[zipf(&mut stream, 100)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[50..].iter().sum::<u32>()) * 50.0;
        assert!((12.0..25.0).contains(&ratio), "the first fact is {ratio} times as common as a late one");
        assert!(counts.iter().all(|&count| count > 100));
    }

    #[test]
    fn the_gold_letter_is_balanced_and_points_at_the_object() {
        let mut counts = [0_u32; 4];
        let mut stream = Stream::seed_from_u64(2);
        for _ in 0..4000 {
            let draft = draft(COMMONSENSE, Split::Train, &mut stream);
            let subject = draft.key.split(':').nth(1).unwrap_or_default();
            let (_, fact) = ranked(COMMONSENSE)
                .into_iter()
                .find(|(relation, fact)| draft.key.starts_with(&format!("{}:", relation.name)) && fact.0 == subject)
                .unwrap_or_else(|| unreachable!("no fact for {}", draft.key));
            assert!(
                format!("{} (", draft.prompt).contains(&format!("({}) {} (", draft.gold, fact.1)),
                "{}",
                draft.prompt
            );
            for (count, letter) in counts.iter_mut().zip(LETTERS) {
                *count += u32::from(draft.gold == letter);
            }
        }
        assert!(counts.iter().all(|&count| (850..1150).contains(&count)), "{counts:?}");
    }
}
