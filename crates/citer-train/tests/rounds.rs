//! Rounds on the shipped pair: every answer type has its second round, states of mixed decoding join, and what is on disk
//! is used again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_lm::{LlmFiles, Router, device};
use citer_tasks::{AnswerType, Family, Split, question, suite};
use citer_train::cost::{Prices, Rates, Reads, Times, Wire};
use citer_train::fit::Objective;
use citer_train::label::{Case, Labeller, Origin, Rule};
use citer_train::models::{LONGEST, Models};
use citer_train::rounds::{Plan, Target, train};
use citer_train::teacher::Teacher;
use citer_train::workers::Workers;
use futures::executor::block_on;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

fn pair() -> [LlmFiles; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models");
    ["slm", "llm"].map(|name| LlmFiles::read(&folder, name).unwrap())
}

fn rates() -> Rates {
    Rates {
        wire: Wire { call: 900.0, token: 5.0 },
        prices: Prices { prompt: 0.9, cached: 0.09, output: 2.86 },
        slm: Reads { weights: 1e6, position: 1e3 },
        llm: Reads { weights: 4e6, position: 4e3 },
        times: Times { round_trip: 85.0, slm: 15.0, llm: 20.0 },
    }
}

#[test]
fn the_second_round_runs_for_every_answer_type_and_adds_states_of_mixed_decoding() {
    let ([slm, llm], device) = (pair(), device::cpu());
    let workers = Workers { slm: &slm, llm: Teacher::Files(&llm), device: &device, threads: 2, longest: LONGEST };
    let (questions, validation) = (suite(Split::Train, 5, 16), suite(Split::Validation, 5, 6));
    let folder = std::env::temp_dir().join(format!("citer-rounds-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let plan = Plan {
        questions: &questions,
        validation: &validation,
        objective: Objective::Preference,
        rounds: 2,
        target: Target::Share(0.06),
        rates: rates(),
        labels: Some(&folder),
        seed: 3,
    };
    let parts = AtomicUsize::new(0);
    let progress = |_| {
        parts.fetch_add(1, Ordering::Relaxed);
    };
    let run = || train(&workers, &plan, &mut |_| {}, &progress, &|| false).unwrap();
    let trained = run();
    assert_eq!(trained.rounds.len(), 2);
    let [first, second] = [&trained.rounds[0], &trained.rounds[1]];
    assert_eq!((first.labels.mixed, first.labels.gold, second.labels.skipped), (0, second.labels.gold, 0));
    assert!(second.labels.mixed > 0, "the router never saw a state of its own decoding");
    assert!(trained.labels.iter().any(|l| l.origin == Origin::Mixed && l.gold.is_none()));
    for kind in [AnswerType::Number, AnswerType::Maths, AnswerType::Choice] {
        let of_kind = |l: &&citer_train::label::Label| questions[l.question].family.answer_type() == kind;
        let gold = trained.labels.iter().filter(of_kind).filter(|l| l.origin == Origin::Gold).count();
        assert!(gold > 0, "{kind:?} has no second round");
    }
    // Costs rise with the share, so a budget finds a threshold as a share does.
    let usd = |o: &citer_train::rounds::Operating| o.cost.usd_stateless;
    let budget = usd(&first.operating[first.operating.len() / 2]);
    let within = first.threshold(Target::Usd(budget)).unwrap();
    assert!(usd(&within) <= budget && within.remote.value > 0.0);
    assert!(first.threshold(Target::Calls(f64::MAX)).unwrap().cost.calls >= within.cost.calls);
    // The same training again makes no label and gives the same router.
    let made = parts.swap(0, Ordering::Relaxed);
    assert!(made >= 2 * questions.len() / 32);
    let again = run();
    assert_eq!(parts.load(Ordering::Relaxed), 0, "labels on disk are made again");
    assert_eq!(block_on(trained.router.save()).unwrap(), block_on(again.router.save()).unwrap());
    // What was measured is what ships: rounding to F16 again changes nothing.
    let bytes = block_on(trained.router.save()).unwrap();
    let width = trained.labels[0].hidden.len();
    assert_eq!(block_on(Router::load(width, &bytes, &device).unwrap().save()).unwrap(), bytes);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn every_guard_in_the_table_is_a_test() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut sources, mut folders) = (String::new(), vec![crates.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let readme = std::fs::read_to_string(crates.join("citer-train/README.md")).unwrap();
    let table = readme.split("## Defects of the reference code").nth(1).unwrap();
    let rows: Vec<&str> = table.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| |")).collect();
    assert_eq!(rows.len(), 17);
    for (number, row) in rows.iter().enumerate() {
        assert!(row.starts_with(&format!("| {} |", number + 1)), "{row}");
        let guards: Vec<&str> = row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!guards.is_empty(), "nothing guards {row}");
        for guard in guards {
            assert!(sources.contains(&format!("fn {guard}()")), "there is no test {guard}");
        }
    }
}

#[test]
fn maths_roll_outs_are_judged_by_the_answer_and_not_by_the_prompt() {
    let ([slm, llm], device) = (pair(), device::cpu());
    let mut models = Models::load(&slm, &Teacher::Files(&llm), &device, LONGEST).unwrap();
    let rule = Rule::slm_alone();
    let labeller = Labeller { rule: &rule, device: &device, mixed: false, shortcut: false };
    for family in [Family::Algebra, Family::Word] {
        let mut right = 0;
        for index in 0..4 {
            let mut asked = question(family, Split::Validation, 9, index);
            // An empty box in the prompt is what spoils a judge that reads the prompt too.
            asked.prompt += " Use \\boxed{}.";
            let labels = labeller.label(&mut models, 0, &[asked]).unwrap().remove(0).labels;
            let saved = |case: Case| matches!(case, Case::RolledOut { slm, llm } if slm || llm);
            right += labels.iter().filter(|l| l.origin == Origin::Gold && saved(l.case)).count();
        }
        assert!(right > 0, "every roll-out of {family} counts as wrong");
    }
}
