//! A batch: a file of questions answered at several thresholds, judged, and summed up as accuracy over share.

use citer_core::{Mode, Settings, Split};
use citer_tasks::data::{Benchmark, Format, Loader};
use citer_tasks::interval::Share;
use citer_tasks::{Question, is_correct};
use serde::{Deserialize, Serialize};

/// Most questions of one file.
const MOST: usize = 20_000;

/// One way of answering.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Who may make tokens.
    pub mode: Mode,
    /// The threshold, where the router decides.
    pub threshold: f32,
}

impl Setting {
    /// How an answer is made.
    pub fn settings(self) -> Settings {
        Settings { mode: self.mode, threshold: self.threshold, ..Settings::default() }
    }
}

/// What came of one question at one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the answer was right.
    pub correct: bool,
    /// Tokens of the answer.
    pub tokens: u64,
    /// Of those, tokens that the large model answered for.
    pub remote: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
}

/// Questions, settings and what came of them so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The file's name.
    pub name: String,
    /// The questions.
    pub questions: Vec<Question>,
    /// The settings.
    pub settings: Vec<Setting>,
    /// The outcomes: question by question, each at every setting.
    pub outcomes: Vec<Outcome>,
}

/// What one setting came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The setting.
    pub setting: Setting,
    /// Right answers, with interval.
    pub accuracy: Share,
    /// Remote tokens, with interval.
    pub remote: Share,
    /// Bytes sent.
    pub bytes_sent: u64,
}

/// Reads the questions of a file; the second part says what was left out.
///
/// # Errors
/// What is wrong with the file, and what to do.
pub fn questions(name: &str, text: &str) -> Result<(Vec<Question>, Option<String>), String> {
    if text.trim().is_empty() {
        return Err("this file is empty: choose a file with one question a line".into());
    }
    let mut own = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str::<Question>(line) {
            Ok(question) => own.push(question),
            Err(_) => break,
        }
    }
    if own.is_empty() {
        return published(name, text);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    if own.len() < lines {
        return Err(format!(
            "line {} is no question: it needs id, family, split, prompt, solution and gold",
            own.len() + 1
        ));
    }
    few(own, None)
}

/// A published benchmark: the one its name says, or the one that can read most rows.
fn published(name: &str, text: &str) -> Result<(Vec<Question>, Option<String>), String> {
    let format = Format::detect(name, text.as_bytes()).map_err(|error| error.to_string())?;
    let named = Benchmark::detect(name);
    let candidates = named.map_or_else(|| Benchmark::ALL.to_vec(), |benchmark| vec![benchmark]);
    let mut best = None;
    let mut problem = None;
    for benchmark in candidates {
        let rows = format.rows(text.as_bytes()).map_err(|error| error.to_string())?;
        match Loader::new(benchmark, citer_tasks::Split::Test, rows).load() {
            Ok(loaded) => {
                if best.as_ref().is_none_or(|(_, most, _)| loaded.questions.len() > *most) {
                    let skipped = (!loaded.skipped.is_empty()).then(|| loaded.to_string());
                    best = Some((loaded.questions.clone(), loaded.questions.len(), skipped));
                }
            }
            Err(error) => problem = Some(error.to_string()),
        }
    }
    match best {
        Some((questions, count, skipped)) if count > 0 => few(questions, skipped),
        Some((_, _, Some(skipped))) => Err(format!("no row of this file is a question ({skipped})")),
        _ => Err(problem.unwrap_or_else(|| "no row of this file is a question: rename it after its benchmark".into())),
    }
}

fn few(questions: Vec<Question>, skipped: Option<String>) -> Result<(Vec<Question>, Option<String>), String> {
    if questions.len() > MOST {
        return Err(format!("this file has {} questions and the page takes {MOST}: cut it", questions.len()));
    }
    Ok((questions, skipped))
}

/// A piece of a batch as it is kept on the device, one record each, so that an answer more is a small one more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kept", rename_all = "kebab-case")]
pub enum Kept {
    /// Everything that is known before the first answer.
    Head(Batch),
    /// What came of the answer at `place`.
    Outcome {
        /// Counts from 0.
        place: usize,
        /// What came of it.
        outcome: Outcome,
    },
}

impl Kept {
    /// The record's name, by which records sort.
    pub fn name(&self) -> String {
        match self {
            Self::Head(_) => "head".into(),
            Self::Outcome { place, .. } => format!("outcome-{place:08}"),
        }
    }
}

impl Batch {
    /// The batch without its outcomes, as it is kept first.
    pub fn head(&self) -> Kept {
        Kept::Head(Self { outcomes: Vec::new(), ..self.clone() })
    }

    /// The newest outcome, as it is kept.
    pub fn newest(&self) -> Option<Kept> {
        let outcome = *self.outcomes.last()?;
        Some(Kept::Outcome { place: self.outcomes.len() - 1, outcome })
    }

    /// Puts the records of a batch together, in whatever order they come. What comes after a missing outcome is made again.
    pub fn of_kept(records: impl IntoIterator<Item = Kept>) -> Option<Self> {
        let (mut head, mut outcomes) = (None, std::collections::BTreeMap::new());
        for record in records {
            match record {
                Kept::Head(batch) => head = Some(batch),
                Kept::Outcome { place, outcome } => {
                    outcomes.insert(place, outcome);
                }
            }
        }
        let mut batch = head?;
        let whole = outcomes.into_iter().enumerate().take_while(|(count, (place, _))| count == place);
        batch.outcomes = whole.map(|(_, (_, outcome))| outcome).take(batch.progress().1).collect();
        Some(batch)
    }

    /// Whether it has begun and is not done.
    pub fn is_unfinished(&self) -> bool {
        let (done, all) = self.progress();
        !self.settings.is_empty() && done < all
    }

    /// A batch that has not begun.
    pub fn new(name: String, questions: Vec<Question>, settings: Vec<Setting>) -> Self {
        Self { name, questions, settings, outcomes: Vec::new() }
    }

    /// The next question with the setting to answer it at.
    pub fn next(&self) -> Option<(&Question, Setting)> {
        let (done, settings) = (self.outcomes.len(), self.settings.len());
        if settings == 0 {
            return None;
        }
        Some((self.questions.get(done / settings)?, self.settings[done % settings]))
    }

    /// Notes the answer to [`Self::next`].
    pub fn note(&mut self, answer: &str, split: &Split) {
        if let Some((question, _)) = self.next() {
            let outcome = Outcome {
                correct: is_correct(question, answer),
                tokens: split.tokens(),
                remote: split.spent.remote_tokens,
                bytes_sent: split.spent.bytes_sent,
            };
            self.outcomes.push(outcome);
        }
    }

    /// Answers made, and answers in all.
    pub fn progress(&self) -> (usize, usize) {
        (self.outcomes.len(), self.questions.len() * self.settings.len())
    }

    /// What each setting came to so far.
    pub fn points(&self) -> Vec<Point> {
        let of = |place: usize| self.outcomes.iter().skip(place).step_by(self.settings.len().max(1));
        let one = |(place, setting): (usize, &Setting)| {
            let sum = |value: fn(&Outcome) -> u64| of(place).map(value).sum::<u64>();
            Point {
                setting: *setting,
                accuracy: Share::new(sum(|o| u64::from(o.correct)), of(place).count() as u64),
                remote: Share::new(sum(|o| o.remote), sum(|o| o.tokens)),
                bytes_sent: sum(|o| o.bytes_sent),
            }
        };
        self.settings.iter().enumerate().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citer_tasks::{Split as Part, suite};

    fn settings() -> Vec<Setting> {
        let setting = |mode, threshold| Setting { mode, threshold };
        vec![setting(Mode::LocalOnly, 0.0), setting(Mode::Router, 0.5)]
    }

    #[test]
    fn own_and_published_files_are_read_and_others_refused() {
        let suite = suite(Part::Test, 3, 2);
        let lines: Vec<String> = suite.iter().map(|question| serde_json::to_string(question).unwrap()).collect();
        assert_eq!(questions("mine.jsonl", &lines.join("\n")).unwrap(), (suite, None));
        let gsm = r#"{"question": "What is 2 + 2?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"}"#;
        let (found, skipped) = questions("gsm8k-test.jsonl", gsm).unwrap();
        assert_eq!((found[0].gold.as_str(), skipped), ("4", None));
        let (found, _) = questions("unknown.jsonl", gsm).unwrap();
        assert_eq!(found[0].gold, "4");
        assert!(questions("x.jsonl", "").unwrap_err().contains("empty"));
        assert!(questions("x.jsonl", "{\"a\": 1}\n").is_err());
        let broken = format!("{}\n{{\"id\"", lines[0]);
        assert!(questions("x.jsonl", &broken).unwrap_err().contains("line 2"));
    }

    #[test]
    fn every_question_is_answered_at_every_setting_and_judged() {
        let suite = suite(Part::Test, 3, 1);
        let mut batch = Batch::new("x".into(), suite.clone(), settings());
        let remote: Split = {
            let token = crate::conversation::tests::token(0, "x", citer_core::Source::Remote);
            std::iter::once(&token.event).collect()
        };
        let mut asked = 0;
        while let Some((question, setting)) = batch.next() {
            let right = setting.mode == Mode::Router;
            let answer = if right { question.solution.clone() } else { String::new() };
            let split = if right { remote.clone() } else { Split::default() };
            batch.note(&answer, &split);
            asked += 1;
        }
        assert_eq!((asked, batch.progress()), (2 * suite.len(), (asked, asked)));
        assert!(!batch.is_unfinished());
        let points = batch.points();
        assert_eq!((points[0].accuracy.hits, points[1].accuracy.hits), (0, suite.len() as u64));
        assert_eq!((points[0].remote.value, points[1].remote.value), (0.0, 1.0));
        let json = serde_json::to_string(&batch).unwrap();
        assert_eq!(serde_json::from_str::<Batch>(&json).unwrap(), batch, "a saved batch can be opened");
    }

    #[test]
    fn a_batch_that_was_cut_goes_on_to_the_same_figures() {
        let suite = suite(Part::Test, 3, 1);
        let answer = |batch: &mut Batch| {
            let (question, setting) = batch.next().map(|(question, setting)| (question.clone(), setting)).unwrap();
            let right = setting.mode == Mode::Router || question.prompt.len() % 2 == 0;
            batch.note(if right { &question.solution } else { "" }, &Split::default());
        };
        let mut whole = Batch::new("x".into(), suite, settings());
        let mut kept = vec![serde_json::to_string(&whole.head()).unwrap()];
        while whole.next().is_some() {
            answer(&mut whole);
            kept.push(serde_json::to_string(&whole.newest().unwrap()).unwrap());
        }
        let read = |records: &[String]| {
            // Records may come in any order, and the last may be missing.
            Batch::of_kept(records.iter().rev().map(|json| serde_json::from_str::<Kept>(json).unwrap()))
        };
        for cut in 1..=kept.len() {
            let mut batch = read(&kept[..cut]).unwrap();
            assert_eq!((batch.progress().0, batch.is_unfinished()), (cut - 1, cut < kept.len()));
            while batch.next().is_some() {
                answer(&mut batch);
            }
            assert_eq!(batch.points(), whole.points());
        }
        kept.remove(2);
        assert_eq!(read(&kept).unwrap().progress().0, 1, "after a gap it is made again");
        assert_eq!(read(&kept[1..]), None);
        let names: Vec<String> = kept.iter().map(|json| serde_json::from_str::<Kept>(json).unwrap().name()).collect();
        assert!(names.is_sorted() && names[0] == "head", "{names:?}");
    }
}
