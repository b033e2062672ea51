//! The public benchmarks that loaders read, with the names users type and file names give away.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::family::{Split, UnknownName, find};
use crate::task::AnswerType;

/// A public benchmark. The first five are CITER's; the others have the same answer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Benchmark {
    /// CommonsenseQA: five-way choice about everyday things.
    CommonsenseQa,
    /// ARC-Challenge: choice of three to five answers about school science.
    Arc,
    /// MMLU professional psychology (and any other MMLU subject): four-way choice.
    Mmlu,
    /// GSM8K: word problems.
    Gsm8k,
    /// MATH: competition problems with answers in LaTeX.
    Math,
    /// OpenBookQA: four-way choice about elementary science.
    OpenBookQa,
    /// MAWPS: short word problems.
    Mawps,
    /// SVAMP: short word problems with varied wording.
    Svamp,
}

impl Benchmark {
    /// All benchmarks, in the order tables list them.
    pub const ALL: [Benchmark; 8] = [
        Benchmark::CommonsenseQa,
        Benchmark::Arc,
        Benchmark::Mmlu,
        Benchmark::Gsm8k,
        Benchmark::Math,
        Benchmark::OpenBookQa,
        Benchmark::Mawps,
        Benchmark::Svamp,
    ];

    /// The lower-case name used in files, flags and question ids.
    pub fn name(self) -> &'static str {
        match self {
            Benchmark::CommonsenseQa => "commonsenseqa",
            Benchmark::Arc => "arc",
            Benchmark::Mmlu => "mmlu",
            Benchmark::Gsm8k => "gsm8k",
            Benchmark::Math => "math",
            Benchmark::OpenBookQa => "openbookqa",
            Benchmark::Mawps => "mawps",
            Benchmark::Svamp => "svamp",
        }
    }

    /// What the benchmark's answers are.
    pub fn answer_type(self) -> AnswerType {
        match self {
            Benchmark::CommonsenseQa | Benchmark::Arc | Benchmark::Mmlu | Benchmark::OpenBookQa => AnswerType::Choice,
            Benchmark::Gsm8k | Benchmark::Mawps | Benchmark::Svamp => AnswerType::Number,
            Benchmark::Math => AnswerType::Maths,
        }
    }

    /// The benchmark that a path names; the file's own name counts more than its folders'.
    pub fn detect(path: &str) -> Option<Self> {
        path.rsplit(['/', '\\']).find_map(|part| {
            let part = part.to_ascii_lowercase();
            let words: Vec<_> = part.split(|character: char| !character.is_ascii_alphanumeric()).collect();
            let named = |starts: &[&str]| words.iter().any(|word| starts.iter().any(|start| word.starts_with(start)));
            [
                (Benchmark::OpenBookQa, &["openbook", "obqa"][..]),
                (Benchmark::CommonsenseQa, &["commonsense", "csqa", "cqa"]),
                (Benchmark::Mawps, &["mawps"]),
                (Benchmark::Svamp, &["svamp"]),
                (Benchmark::Gsm8k, &["gsm8k"]),
                (Benchmark::Mmlu, &["mmlu", "psychology"]),
                (Benchmark::Math, &["math", "math500"]),
            ]
            .into_iter()
            .find_map(|(benchmark, starts)| named(starts).then_some(benchmark))
            .or_else(|| words.contains(&"arc").then_some(Benchmark::Arc))
        })
    }
}

/// The split that a file's name gives away (`train`, `dev`, `val`, `validation`, `test`).
pub(crate) fn detect_split(path: &str) -> Option<Split> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
    let words = || name.split(|character: char| !character.is_ascii_alphanumeric());
    [("train", Split::Train), ("valid", Split::Validation), ("dev", Split::Validation), ("test", Split::Test)]
        .into_iter()
        .find_map(|(start, split)| words().any(|word| word.starts_with(start)).then_some(split))
        .or_else(|| words().any(|word| word == "val").then_some(Split::Validation))
        // MATH-500 is a part of MATH's test split.
        .or_else(|| (name.contains("math500") || name.contains("math-500")).then_some(Split::Test))
}

impl FromStr for Benchmark {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        find("benchmark", name, &Self::ALL, Self::name)
    }
}

impl fmt::Display for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_benchmarks_and_splits() {
        for (path, benchmark, split) in [
            ("data/citer/cqa/train_mlp.json", Some(Benchmark::CommonsenseQa), Some(Split::Train)),
            (
                "commonsense_qa/data/validation-00000-of-00001.parquet",
                Some(Benchmark::CommonsenseQa),
                Some(Split::Validation),
            ),
            ("data/arc/ARC-Challenge-Dev.jsonl", Some(Benchmark::Arc), Some(Split::Validation)),
            ("mmlu\\professional_psychology_val.csv", Some(Benchmark::Mmlu), Some(Split::Validation)),
            ("math/gsm8k/test.jsonl", Some(Benchmark::Gsm8k), Some(Split::Test)),
            ("math/math_test5000.jsonl", Some(Benchmark::Math), Some(Split::Test)),
            ("math500.jsonl", Some(Benchmark::Math), Some(Split::Test)),
            ("mawps/trainset.json", Some(Benchmark::Mawps), Some(Split::Train)),
            ("svamp/SVAMP.json", Some(Benchmark::Svamp), None),
            ("search/latest.json", None, None),
        ] {
            assert_eq!((Benchmark::detect(path), detect_split(path)), (benchmark, split), "{path}");
        }
    }
}
