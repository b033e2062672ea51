//! What a question belongs to: a family of the generated suite or a public benchmark, and what its answer is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::Benchmark;
use crate::family::{Family, UnknownName};

/// What kind of text a final answer is; each kind has one prompt and one judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerType {
    /// The letter of an option.
    Choice,
    /// A number.
    Number,
    /// A formula in LaTeX.
    Maths,
}

/// A generated family or a public benchmark; written as its lower-case name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Task {
    /// A family of the generated suite.
    Family(Family),
    /// A benchmark read from files.
    Benchmark(Benchmark),
}

impl Task {
    /// The lower-case name used in files, flags and reports.
    pub fn name(self) -> &'static str {
        match self {
            Task::Family(family) => family.name(),
            Task::Benchmark(benchmark) => benchmark.name(),
        }
    }

    /// What the task's answers are.
    pub fn answer_type(self) -> AnswerType {
        match self {
            Task::Family(Family::Word) => AnswerType::Number,
            Task::Family(Family::Algebra) => AnswerType::Maths,
            Task::Family(Family::Commonsense | Family::Science | Family::Psychology) => AnswerType::Choice,
            Task::Benchmark(benchmark) => benchmark.answer_type(),
        }
    }

    /// The largest number of options a question of this task has.
    pub(crate) fn most_choices(self) -> usize {
        match self {
            Task::Family(_) => 4,
            Task::Benchmark(_) => crate::judge::choice::MOST,
        }
    }
}

impl From<Family> for Task {
    fn from(family: Family) -> Self {
        Task::Family(family)
    }
}

impl From<Benchmark> for Task {
    fn from(benchmark: Benchmark) -> Self {
        Task::Benchmark(benchmark)
    }
}

impl PartialEq<Family> for Task {
    fn eq(&self, family: &Family) -> bool {
        *self == Task::Family(*family)
    }
}

impl PartialEq<Benchmark> for Task {
    fn eq(&self, benchmark: &Benchmark) -> bool {
        *self == Task::Benchmark(*benchmark)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Task {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let all: Vec<_> =
            Family::ALL.into_iter().map(Task::from).chain(Benchmark::ALL.into_iter().map(Task::from)).collect();
        crate::family::find("task", name, &all, Task::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_round_trip() {
        let families = Family::ALL.into_iter().map(Task::from);
        let all: Vec<Task> = families.chain(Benchmark::ALL.into_iter().map(Task::from)).collect();
        for task in &all {
            assert_eq!(task.name().parse::<Task>().unwrap(), *task);
            let json = serde_json::to_string(task).unwrap();
            assert_eq!(json, format!("\"{task}\""));
            assert_eq!(serde_json::from_str::<Task>(&json).unwrap(), *task);
            assert_eq!(all.iter().filter(|other| other.name() == task.name()).count(), 1);
        }
        assert!("gsm9k".parse::<Task>().unwrap_err().to_string().contains("word, algebra"));
        assert!(Task::Family(Family::Word) == Family::Word && Task::Family(Family::Word) != Family::Algebra);
    }
}
