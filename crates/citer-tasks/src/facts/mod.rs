//! Tables of true, undisputed facts behind the multiple-choice families.

mod commonsense;
mod psychology;
mod science;

pub(crate) use commonsense::RELATIONS as COMMONSENSE;
pub(crate) use psychology::RELATIONS as PSYCHOLOGY;
pub(crate) use science::RELATIONS as SCIENCE;

/// A subject and the one object that the relation gives it.
pub(crate) type Fact = (&'static str, &'static str);

/// Facts of one kind, with the ways of asking for them.
pub(crate) struct Relation {
    /// Part of the key that decides the split.
    pub(crate) name: &'static str,
    /// Ways of asking; `{s}` stands for the subject.
    pub(crate) questions: &'static [&'static str],
    /// Ways of stating the fact; `{s}` and `{o}` stand for subject and object.
    pub(crate) statements: &'static [&'static str],
    /// The facts, the best known ones first: the order sets how often a fact is drawn.
    pub(crate) facts: &'static [Fact],
    /// Objects that are no fair distractor for a subject, because they are partly true for it.
    pub(crate) unfair: &'static [(&'static str, &'static [&'static str])],
}

impl Relation {
    /// Distinct objects of the other facts that are false for `subject`.
    pub(crate) fn distractors(&self, subject: &str, object: &str) -> Vec<&'static str> {
        let unfair = self.unfair.iter().find(|(name, _)| *name == subject).map_or(&[][..], |(_, objects)| objects);
        let mut objects: Vec<_> = self.facts.iter().map(|fact| fact.1).collect();
        objects.sort_unstable();
        objects.dedup();
        objects.retain(|other| *other != object && !unfair.contains(other));
        objects
    }
}

/// All facts of a family, the best known first: the first fact of every relation, then the second, and so on.
pub(crate) fn ranked(relations: &'static [Relation]) -> Vec<(&'static Relation, Fact)> {
    let longest = relations.iter().map(|relation| relation.facts.len()).max().unwrap_or(0);
    (0..longest)
        .flat_map(|row| relations.iter().filter_map(move |relation| Some((relation, *relation.facts.get(row)?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TABLES: [&[Relation]; 3] = [COMMONSENSE, SCIENCE, PSYCHOLOGY];

    fn relations() -> impl Iterator<Item = &'static Relation> {
        TABLES.into_iter().flatten()
    }

    #[test]
    fn every_relation_is_functional_and_wide_enough() {
        let mut names = HashSet::new();
        for relation in relations() {
            assert!(names.insert(relation.name), "{} appears twice", relation.name);
            let subjects: HashSet<_> = relation.facts.iter().map(|fact| fact.0).collect();
            assert_eq!(subjects.len(), relation.facts.len(), "{} repeats a subject", relation.name);
            for (subject, object) in relation.facts {
                let count = relation.distractors(subject, object).len();
                assert!(count >= 3, "{}: {subject} has {count} distractors", relation.name);
            }
        }
    }

    #[test]
    fn exceptions_name_facts_of_their_relation() {
        for relation in relations() {
            let objects: HashSet<_> = relation.facts.iter().map(|fact| fact.1).collect();
            let mut seen = HashSet::new();
            for (subject, unfair) in relation.unfair {
                assert!(seen.insert(subject), "{}: {subject} is listed twice", relation.name);
                let fact = relation.facts.iter().find(|fact| fact.0 == *subject);
                assert!(fact.is_some(), "{}: no subject {subject}", relation.name);
                for object in *unfair {
                    assert!(objects.contains(object), "{}: no object {object}", relation.name);
                    assert!(fact.is_some_and(|fact| fact.1 != *object), "{}: {object} is the gold", relation.name);
                }
            }
        }
    }

    #[test]
    fn wording_is_plain_and_complete() {
        for relation in relations() {
            assert!(relation.questions.len() >= 4, "{} needs four paraphrases", relation.name);
            assert_eq!(relation.questions.iter().collect::<HashSet<_>>().len(), relation.questions.len());
            assert!(relation.questions.iter().all(|text| text.contains("{s}") && !text.contains("{o}")));
            assert!(!relation.statements.is_empty());
            assert!(relation.statements.iter().all(|text| text.contains("{s}") && text.contains("{o}")));
            let words = relation.facts.iter().flat_map(|fact| [fact.0, fact.1]);
            for text in words.chain(relation.questions.iter().copied()).chain(relation.statements.iter().copied()) {
                assert!(text.is_ascii() && text.trim() == text && !text.contains("  "), "{text}");
                let longest = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
                assert!(longest <= 2, "{text} has a number of {longest} digits");
            }
        }
    }

    #[test]
    fn ranking_keeps_every_fact_once_and_starts_with_the_first_rows() {
        for table in TABLES {
            let ranked = ranked(table);
            assert!((110..=180).contains(&ranked.len()), "{} facts", ranked.len());
            let keys: HashSet<_> = ranked.iter().map(|(relation, fact)| (relation.name, fact.0)).collect();
            assert_eq!(keys.len(), ranked.len());
            assert!(ranked.iter().zip(table).all(|((_, fact), relation)| *fact == relation.facts[0]));
        }
    }
}
