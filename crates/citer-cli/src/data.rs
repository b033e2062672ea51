//! Questions for training and measuring: the generated suite, or benchmark files with counted skips.

use crate::Failure;
use citer_tasks::data::{Benchmark, Format, Loader, Source, parquet_rows};
use citer_tasks::{Question, Split};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Rows that are shown when they are left out; all of them are counted.
const SHOWN: usize = 5;

/// Which questions.
#[derive(clap::Args, Clone)]
pub struct Data {
    /// Benchmark file instead of the generated suite (.jsonl, .json, .csv, .tsv, .parquet); may be repeated.
    #[arg(long, value_name = "FILE")]
    pub data: Vec<PathBuf>,
    /// The files' benchmark, when their names do not tell it.
    #[arg(long)]
    pub task: Option<Benchmark>,
    /// The files' split, when their names do not tell it: train, validation or test.
    #[arg(long)]
    pub split: Option<Split>,
    /// At most so many questions of every file.
    #[arg(long)]
    pub limit: Option<usize>,
}

impl Data {
    /// The questions of the files; rows that are none are counted and shown.
    pub fn load(&self) -> Result<Vec<Question>, Failure> {
        self.load_files(&self.data)
    }

    /// The questions of other files, read in the same way.
    pub fn load_files(&self, files: &[PathBuf]) -> Result<Vec<Question>, Failure> {
        let (mut all, mut ids) = (Vec::new(), HashSet::new());
        for path in files {
            let before = all.len();
            for question in self.read(path)? {
                if !ids.insert(question.id.clone()) {
                    let place = path.display();
                    return Err(format!(
                        "{place}: the id \"{}\" is in an earlier file too: give each file once",
                        question.id
                    )
                    .into());
                }
                all.push(question);
            }
            if all.len() == before {
                return Err(format!("{}: there is no usable question in it", path.display()).into());
            }
        }
        Ok(all)
    }

    fn read(&self, path: &Path) -> Result<Vec<Question>, Failure> {
        let place = path.display();
        let file = File::open(path).map_err(|e| format!("{place}: {e}; check the path"))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let head = reader.fill_buf().map_err(|e| format!("{place}: {e}"))?;
        let source = Source::detect(&path.to_string_lossy(), head, self.task, self.split)
            .map_err(|e| format!("{place}: {e} (--task, --split)"))?;
        let rows = match source.format {
            Format::Parquet => parquet_rows(File::open(path)?).map_err(|e| format!("{place}: {e}"))?,
            format => format.rows(reader).map_err(|e| format!("{place}: {e}"))?,
        };
        let (mut questions, mut skipped) = (Vec::new(), 0);
        for record in Loader::new(source.benchmark, source.split, rows) {
            if self.limit.is_some_and(|limit| questions.len() >= limit) {
                break;
            }
            match record {
                Ok(record) => questions.push(record.question()),
                Err(error) if error.is_fatal() => return Err(format!("{place}: {error}").into()),
                Err(error) => {
                    skipped += 1;
                    if skipped <= SHOWN {
                        eprintln!("{place}: {error}");
                    }
                }
            }
        }
        let rows = if skipped == 0 { String::new() } else { format!(", {skipped} rows left out") };
        eprintln!("{place}: {} questions of {} ({}){rows}", questions.len(), source.benchmark, source.split);
        Ok(questions)
    }
}

/// Says which questions do not fit the models and were left out.
pub fn report_skips(skipped: &[(String, citer_train::label::Skip)]) {
    for (id, skip) in skipped.iter().take(SHOWN) {
        eprintln!("{id}: {skip}");
    }
    if !skipped.is_empty() {
        eprintln!("{} questions left out", skipped.len());
    }
}

/// Every tenth question for validation, when there is no file of its own.
pub fn hold_out(questions: Vec<Question>) -> (Vec<Question>, Vec<Question>) {
    let (held, used): (Vec<_>, Vec<_>) = questions.into_iter().enumerate().partition(|(i, _)| i % 10 == 9);
    let strip = |list: Vec<(usize, Question)>| list.into_iter().map(|(_, question)| question).collect();
    (strip(used), strip(held))
}

/// Refuses questions that are on both sides: what is chosen on them would look better than it is.
pub fn disjoint(training: &[Question], held: &[Question]) -> Result<(), Failure> {
    let prompts: HashSet<&str> = training.iter().map(|question| question.prompt.as_str()).collect();
    let both = held.iter().filter(|question| prompts.contains(question.prompt.as_str())).count();
    if both > 0 {
        return Err(format!("{both} questions are in the training and in the validation data: keep them apart").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(name: &str, text: &str) -> (Data, PathBuf) {
        let path = std::env::temp_dir().join(format!("citer-data-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        (Data { data: vec![path.clone()], task: None, split: None, limit: None }, path)
    }

    #[test]
    fn bad_rows_are_left_out_and_the_good_ones_stay() {
        let rows = "{\"question\": \"Q?\", \"answer\": \"1\"}\n{\"question\": \"Q?\", \"answer\": \"\"}\n{\"question\"\n\
                    {\"id\": \"a\", \"question\": \"R?\", \"answer\": \"3\"}\n{\"id\": \"a\", \"question\": \"S?\", \"answer\": \"3\"}\n";
        let (data, path) = data("gsm8k-test.jsonl", rows);
        let questions = data.load().unwrap();
        assert_eq!(questions.iter().map(|q| q.gold.as_str()).collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(Data { limit: Some(1), ..data }.load().unwrap().len(), 1);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn parquet_files_give_the_questions_of_the_same_rows_as_json() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet");
        let load =
            |name: &str| Data { data: vec![folder.join(name)], task: None, split: None, limit: None }.load().unwrap();
        for (name, count) in [("commonsense_qa-validation", 3), ("cqa-train", 2)] {
            let [parquet, json] = ["parquet", "jsonl"].map(|ending| load(&format!("{name}.{ending}")));
            assert_eq!((parquet.len(), &parquet), (count, &json), "{name}");
        }
        let two = &load("commonsense_qa-validation.parquet")[1];
        assert!(two.prompt.starts_with("What falls from clouds?\n(A) rain\n(B) sand\n(C) keys\n(D) glass\n(E) café\n"));
        assert_eq!((two.gold.as_str(), two.choices.len()), ("A", 5));
    }

    #[test]
    fn files_that_cannot_be_used_are_errors_that_name_them() {
        let failure = |data: &Data| data.load().err().unwrap().to_string();
        let (unknown, path) = data("rows.jsonl", "{}\n");
        assert!(failure(&unknown).contains("cannot tell the benchmark") && failure(&unknown).contains("--task"));
        let named = Data { task: Some(Benchmark::Arc), split: Some(Split::Test), ..unknown };
        assert!(failure(&named).contains("no usable question"));
        std::fs::remove_file(path).unwrap();
        assert!(failure(&named).contains("check the path"));
        let (once, path) = data("gsm8k-train.jsonl", "{\"id\": \"a\", \"question\": \"Q?\", \"answer\": \"1\"}\n");
        let twice = Data { data: vec![path.clone(), path.clone()], ..once };
        assert!(failure(&twice).contains("earlier file"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn validation_questions_are_kept_apart() {
        let questions = citer_tasks::suite(Split::Test, 1, 10);
        let (used, held) = hold_out(questions.clone());
        assert_eq!((used.len(), held.len()), (45, 5));
        disjoint(&used, &held).unwrap();
        let error = disjoint(&questions, &held).err().unwrap().to_string();
        assert!(error.contains("5 questions are in the training and in the validation data"));
    }
}
