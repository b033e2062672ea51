//! Problem skeletons: templates with drawn numbers, shared by the word and algebra families.

use crate::family::Split;
use crate::question::Draft;
use crate::stream::{Stream, fill, hash, pick};

/// The numbers of one problem; all are whole and at most 99.
pub(crate) struct Numbers {
    /// Numbers in the prompt, `{a}`, `{b}`, ... in the templates.
    pub(crate) given: Vec<u32>,
    /// Results of the solution's steps, `{x}`, `{y}`, `{z}`; the last is the answer.
    pub(crate) found: Vec<u32>,
}

/// One kind of problem.
#[derive(Clone, Copy)]
pub(crate) struct Skeleton {
    /// Part of the key that decides the split.
    pub(crate) name: &'static str,
    /// Draws numbers that satisfy the bounds.
    pub(crate) numbers: fn(&mut Stream) -> Numbers,
    /// Ways of asking.
    pub(crate) prompts: &'static [&'static str],
    /// The worked solution.
    pub(crate) solution: &'static str,
}

/// The split that owns a problem: 80 % training, 10 % validation, 10 % test, by the hash of its key.
fn owner(key: &str) -> Split {
    match hash(key) % 10 {
        8 => Split::Validation,
        9 => Split::Test,
        _ => Split::Train,
    }
}

/// Draws problems until one belongs to `split`. The key holds the skeleton and its numbers but not the wording
/// or the names, so a problem that only swaps apples for pens stays in its split.
pub(crate) fn draft(skeletons: &[Skeleton], extra: Vec<(&str, String)>, split: Split, stream: &mut Stream) -> Draft {
    loop {
        let skeleton = pick(stream, skeletons);
        let numbers = (skeleton.numbers)(stream);
        let given = numbers.given.iter().map(u32::to_string).collect::<Vec<_>>();
        let key = format!("{}:{}", skeleton.name, given.join(","));
        if owner(&key) != split {
            continue;
        }
        let found = numbers.found.iter().map(u32::to_string).collect::<Vec<_>>();
        let gold = found.last().cloned().unwrap_or_default();
        let mut fields = extra;
        fields.extend(["a", "b", "c", "d"].into_iter().zip(given));
        fields.extend(["x", "y", "z"].into_iter().zip(found));
        let prompt = fill(pick(stream, skeleton.prompts), &fields);
        let solution = fill(skeleton.solution, &fields);
        return Draft { key, prompt, solution, gold };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    /// Checks every `p op q = r` of many solutions, the bounds of all numbers, and that no skeleton is starved.
    pub(crate) fn check(skeletons: &[Skeleton]) {
        let mut names = HashSet::new();
        for skeleton in skeletons {
            assert!(names.insert(skeleton.name), "{} appears twice", skeleton.name);
            assert!(skeleton.prompts.len() >= 2);
            let mut stream = Stream::seed_from_u64(4);
            let mut owners = HashSet::new();
            let mut keys = HashSet::new();
            for _ in 0..3000 {
                let numbers = (skeleton.numbers)(&mut stream);
                let all = || numbers.given.iter().chain(&numbers.found);
                assert!(all().all(|&number| number <= 99), "{}: {:?}", skeleton.name, all().collect::<Vec<_>>());
                let key = format!("{}:{:?}", skeleton.name, numbers.given);
                owners.insert(owner(&key));
                keys.insert(key);
            }
            assert_eq!(owners.len(), 3, "{} misses a split", skeleton.name);
            assert!(keys.len() >= 100, "{} has only {} problems", skeleton.name, keys.len());
        }
    }

    /// Evaluates every `p op q = r` in a solution; returns how many there were.
    pub(crate) fn check_arithmetic(solution: &str) -> usize {
        let tokens: Vec<String> =
            solution.split_whitespace().map(|token| token.trim_end_matches(['.', ',']).to_owned()).collect();
        let mut steps = 0;
        for window in tokens.windows(5) {
            let [left, op, right, equals, result] = window else { unreachable!() };
            let (Ok(left), Ok(right), "=") = (left.parse::<u32>(), right.parse::<u32>(), equals.as_str()) else {
                continue;
            };
            let value = match op.as_str() {
                "+" => left + right,
                "-" => left - right,
                "*" => {
                    assert!(left.min(right) <= 9 && left.max(right) <= 12, "{solution}");
                    left * right
                }
                "/" => {
                    assert_eq!(left % right, 0, "{solution}");
                    assert!(right <= 12 && left / right <= 12, "{solution}");
                    left / right
                }
                other => panic!("unknown operation {other} in {solution}"),
            };
            assert_eq!(value.to_string(), *result, "{solution}");
            steps += 1;
        }
        steps
    }
}
