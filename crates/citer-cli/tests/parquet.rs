//! Parquet files as hubs serve them, through the program: right questions, and errors that name the row.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(name)
}

/// Labels a benchmark file: whether that went well, what was said, and the rows of the questions.
fn label(file: &Path, out: &str) -> (bool, String, Vec<serde_json::Value>) {
    let out = std::env::temp_dir().join(format!("citer-parquet-{out}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&out);
    let mut command = Command::new(env!("CARGO_BIN_EXE_citer"));
    command.args(["label", "--saving", "0", "--data"]).arg(file).arg("--out").arg(&out);
    command.arg("--models").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models"));
    let Output { status, stdout, stderr } = command.output().unwrap();
    let rows = std::fs::read_to_string(out.join("part-00000.jsonl")).unwrap_or_default();
    let rows = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let _ = std::fs::remove_dir_all(&out);
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned(), rows)
}

fn ids(rows: &[serde_json::Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn a_hubs_parquet_file_gives_its_questions_and_names_the_rows_that_are_none() {
    let (done, said, rows) = label(&fixture("commonsense_qa-validation.parquet"), "hub");
    assert!(done && ids(&rows) == ["one", "two", "six"], "{said}");
    assert!(rows.iter().all(|row| row["states"].as_u64() > Some(5) && row["family"] == "commonsenseqa"), "{rows:?}");
    for words in [
        "row 3: the gold answer \"C\" is none of the options",
        "row 4: the gold answer is empty",
        "row 5: the id \"two\" is that of row 2 too",
        "row 7: has no gold answer",
        "3 questions of commonsenseqa (validation), 4 rows left out",
    ] {
        assert!(said.contains(words), "{words} is missing in {said}");
    }
}

#[test]
fn citers_released_labels_as_parquet_are_read_too() {
    let (done, said, rows) = label(&fixture("cqa-train.parquet"), "released");
    assert!(done && ids(&rows) == ["r1", "r3"], "{said}");
    assert!(said.contains("row 2: the gold answer is \"A\" but the solution ends with \"B\""), "{said}");
}

#[test]
fn a_parquet_file_that_was_cut_off_is_an_error_and_no_smaller_one() {
    let bytes = std::fs::read(fixture("cqa-train.parquet")).unwrap();
    let cut = std::env::temp_dir().join(format!("citer-parquet-cqa-train-{}.parquet", std::process::id()));
    std::fs::write(&cut, &bytes[..bytes.len() - 40]).unwrap();
    let (done, said, rows) = label(&cut, "cut");
    std::fs::remove_file(&cut).unwrap();
    assert!(!done && rows.is_empty() && said.contains("not a readable Parquet file"), "{said}");
}
