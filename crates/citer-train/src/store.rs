//! Labels on disk: parts of a few questions each, written whole or not at all, so that a run killed at any moment goes on
//! where it was.
//!
//! A folder holds `run.json` (what the labels are of and how they were made), and for every part
//! `part-NNNNN.safetensors` (one row a state, columns as tensors) and `part-NNNNN.jsonl` (one row a question). The
//! columns are listed in this crate's README.

use crate::{
    error::TrainError,
    label::{Case, Label, Labelled, Origin, Skip},
    models::Steps,
};
use citer_lm::hash::sha256;
use citer_tasks::Question;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Questions of a part.
pub const PART: usize = 32;

/// No token: off the gold answer there is no gold token.
const NONE: u32 = u32::MAX;

/// What labels are of and how they were made. Labels of another run are never mixed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Version of the folder's form.
    pub version: u32,
    /// SHA-256 of the SLM's weights.
    pub slm_sha256: String,
    /// SHA-256 of the LLM's weights, or the name under which it is served and what it answers to fixed questions.
    pub llm: String,
    /// SHA-256 of tokenizer.json.
    pub tokenizer_sha256: String,
    /// SHA-256 over ids, prompts and gold answers of the questions, in order.
    pub questions_sha256: String,
    /// How many there are.
    pub questions: usize,
    /// Most tokens of an answer.
    pub longest: usize,
    /// How roll-outs went on.
    pub rule: String,
    /// Whether states of mixed decoding are included.
    pub mixed: bool,
}

impl Run {
    /// The fields that differ from `other`'s.
    fn differences(&self, other: &Self) -> Vec<String> {
        let fields = |run: &Self| serde_json::to_value(run).unwrap_or_default();
        let (mine, theirs) = (fields(self), fields(other));
        let names = mine.as_object().into_iter().flatten();
        names.filter(|(name, value)| theirs.get(name) != Some(value)).map(|(name, _)| name.clone()).collect()
    }
}

/// SHA-256 over what labels depend on of the questions.
pub fn digest(questions: &[Question]) -> String {
    let mut text = Vec::new();
    for question in questions {
        for field in [&question.id, &question.prompt, &question.solution, &question.gold] {
            text.extend_from_slice(&(field.len() as u64).to_le_bytes());
            text.extend_from_slice(field.as_bytes());
        }
    }
    sha256(&text)
}

/// A row of `part-NNNNN.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    question: usize,
    id: String,
    family: String,
    states: usize,
    skipped: Option<Skip>,
    steps: Steps,
    seconds: f64,
}

/// A folder of labels.
pub struct Store {
    folder: PathBuf,
    questions: usize,
}

impl Store {
    /// Opens `folder` for `run`: a new one, or one that the same run has begun.
    ///
    /// # Errors
    /// Labels of another run, and a folder that cannot be used.
    pub fn open(folder: &Path, run: &Run) -> Result<Self, TrainError> {
        if let Some(begun) = Self::begun(folder, run)? {
            return Ok(begun);
        }
        std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        let text = serde_json::to_string_pretty(run).map_err(|e| TrainError::Settings(e.to_string()))? + "\n";
        write(&folder.join("run.json"), text.as_bytes())?;
        Ok(Self { folder: folder.into(), questions: run.questions })
    }

    /// Opens a folder that `run` has begun; none where there are no labels.
    ///
    /// # Errors
    /// Labels of another run, and a folder that cannot be used.
    pub fn begun(folder: &Path, run: &Run) -> Result<Option<Self>, TrainError> {
        let wrong = |detail: String| TrainError::Store { path: folder.display().to_string(), detail };
        let path = folder.join("run.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(TrainError::io(&path)(e)),
        };
        let found: Run = serde_json::from_slice(&text).map_err(|e| {
            wrong(format!("run.json is no description of labels ({e}): choose another folder or delete this one"))
        })?;
        let differing = run.differences(&found);
        if !differing.is_empty() {
            let what = differing.join(", ");
            return Err(wrong(format!(
                "these labels are of another run ({what} differ): choose another folder or delete this one"
            )));
        }
        Ok(Some(Self { folder: folder.into(), questions: run.questions }))
    }

    /// Takes over from `other`, a folder of the same run, the parts that are not here yet.
    pub fn take(&self, other: &Self) -> Result<(), TrainError> {
        for part in (0..self.parts()).filter(|part| other.has(*part) && !self.has(*part)) {
            for ending in ["safetensors", "jsonl"] {
                let from = other.path(part, ending);
                write(&self.path(part, ending), &std::fs::read(&from).map_err(TrainError::io(&from))?)?;
            }
        }
        Ok(())
    }

    /// How many parts there are when all is done.
    pub fn parts(&self) -> usize {
        self.questions.div_ceil(PART)
    }

    /// The questions of a part.
    pub fn questions(&self, part: usize) -> std::ops::Range<usize> {
        part * PART..((part + 1) * PART).min(self.questions)
    }

    /// Whether a part is there.
    pub fn has(&self, part: usize) -> bool {
        // Written last.
        self.path(part, "jsonl").is_file()
    }

    fn path(&self, part: usize, ending: &str) -> PathBuf {
        self.folder.join(format!("part-{part:05}.{ending}"))
    }

    /// Keeps what became of a part's questions, which are all of `questions`.
    pub fn write(&self, part: usize, questions: &[Question], labelled: &[Labelled]) -> Result<(), TrainError> {
        let labels: Vec<&Label> = labelled.iter().flat_map(|question| &question.labels).collect();
        write(&self.path(part, "safetensors"), &table(&labels)?)?;
        let mut text = String::new();
        for ((index, question), done) in self.questions(part).zip(questions).zip(labelled) {
            let row = Row {
                question: index,
                id: question.id.clone(),
                family: question.family.to_string(),
                states: done.labels.len(),
                skipped: done.skipped.clone(),
                steps: done.steps,
                seconds: done.seconds,
            };
            text += &serde_json::to_string(&row).map_err(|e| TrainError::Settings(e.to_string()))?;
            text.push('\n');
        }
        write(&self.path(part, "jsonl"), text.as_bytes())
    }

    /// What became of a part's questions.
    pub fn read(&self, part: usize) -> Result<Vec<Labelled>, TrainError> {
        let (table, rows) = (self.path(part, "safetensors"), self.path(part, "jsonl"));
        let damaged = |path: &Path, detail: String| TrainError::Store {
            path: path.display().to_string(),
            detail: format!("it is damaged ({detail}): delete both files of this part and run the same command again"),
        };
        let bytes = std::fs::read(&table).map_err(TrainError::io(&table))?;
        let mut labels = labels(&bytes).map_err(|detail| damaged(&table, detail))?.into_iter();
        let text = std::fs::read_to_string(&rows).map_err(TrainError::io(&rows))?;
        let mut all = Vec::with_capacity(PART);
        for (line, index) in text.lines().zip(self.questions(part)) {
            let row: Row = serde_json::from_str(line).map_err(|e| damaged(&rows, e.to_string()))?;
            let mine: Vec<Label> = labels.by_ref().take(row.states).collect();
            if row.question != index || mine.len() != row.states || mine.iter().any(|label| label.question != index) {
                return Err(damaged(&rows, format!("question {index} has other states")));
            }
            all.push(Labelled { labels: mine, skipped: row.skipped, steps: row.steps, seconds: row.seconds });
        }
        if all.len() != self.questions(part).len() || labels.next().is_some() {
            return Err(damaged(&rows, "its number of questions or states is wrong".into()));
        }
        Ok(all)
    }
}

/// Writes a file whole or not at all: under another name first.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = std::fs::write(&new, bytes).map_err(TrainError::io(&new));
    let result = written.and_then(|()| std::fs::rename(&new, path).map_err(TrainError::io(path)));
    if result.is_err() {
        // What was written takes room that is missing.
        let _ = std::fs::remove_file(&new);
    }
    result
}

fn code(case: Case) -> u8 {
    match case {
        Case::SlmRight => 0,
        Case::OnlyLlmRight => 1,
        Case::RolledOut { slm, llm } => 2 + u8::from(slm) + 2 * u8::from(llm),
    }
}

fn case(code: u8) -> Option<Case> {
    match code {
        0 => Some(Case::SlmRight),
        1 => Some(Case::OnlyLlmRight),
        2..=5 => Some(Case::RolledOut { slm: (code - 2) & 1 == 1, llm: (code - 2) & 2 == 2 }),
        _ => None,
    }
}

const ORIGINS: [Origin; 3] = [Origin::Gold, Origin::Mixed, Origin::Prompt];

/// The bytes of a safetensors file with one row a label.
fn table(labels: &[&Label]) -> Result<Vec<u8>, TrainError> {
    let rows = labels.len();
    let width = labels.first().map_or(0, |label| label.hidden.len());
    let numbers =
        |value: &dyn Fn(&Label) -> u32| labels.iter().flat_map(|l| value(l).to_le_bytes()).collect::<Vec<u8>>();
    let floats =
        |value: &dyn Fn(&Label) -> f32| labels.iter().flat_map(|l| value(l).to_le_bytes()).collect::<Vec<u8>>();
    let codes = |value: &dyn Fn(&Label) -> u8| labels.iter().map(|l| value(l)).collect::<Vec<u8>>();
    let hidden: Vec<u8> = labels.iter().flat_map(|l| &l.hidden).flat_map(|h| h.to_le_bytes()).collect();
    let origin = |l: &Label| ORIGINS.iter().position(|origin| *origin == l.origin).unwrap_or(0) as u8;
    let columns: [(&str, Dtype, Vec<u8>); 14] = [
        ("question", Dtype::U32, numbers(&|l| l.question as u32)),
        ("depth", Dtype::U32, numbers(&|l| l.depth as u32)),
        ("prefix", Dtype::U32, numbers(&|l| l.prefix as u32)),
        ("length", Dtype::U32, numbers(&|l| l.length as u32)),
        ("origin", Dtype::U8, codes(&origin)),
        ("case", Dtype::U8, codes(&|l| code(l.case))),
        ("gold_token", Dtype::U32, numbers(&|l| l.gold.unwrap_or(NONE))),
        ("slm_token", Dtype::U32, numbers(&|l| l.slm.0)),
        ("slm_probability", Dtype::F32, floats(&|l| l.slm.1)),
        ("slm_gold_probability", Dtype::F32, floats(&|l| l.chances[0])),
        ("llm_token", Dtype::U32, numbers(&|l| l.llm.0)),
        ("llm_probability", Dtype::F32, floats(&|l| l.llm.1)),
        ("llm_gold_probability", Dtype::F32, floats(&|l| l.chances[1])),
        ("hidden", Dtype::F32, hidden),
    ];
    let fail = |e: safetensors::SafeTensorError| TrainError::Settings(format!("labels cannot be written: {e}"));
    let views = columns.iter().map(|(name, dtype, bytes)| {
        let shape = if *name == "hidden" { vec![rows, width] } else { vec![rows] };
        Ok((*name, TensorView::new(*dtype, shape, bytes)?))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    safetensors::serialize(views, None).map_err(fail)
}

/// The labels of such a file.
fn labels(bytes: &[u8]) -> Result<Vec<Label>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let column = |name: &str, dtype: Dtype| {
        let view = file.tensor(name).map_err(|_| format!("there is no column {name}"))?;
        if view.dtype() == dtype { Ok(view) } else { Err(format!("the column {name} has another type")) }
    };
    let words = |name: &str, dtype: Dtype| -> Result<Vec<[u8; 4]>, String> {
        Ok(column(name, dtype)?.data().as_chunks::<4>().0.to_vec())
    };
    let numbers = |name: &str| Ok::<_, String>(words(name, Dtype::U32)?.into_iter().map(u32::from_le_bytes).collect());
    let floats = |name: &str| Ok::<_, String>(words(name, Dtype::F32)?.into_iter().map(f32::from_le_bytes).collect());
    let question: Vec<u32> = numbers("question")?;
    let [depth, prefix, length]: [Vec<u32>; 3] = [numbers("depth")?, numbers("prefix")?, numbers("length")?];
    let [gold, slm, llm]: [Vec<u32>; 3] = [numbers("gold_token")?, numbers("slm_token")?, numbers("llm_token")?];
    let [slm_p, llm_p]: [Vec<f32>; 2] = [floats("slm_probability")?, floats("llm_probability")?];
    let [slm_gold, llm_gold]: [Vec<f32>; 2] = [floats("slm_gold_probability")?, floats("llm_gold_probability")?];
    let (origins, cases) = (column("origin", Dtype::U8)?.data(), column("case", Dtype::U8)?.data());
    let hidden: Vec<f32> = floats("hidden")?;
    let rows = question.len();
    let width = hidden.len().checked_div(rows).unwrap_or(0);
    let lengths = [depth.len(), prefix.len(), length.len(), gold.len(), slm.len(), llm.len(), slm_p.len(), llm_p.len()];
    let others = [slm_gold.len(), llm_gold.len(), origins.len(), cases.len()];
    if lengths.iter().chain(&others).any(|length| *length != rows) || hidden.len() != rows * width {
        return Err("its columns differ in length".into());
    }
    let label = |i: usize| {
        Some(Label {
            question: question[i] as usize,
            depth: depth[i] as usize,
            prefix: prefix[i] as usize,
            length: length[i] as usize,
            origin: *ORIGINS.get(usize::from(origins[i]))?,
            hidden: hidden[i * width..(i + 1) * width].to_vec(),
            case: case(cases[i])?,
            gold: (gold[i] != NONE).then_some(gold[i]),
            slm: (slm[i], slm_p[i]),
            llm: (llm[i], llm_p[i]),
            chances: [slm_gold[i], llm_gold[i]],
        })
    };
    (0..rows).map(|i| label(i).ok_or_else(|| format!("row {i} has an unknown case"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use citer_tasks::{Split, suite};

    fn run(questions: &[Question]) -> Run {
        Run {
            version: 1,
            slm_sha256: "a".into(),
            llm: "b".into(),
            tokenizer_sha256: "c".into(),
            questions_sha256: digest(questions),
            questions: questions.len(),
            longest: 120,
            rule: "slm".into(),
            mixed: false,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("citer-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    /// One question with a state of every kind, one that was skipped.
    fn labelled(first: usize) -> Vec<Labelled> {
        let cases = (0..6).filter_map(case);
        let label = |(i, case): (usize, Case)| Label {
            question: first,
            depth: i,
            prefix: 20 + i,
            length: 9,
            origin: ORIGINS[i % 3],
            hidden: vec![i as f32, -0.5],
            case,
            gold: (i % 2 == 0).then_some(i as u32),
            slm: (3, 0.5),
            llm: (4, 0.25 * i as f32),
            chances: [0.125, 1.0],
        };
        let done = Labelled {
            labels: cases.enumerate().map(label).collect(),
            skipped: None,
            steps: Steps { slm: 5, llm: 6, rolled: 7 },
            seconds: 0.5,
        };
        vec![done, Labelled { skipped: Some(Skip::TooLong { tokens: 300, room: 256 }), ..Labelled::default() }]
    }

    #[test]
    fn labels_come_back_from_disk_as_they_were() {
        let (folder, questions) = (folder("back"), suite(Split::Train, 1, 1)[..2].to_vec());
        let store = Store::open(&folder, &run(&questions)).unwrap();
        assert_eq!((store.parts(), store.has(0)), (1, false));
        store.write(0, &questions, &labelled(0)).unwrap();
        let again = Store::open(&folder, &run(&questions)).unwrap();
        assert!(again.has(0));
        assert_eq!(again.read(0).unwrap(), labelled(0));
        let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "nothing half written is left: {names:?}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn labels_of_another_run_are_refused_by_what_differs() {
        let (folder, questions) = (folder("other"), suite(Split::Train, 1, 2));
        Store::open(&folder, &run(&questions)).unwrap();
        for (other, word) in [
            (Run { slm_sha256: "z".into(), ..run(&questions) }, "slm_sha256"),
            (Run { llm: "z".into(), ..run(&questions) }, "llm"),
            (Run { rule: "router".into(), ..run(&questions) }, "rule"),
            (run(&questions[1..]), "questions_sha256"),
        ] {
            let error = Store::open(&folder, &other).err().unwrap().to_string();
            assert!(error.contains(word) && error.contains("another folder"), "{error}");
        }
        std::fs::write(folder.join("run.json"), "{").unwrap();
        assert!(Store::open(&folder, &run(&questions)).err().unwrap().to_string().contains("no description of labels"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn labels_made_elsewhere_fill_what_is_missing_and_replace_nothing() {
        let questions = suite(Split::Train, 1, 8)[..34].to_vec();
        let (here, there) = (folder("here"), folder("there"));
        assert!(Store::begun(&there, &run(&questions)).unwrap().is_none() && !there.exists());
        let stores = [&here, &there].map(|folder| Store::open(folder, &run(&questions)).unwrap());
        let part = |seconds: f64, part: usize| {
            let one = |index: usize| Labelled { seconds: seconds + index as f64, ..Labelled::default() };
            stores[0].questions(part).map(one).collect::<Vec<_>>()
        };
        stores[0].write(0, &questions[..32], &part(0.5, 0)).unwrap();
        stores[1].write(0, &questions[..32], &part(0.25, 0)).unwrap();
        stores[1].write(1, &questions[32..], &part(0.25, 1)).unwrap();
        stores[0].take(&Store::begun(&there, &run(&questions)).unwrap().unwrap()).unwrap();
        assert_eq!(stores[0].read(0).unwrap(), part(0.5, 0));
        assert_eq!(stores[0].read(1).unwrap(), part(0.25, 1));
        [here, there].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
    }

    #[test]
    fn damaged_parts_are_errors_and_never_fewer_labels() {
        let (folder, questions) = (folder("damaged"), suite(Split::Train, 1, 1)[..2].to_vec());
        let store = Store::open(&folder, &run(&questions)).unwrap();
        store.write(0, &questions, &labelled(0)).unwrap();
        let table = std::fs::read(store.path(0, "safetensors")).unwrap();
        std::fs::write(store.path(0, "safetensors"), &table[..table.len() - 3]).unwrap();
        assert!(store.read(0).unwrap_err().to_string().contains("delete both files of this part"));
        std::fs::write(store.path(0, "safetensors"), &table).unwrap();
        let rows = std::fs::read_to_string(store.path(0, "jsonl")).unwrap();
        for changed in [rows.lines().next().unwrap().to_owned(), rows.replace("\"states\":6", "\"states\":5")] {
            std::fs::write(store.path(0, "jsonl"), changed).unwrap();
            assert!(store.read(0).unwrap_err().to_string().contains("damaged"));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_said_so_and_leaves_no_part() {
        let (folder, questions) = (folder("full"), suite(Split::Train, 1, 1)[..2].to_vec());
        let store = Store::open(&folder, &run(&questions)).unwrap();
        // Whatever is written to this device fails as a full disk does.
        let new = folder.join("part-00000.safetensors.new");
        std::os::unix::fs::symlink("/dev/full", &new).unwrap();
        let error = store.write(0, &questions, &labelled(0)).unwrap_err().to_string();
        assert!(error.contains("the disk is full: make room"), "{error}");
        assert!(!store.has(0) && std::fs::symlink_metadata(new).is_err(), "nothing is left that takes room");
        store.write(0, &questions, &labelled(0)).unwrap();
        assert_eq!(store.read(0).unwrap(), labelled(0));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
