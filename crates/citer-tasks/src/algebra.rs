//! Algebra problems: linear equations, function values and perimeters, answered in `\boxed{}`.

use rand::RngExt;

use crate::family::Split;
use crate::maths::{self, Numbers, Skeleton};
use crate::question::Draft;
use crate::stream::{Stream, pick};

const VARIABLES: &[&str] = &["x", "y", "n", "t"];

const SKELETONS: &[Skeleton] = &[
    Skeleton {
        name: "plus",
        numbers: |stream| {
            let (a, root) = product(stream, 90);
            let b = stream.random_range(1..=99 - a * root);
            Numbers { given: vec![a, b, a * root + b], found: vec![a * root, root] }
        },
        prompts: &[
            "Solve for {v}: {a}{v} + {b} = {c}.",
            "Find the value of {v} if {a}{v} + {b} = {c}.",
            "If {a}{v} + {b} = {c}, what is {v}?",
        ],
        solution: "Subtract {b} from both sides: {a}{v} = {c} - {b} = {x}. Divide both sides by {a}: {v} = {x} / {a} = {y}. The answer is \\boxed{{y}}.",
    },
    Skeleton {
        name: "minus",
        numbers: |stream| {
            let (a, root) = product(stream, 99);
            let b = stream.random_range(1..a * root);
            Numbers { given: vec![a, b, a * root - b], found: vec![a * root, root] }
        },
        prompts: &[
            "Solve for {v}: {a}{v} - {b} = {c}.",
            "Find the value of {v} if {a}{v} - {b} = {c}.",
            "If {a}{v} - {b} = {c}, what is {v}?",
        ],
        solution: "Add {b} to both sides: {a}{v} = {c} + {b} = {x}. Divide both sides by {a}: {v} = {x} / {a} = {y}. The answer is \\boxed{{y}}.",
    },
    Skeleton {
        name: "bracket",
        numbers: |stream| {
            let (a, sum) = product(stream, 99);
            let b = stream.random_range(1..=sum);
            Numbers { given: vec![a, b, a * sum], found: vec![sum, sum - b] }
        },
        prompts: &[
            "Solve for {v}: {a}({v} + {b}) = {c}.",
            "Find the value of {v} if {a}({v} + {b}) = {c}.",
            "If {a}({v} + {b}) = {c}, what is {v}?",
        ],
        solution: "Divide both sides by {a}: {v} + {b} = {c} / {a} = {x}. Subtract {b} from both sides: {v} = {x} - {b} = {y}. The answer is \\boxed{{y}}.",
    },
    Skeleton {
        name: "quotient",
        numbers: |stream| {
            let (a, part) = product(stream, 99);
            let b = stream.random_range(1..=99 - part);
            Numbers { given: vec![a, b, part + b], found: vec![part, part * a] }
        },
        prompts: &[
            "Solve for {v}: {v}/{a} + {b} = {c}.",
            "Find the value of {v} if {v}/{a} + {b} = {c}.",
            "If {v}/{a} + {b} = {c}, what is {v}?",
        ],
        solution: "Subtract {b} from both sides: {v}/{a} = {c} - {b} = {x}. Multiply both sides by {a}: {v} = {x} * {a} = {y}. The answer is \\boxed{{y}}.",
    },
    Skeleton {
        name: "function-plus",
        numbers: |stream| {
            let (a, c) = product(stream, 90);
            let b = stream.random_range(1..=99 - a * c);
            Numbers { given: vec![a, b, c], found: vec![a * c, a * c + b] }
        },
        prompts: &[
            "Let f({v}) = {a}{v} + {b}. Find f({c}).",
            "If f({v}) = {a}{v} + {b}, what is f({c})?",
            "What is the value of {a}{v} + {b} when {v} = {c}?",
        ],
        solution: "Put {c} in place of {v}: {a} * {c} = {x}. Then add {b}: {x} + {b} = {y}. The answer is \\boxed{{y}}.",
    },
    Skeleton {
        name: "function-minus",
        numbers: |stream| {
            let (a, c) = product(stream, 99);
            let b = stream.random_range(1..=a * c);
            Numbers { given: vec![a, b, c], found: vec![a * c, a * c - b] }
        },
        prompts: &[
            "Let f({v}) = {a}{v} - {b}. Find f({c}).",
            "If f({v}) = {a}{v} - {b}, what is f({c})?",
            "What is the value of {a}{v} - {b} when {v} = {c}?",
        ],
        solution: "Put {c} in place of {v}: {a} * {c} = {x}. Then subtract {b}: {x} - {b} = {y}. The answer is \\boxed{{y}}.",
    },
    Skeleton {
        name: "two-sides",
        numbers: |stream| {
            let (rest, root) = product(stream, 90);
            let c = stream.random_range(1..=9);
            let b = stream.random_range(1..=99 - rest * root);
            Numbers { given: vec![rest + c, b, c, rest * root + b], found: vec![rest, rest * root, root] }
        },
        prompts: &[
            "Solve for {v}: {a}{v} + {b} = {c}{v} + {d}.",
            "Find the value of {v} if {a}{v} + {b} = {c}{v} + {d}.",
            "If {a}{v} + {b} = {c}{v} + {d}, what is {v}?",
        ],
        solution: "Collect the {v} terms: {a} - {c} = {x}. Subtract {b} from both sides: {x}{v} = {d} - {b} = {y}. Divide both sides by {x}: {v} = {y} / {x} = {z}. The answer is \\boxed{{z}}.",
    },
    Skeleton {
        name: "perimeter",
        numbers: |stream| {
            let (a, b) = (stream.random_range(2..=12), stream.random_range(2..=12));
            Numbers { given: vec![a, b], found: vec![2 * a, 2 * b, 2 * a + 2 * b] }
        },
        prompts: &[
            "A rectangle is {a} units long and {b} units wide. What is its perimeter?",
            "Find the perimeter of a rectangle with length {a} and width {b}.",
        ],
        solution: "The two lengths give 2 * {a} = {x}. The two widths give 2 * {b} = {y}. The perimeter is {x} + {y} = {z}. The answer is \\boxed{{z}}.",
    },
];

/// A coefficient from 2 to 9 and a value from 2 to 12 whose product is at most `limit`.
fn product(stream: &mut Stream, limit: u32) -> (u32, u32) {
    let value = stream.random_range(2..=12);
    (stream.random_range(2..=(limit / value).min(9)), value)
}

pub(crate) fn draft(split: Split, stream: &mut Stream) -> Draft {
    let variable = pick(stream, VARIABLES).to_string();
    maths::draft(SKELETONS, vec![("v", variable)], split, stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Family;
    use crate::maths::tests::{check, check_arithmetic};
    use crate::question::question;

    #[test]
    fn skeletons_stay_within_bounds() {
        check(SKELETONS);
    }

    #[test]
    fn every_step_of_a_solution_is_true() {
        for index in 0..3000 {
            let solution = question(Family::Algebra, Split::Train, 1, index).solution;
            assert!((2..=3).contains(&check_arithmetic(&solution)), "{solution}");
        }
    }
}
