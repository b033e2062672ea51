//! The five question families and the three splits, with the names users type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A question family; each mirrors one public benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Multi-step word problems with a whole number as answer (as GSM8K).
    Word,
    /// Equations and expressions, answer in `\boxed{}` (as MATH).
    Algebra,
    /// Four-way choice about everyday things (as CommonsenseQA).
    Commonsense,
    /// Four-way choice about school science (as ARC).
    Science,
    /// Four-way choice about psychology (as MMLU professional psychology).
    Psychology,
}

impl Family {
    /// All families, in the order tables and suites list them.
    pub const ALL: [Family; 5] =
        [Family::Word, Family::Algebra, Family::Commonsense, Family::Science, Family::Psychology];

    /// The lower-case name used in files, flags and question ids.
    pub fn name(self) -> &'static str {
        match self {
            Family::Word => "word",
            Family::Algebra => "algebra",
            Family::Commonsense => "commonsense",
            Family::Science => "science",
            Family::Psychology => "psychology",
        }
    }
}

/// Which part of the data a question belongs to; the parts share no problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Examples that models learn from.
    Train,
    /// Examples for choosing settings.
    Validation,
    /// Examples that only final scores are measured on.
    Test,
}

impl Split {
    /// All splits.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// The lower-case name used in files, flags and question ids.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// A family or split name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{name}\"; use one of: {choices}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
    choices: String,
}

impl FromStr for Family {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        find("family", name, &Self::ALL, Self::name)
    }
}

impl FromStr for Split {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        find("split", name, &Self::ALL, Self::name)
    }
}

pub(crate) fn find<T: Copy>(
    what: &'static str,
    name: &str,
    all: &[T],
    label: fn(T) -> &'static str,
) -> Result<T, UnknownName> {
    let wanted = name.trim().to_ascii_lowercase();
    all.iter().copied().find(|&item| label(item) == wanted).ok_or_else(|| UnknownName {
        what,
        name: name.to_owned(),
        choices: all.iter().map(|&item| label(item)).collect::<Vec<_>>().join(", "),
    })
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_errors_list_the_choices() {
        for family in Family::ALL {
            assert_eq!(family.name().parse::<Family>().unwrap(), family);
            assert_eq!(serde_json::to_string(&family).unwrap(), format!("\"{family}\""));
        }
        for split in Split::ALL {
            assert_eq!(split.name().parse::<Split>().unwrap(), split);
        }
        let message = "maths".parse::<Family>().unwrap_err().to_string();
        assert_eq!(message, "unknown family \"maths\"; use one of: word, algebra, commonsense, science, psychology");
        assert!("dev".parse::<Split>().unwrap_err().to_string().contains("train, validation, test"));
    }
}
