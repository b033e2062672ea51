//! Every published file of a data folder: row counts, and the judges on all gold answers.
//!
//! Needs the files, so it only runs when asked: `CITER_DATA=folder cargo test --release -p citer-tasks -- --ignored`
//! (and `--nocapture` to see the numbers).
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use citer_tasks::data::{Benchmark, Loader, Record, Source};
use citer_tasks::{Question, Split, is_correct};

/// A file, its rows, and the rows whose published solution the judge cannot read, with the reason.
struct Published {
    path: &'static str,
    rows: usize,
    unread: &'static [(&'static str, &'static str)],
}

const fn file(path: &'static str, rows: usize) -> Published {
    Published { path, rows, unread: &[] }
}

const FILES: [Published; 19] = [
    file("citer/cqa/train_mlp.json", 2049),
    file("citer/cqa/train_small_model.json", 6144),
    file("citer/cqa/test.jsonl", 1197),
    file("citer/gsm8k/train_mlp.json", 1869),
    file("citer/gsm8k/test.json", 1319),
    file("gsm8k/train.jsonl", 7473),
    file("gsm8k/test.jsonl", 1319),
    file("arc/ARC-Challenge-Train.jsonl", 1119),
    file("arc/ARC-Challenge-Dev.jsonl", 299),
    file("arc/ARC-Challenge-Test.jsonl", 1172),
    file("mmlu/professional_psychology_test.csv", 612),
    file("mmlu/professional_psychology_dev.csv", 5),
    file("mmlu/professional_psychology_val.csv", 69),
    file("math/math_test5000.jsonl", 5000),
    file("math/math500.jsonl", 500),
    file("openbookqa/train.tsv", 4957),
    file("openbookqa/dev.tsv", 500),
    file("openbookqa/test.tsv", 500),
    file("svamp/SVAMP.json", 1000),
];
const MAWPS: [Published; 2] = [file("mawps/trainset.json", 1898), file("mawps/validset.json", 237)];

/// Questions with an option whose text alone is read as another option, with the reason.
const MISREAD: [(&str, &str); 1] =
    [("Mercury_402547", "the options' texts are letters, in another order than the labels")];

fn records(folder: &Path, path: &str) -> Vec<Record> {
    let mut reader = BufReader::with_capacity(1 << 16, File::open(folder.join(path)).unwrap());
    // SVAMP's name does not tell its split.
    let split = path.starts_with("svamp").then_some(Split::Test);
    let source = Source::detect(path, reader.fill_buf().unwrap(), None, split).unwrap();
    let mut errors = 0;
    let records = Loader::new(source.benchmark, source.split, source.format.rows(reader).unwrap())
        .filter_map(|row| {
            row.inspect_err(|error| {
                errors += 1;
                println!("  {error}");
            })
            .ok()
        })
        .collect();
    println!("{path}: {source:?}, {errors} errors");
    records
}

#[test]
#[ignore = "needs the published files: set CITER_DATA to their folder"]
fn every_file_loads_and_every_gold_answer_is_judged_right() {
    let folder = std::env::var_os("CITER_DATA").expect("set CITER_DATA to the folder with the published files");
    let mut failures = Vec::new();
    for Published { path, rows, unread } in FILES.iter().chain(&MAWPS) {
        let records = records(Path::new(&folder), path);
        let published: Vec<_> = records.iter().map(|record| record.rationale.clone()).collect();
        let questions: Vec<_> = records.into_iter().map(Record::question).collect();
        let right = questions.iter().filter(|question| is_correct(question, &question.solution)).count();
        for question in questions.iter().filter(|question| !is_correct(question, &question.solution)) {
            println!("  {}: gold {}, {:?}", question.id, question.gold, question.solution);
        }
        let with_solution = published.iter().flatten().count();
        let missed: Vec<_> = questions
            .iter()
            .zip(&published)
            .filter(|(question, text)| text.as_ref().is_some_and(|text| !is_correct(question, text)))
            .collect();
        println!(
            "  {} rows; solutions as rendered right: {right}; as published right: {} of {with_solution}",
            questions.len(),
            with_solution - missed.len()
        );
        for (question, text) in &missed {
            println!("  {}: gold {}, {:?}", question.id, question.gold, text.as_deref().map(last));
        }
        let missed: BTreeSet<_> = missed.iter().map(|(question, _)| question.id.as_str()).collect();
        let listed: BTreeSet<_> = unread.iter().map(|(id, _)| *id).collect();
        stated_options_are_found(&questions);
        if questions.len() != *rows || right != questions.len() || missed != listed {
            failures.push(*path);
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

/// Stating any option of any question, not only the gold one, is understood as that option; its text alone is never
/// taken for another option, except by its letter.
fn stated_options_are_found(questions: &[Question]) {
    let (mut named, mut all) = (0, 0);
    for question in questions {
        for (text, letter) in question.choices.iter().zip('A'..) {
            let letter = letter.to_string();
            for said in [format!("{text} ({letter})"), format!("({letter})"), letter.clone()] {
                let answer = format!("Both are good. Therefore, the answer is {said}.");
                assert_eq!(question.answer(&answer).as_deref(), Some(letter.as_str()), "{answer} {question:?}");
            }
            all += 1;
            let found = question.answer(&format!("The answer is {text}."));
            match found {
                Some(found) if found != letter => {
                    assert!(
                        MISREAD.iter().any(|(id, _)| *id == question.id),
                        "{}: \"{text}\" is read as {found}",
                        question.id
                    );
                }
                found => named += usize::from(found.is_some()),
            }
        }
    }
    if all > 0 {
        println!("  {named} of {all} options are found by their text");
    }
}

fn last(text: &str) -> &str {
    let start = text.char_indices().rev().nth(99).map_or(0, |(at, _)| at);
    &text[start..]
}

#[test]
#[ignore = "needs the published files: set CITER_DATA to their folder"]
fn different_answers_of_math_stay_different() {
    let folder = std::env::var_os("CITER_DATA").expect("set CITER_DATA to the folder with the published files");
    let questions: Vec<_> =
        records(Path::new(&folder), "math/math_test5000.jsonl").into_iter().map(Record::question).collect();
    assert!(questions.iter().all(|question| question.family == Benchmark::Math));
    let golds: BTreeSet<_> = questions.iter().map(|question| question.gold.as_str()).collect();
    let golds: Vec<_> = golds.into_iter().collect();
    let mut equal = Vec::new();
    for (index, left) in golds.iter().enumerate() {
        let mut question = questions[0].clone();
        question.gold = (*left).to_owned();
        for right in &golds[index + 1..] {
            if is_correct(&question, &format!("\\boxed{{{right}}}")) {
                equal.push(format!("{left}   =   {right}"));
            }
        }
    }
    println!("{} different texts; equal pairs:\n{}", golds.len(), equal.join("\n"));
    // These pairs were looked at one by one: they differ in spelling, currency, units or `x =` only.
    assert_eq!((golds.len(), equal.len()), (2043, 346));
}
