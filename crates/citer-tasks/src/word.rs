//! Word problems in two or three steps, about everyday people and things.

use rand::RngExt;

use crate::family::Split;
use crate::maths::{self, Numbers, Skeleton};
use crate::question::Draft;
use crate::stream::{Stream, pick};

const NAMES: &[&str] = &[
    "Tom", "Anna", "Ben", "Mia", "Sam", "Lucy", "Max", "Emma", "Leo", "Nora", "Jack", "Ella", "Paul", "Rosa", "Noah",
    "Lily", "Adam", "Sara", "Luke", "Kate", "Omar", "Maya", "Ivan", "Jane",
];
const ITEMS: &[&str] = &[
    "pens", "apples", "cards", "books", "stamps", "coins", "eggs", "cookies", "shells", "stickers", "candles", "balls",
    "cups", "pencils", "oranges", "beads", "toys", "muffins", "lemons", "pears", "plums", "rocks", "buttons", "cakes",
];
/// Singular and plural.
const BOXES: &[(&str, &str)] =
    &[("box", "boxes"), ("bag", "bags"), ("jar", "jars"), ("pack", "packs"), ("basket", "baskets")];

const SKELETONS: &[Skeleton] = &[
    Skeleton {
        name: "boxes",
        numbers: |stream| {
            let (a, b) = factors(stream, 90);
            let c = stream.random_range(2..=99 - a * b);
            Numbers { given: vec![a, b, c], found: vec![a * b, a * b + c] }
        },
        prompts: &[
            "{name} has {a} {boxes} with {b} {items} in each {box} and {c} loose {items}. How many {items} does {name} have in all?",
            "There are {a} {boxes} on the table. Each {box} holds {b} {items}. There are also {c} loose {items}. How many {items} are there in all?",
            "{name} fills {a} {boxes} with {b} {items} each and has {c} loose {items} left over. How many {items} are there in all?",
        ],
        solution: "Each {box} holds {b} {items}, so {a} {boxes} hold {a} * {b} = {x} {items}. Together with the {c} loose {items} that makes {x} + {c} = {y} {items}. The answer is {y}.",
    },
    Skeleton {
        name: "gave",
        numbers: |stream| {
            let a = stream.random_range(5..=60);
            let b = stream.random_range(2..=99 - a);
            let c = stream.random_range(2..a + b - 1);
            Numbers { given: vec![a, b, c], found: vec![a + b, a + b - c] }
        },
        prompts: &[
            "{name} had {a} {items}. {name} bought {b} more {items} and gave {c} {items} to {friend}. How many {items} does {name} have now?",
            "{name} had {a} {items} and bought {b} more. Then {name} gave {c} of them to {friend}. How many {items} are left?",
        ],
        solution: "After buying {b} more, {name} had {a} + {b} = {x} {items}. After giving {c} to {friend}, {name} has {x} - {c} = {y} {items} left. The answer is {y}.",
    },
    Skeleton {
        name: "change",
        numbers: |stream| {
            let (a, b) = factors(stream, 90);
            let c = stream.random_range(a * b + 2..=99);
            Numbers { given: vec![a, b, c], found: vec![a * b, c - a * b] }
        },
        prompts: &[
            "{name} buys {a} {items} for {b} dollars each and pays with {c} dollars. How many dollars does {name} get back?",
            "{items} cost {b} dollars each. {name} has {c} dollars and buys {a} of them. How many dollars are left?",
        ],
        solution: "The {a} {items} cost {a} * {b} = {x} dollars. Out of {c} dollars, that leaves {c} - {x} = {y} dollars. The answer is {y}.",
    },
    Skeleton {
        name: "share",
        numbers: |stream| {
            let (c, each) = factors(stream, 99);
            let a = stream.random_range(2..c * each - 1);
            Numbers { given: vec![a, c * each - a, c], found: vec![c * each, each] }
        },
        prompts: &[
            "{name} has {a} {items} and {friend} has {b} {items}. They put them together and share them equally among {c} children. How many {items} does each child get?",
            "{name} and {friend} bring {a} and {b} {items}. All of them are shared equally by {c} children. How many {items} does each child get?",
        ],
        solution: "Together they have {a} + {b} = {x} {items}. Shared equally among {c} children, each child gets {x} / {c} = {y} {items}. The answer is {y}.",
    },
    Skeleton {
        name: "savings",
        numbers: |stream| {
            let (a, b) = factors(stream, 99);
            let c = stream.random_range(2..a * b - 1);
            Numbers { given: vec![a, b, c], found: vec![a * b, a * b - c] }
        },
        prompts: &[
            "{name} saves {a} dollars each week for {b} weeks and then spends {c} dollars on {items}. How many dollars does {name} have left?",
            "Each week {name} saves {a} dollars. After {b} weeks {name} spends {c} dollars. How many dollars are left?",
        ],
        solution: "In {b} weeks {name} saves {a} * {b} = {x} dollars. After spending {c} dollars, {name} has {x} - {c} = {y} dollars left. The answer is {y}.",
    },
    Skeleton {
        name: "pages",
        numbers: |stream| {
            let (a, b) = factors(stream, 90);
            let c = stream.random_range(a * b + 2..=99);
            Numbers { given: vec![c, a, b], found: vec![a * b, c - a * b] }
        },
        prompts: &[
            "A book has {a} pages. {name} reads {b} pages a day for {c} days. How many pages are left to read?",
            "{name} reads {b} pages of a book each day. The book has {a} pages. How many pages are left after {c} days?",
        ],
        solution: "In {c} days {name} reads {b} * {c} = {x} pages. The book has {a} pages, so {a} - {x} = {y} pages are left. The answer is {y}.",
    },
    Skeleton {
        name: "times",
        numbers: |stream| {
            let a = stream.random_range(2..=12);
            let b = stream.random_range(2..=(75 / a).min(9));
            let c = stream.random_range(2..=99 - a * b);
            Numbers { given: vec![a, b, c], found: vec![a * b, a * b + c] }
        },
        prompts: &[
            "{name} has {a} {items}. {friend} has {b} times as many and then finds {c} more. How many {items} does {friend} have now?",
            "{friend} has {b} times as many {items} as {name}, who has {a}. Then {friend} finds {c} more {items}. How many {items} does {friend} have now?",
        ],
        solution: "{friend} has {b} times as many {items} as {name}, so {friend} has {a} * {b} = {x} {items}. After finding {c} more, {friend} has {x} + {c} = {y} {items}. The answer is {y}.",
    },
    Skeleton {
        name: "more",
        numbers: |stream| {
            let a = stream.random_range(2..=40);
            let b = stream.random_range(2..=99 - 2 * a);
            Numbers { given: vec![a, b], found: vec![a + b, 2 * a + b] }
        },
        prompts: &[
            "{name} has {a} {items}. {friend} has {b} more {items} than {name}. How many {items} do they have together?",
            "{friend} has {b} more {items} than {name}, who has {a} {items}. How many {items} do they have together?",
        ],
        solution: "{friend} has {b} more {items} than {name}, so {friend} has {a} + {b} = {x} {items}. Together they have {a} + {x} = {y} {items}. The answer is {y}.",
    },
    Skeleton {
        name: "bus",
        numbers: |stream| {
            let a = stream.random_range(5..=90);
            let b = stream.random_range(2..a - 1);
            let c = stream.random_range(2..=99 - (a - b));
            Numbers { given: vec![a, b, c], found: vec![a - b, a - b + c] }
        },
        prompts: &[
            "There are {a} people on a train. At the first stop {b} people get off and {c} people get on. How many people are on the train now?",
            "A train has {a} people on board. Then {b} people get off and {c} people get on. How many people are on the train now?",
        ],
        solution: "After {b} people get off, {a} - {b} = {x} people are on the train. After {c} people get on, {x} + {c} = {y} people are on the train. The answer is {y}.",
    },
    Skeleton {
        name: "bags",
        numbers: |stream| {
            let (c, bags) = factors(stream, 97);
            let b = stream.random_range(2..=99 - c * bags);
            Numbers { given: vec![c * bags + b, b, c], found: vec![c * bags, bags] }
        },
        prompts: &[
            "{name} has {a} {items}. {name} gives {b} {items} to {friend} and puts the rest into {boxes} of {c} {items} each. How many {boxes} does {name} need?",
            "{name} had {a} {items} but lost {b} of them. The rest go into {boxes} that hold {c} {items} each. How many {boxes} are needed?",
        ],
        solution: "Without the {b} {items}, there are {a} - {b} = {x} {items} left. Each {box} holds {c} {items}, so {name} needs {x} / {c} = {y} {boxes}. The answer is {y}.",
    },
    Skeleton {
        name: "work",
        numbers: |stream| {
            let (a, b) = factors(stream, 80);
            let c = stream.random_range(2..=99 - a * b);
            let d = stream.random_range(2..a * b + c - 1);
            Numbers { given: vec![a, b, c, d], found: vec![a * b, a * b + c, a * b + c - d] }
        },
        prompts: &[
            "{name} works {a} hours and earns {b} dollars an hour. {name} already had {c} dollars and then spends {d} dollars. How many dollars does {name} have now?",
            "{name} has {c} dollars. {name} works {a} hours for {b} dollars an hour and then spends {d} dollars. How many dollars does {name} have now?",
        ],
        solution: "For {a} hours of work {name} earns {a} * {b} = {x} dollars. With the {c} dollars from before that makes {x} + {c} = {y} dollars. After spending {d} dollars, {name} has {y} - {d} = {z} dollars left. The answer is {z}.",
    },
];

/// Two factors of the 12 by 9 table, in either order, with a product of at most `limit`.
fn factors(stream: &mut Stream, limit: u32) -> (u32, u32) {
    let long = stream.random_range(2..=12);
    let short = stream.random_range(2..=(limit / long).min(9));
    if stream.random_bool(0.5) { (long, short) } else { (short, long) }
}

pub(crate) fn draft(split: Split, stream: &mut Stream) -> Draft {
    let name = pick(stream, NAMES);
    let mut friend = pick(stream, NAMES);
    while friend == name {
        friend = pick(stream, NAMES);
    }
    let (one, many) = pick(stream, BOXES);
    let extra = vec![
        ("name", name.to_owned()),
        ("friend", friend.to_owned()),
        ("items", pick(stream, ITEMS).to_owned()),
        ("box", one.to_owned()),
        ("boxes", many.to_owned()),
    ];
    let mut draft = maths::draft(SKELETONS, extra, split, stream);
    if let Some(first) = draft.prompt.get(..1).map(str::to_uppercase) {
        draft.prompt.replace_range(..1, &first);
    }
    draft
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
            let solution = question(Family::Word, Split::Train, 1, index).solution;
            assert!((2..=3).contains(&check_arithmetic(&solution)), "{solution}");
        }
    }
}
