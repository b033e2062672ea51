//! Labels with an LLM behind a server: the same as with one in this process, resumable, and nothing is paid for twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::TokenId;
use citer_lm::{LlmFiles, Sampler, Sequence, device};
use citer_tasks::data::{Benchmark, Format, Loader};
use citer_tasks::{Question, Split, suite};
use citer_train::TrainError;
use citer_train::label::{Case, Labelled, Rule, Skip};
use citer_train::labelling::{Job, label, saving};
use citer_train::models::LONGEST;
use citer_train::probe::Probe;
use citer_train::responses::{Origin, Responses};
use citer_train::teacher::{Ask, Reply, Teacher};
use citer_train::workers::Workers;
use futures::executor::block_on;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The shipped pair.
fn pair() -> [LlmFiles; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models");
    ["slm", "llm"].map(|name| LlmFiles::read(&folder, name).unwrap())
}

fn questions() -> Vec<Question> {
    suite(Split::Train, 77, 24)
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("citer-teaching-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The LLM as a server answers for it, counted, until it dies.
struct Server {
    model: Mutex<Sequence>,
    vocab: usize,
    end: TokenId,
    /// Whether an answer that stops lacks its end token, as some servers have it.
    bare_end: bool,
    requests: AtomicUsize,
    dies_after: usize,
}

impl Server {
    fn new(llm: &LlmFiles, bare_end: bool, dies_after: usize) -> Self {
        let engine = llm.engine(usize::MAX, &device::cpu()).unwrap();
        let (vocab, end) = (engine.tokenizer().vocab_size(), engine.format().end);
        let model = Mutex::new(Sequence::new(engine));
        Self { model, vocab, end, bare_end, requests: AtomicUsize::new(0), dies_after }
    }
}

impl Ask for Server {
    fn ask(&self, prefix: &[TokenId], most: usize) -> Result<Reply, TrainError> {
        if self.requests.fetch_add(1, Ordering::Relaxed) >= self.dies_after {
            self.requests.fetch_sub(1, Ordering::Relaxed);
            return Err(TrainError::Teacher("no server answers any more".into()));
        }
        let (mut ids, mut reply) = (prefix.to_vec(), Reply { sent: prefix.len() as u64, ..Reply::default() });
        for _ in 0..most {
            // A thread of its own, as a server has: roll-outs ask from within an executor.
            let step = || block_on(self.model.lock().unwrap().after(&ids)).unwrap().0.logits;
            let logits = std::thread::scope(|scope| scope.spawn(step).join().unwrap());
            let (token, best) = Sampler::default().choose(&logits[..self.vocab], 0, 5);
            let stops = token == self.end;
            if !(stops && self.bare_end) {
                reply.tokens.push((token, best.iter().map(|c| (c.id, c.probability)).collect()));
            }
            ids.push(token);
            reply.stopped = stops;
            if stops {
                break;
            }
        }
        Ok(reply)
    }
}

fn workers<'a>(slm: &'a LlmFiles, llm: Teacher<'a>, device: &'a burn::tensor::Device) -> Workers<'a> {
    Workers { slm, llm, device, threads: 2, longest: LONGEST }
}

fn labels(workers: &Workers, folder: Option<&Path>) -> Result<Vec<Labelled>, TrainError> {
    let questions = questions();
    let job = Job { questions: &questions, rule: &Rule::slm_alone(), mixed: false, folder };
    label(workers, &job, &|_| {}, &|| false)
}

/// What must not depend on how the LLM is reached or how often a run was stopped.
fn facts(labelled: &[Labelled]) -> Vec<(usize, usize, Case, TokenId, TokenId, Vec<f32>)> {
    let all = labelled.iter().flat_map(|question| &question.labels);
    all.map(|l| (l.question, l.depth, l.case, l.slm.0, l.llm.0, l.hidden.clone())).collect()
}

#[test]
fn a_served_llm_teaches_what_one_in_this_process_does() {
    let ([slm, llm], device) = (pair(), device::cpu());
    let here = labels(&workers(&slm, Teacher::Files(&llm), &device), None).unwrap();
    for bare_end in [false, true] {
        let server = Arc::new(Server::new(&llm, bare_end, usize::MAX));
        let teacher = Teacher::Asked { ask: server.clone(), name: "big".into() };
        let served = labels(&workers(&slm, teacher, &device), None).unwrap();
        assert_eq!(facts(&here), facts(&served));
        let mut told = 0;
        for (a, b) in here.iter().flat_map(|q| &q.labels).zip(served.iter().flat_map(|q| &q.labels)) {
            if b.chances[1].is_finite() {
                assert!((a.chances[1] - b.chances[1]).abs() < 1e-3, "{a:?} and {b:?}");
                told += 1;
            } else if a.chances[1].is_finite() && !bare_end {
                assert!(a.chances[1] < 0.2, "a token outside the five best cannot have {}", a.chances[1]);
            }
        }
        assert!(told > 500, "{told}");
        let states: usize = served.iter().map(|q| q.labels.len()).sum();
        let requests = server.requests.load(Ordering::Relaxed);
        assert!(requests * 3 < states, "{requests} requests for {states} states: several states a request");
    }
}

#[test]
fn a_server_that_dies_loses_nothing_and_nothing_is_paid_twice() {
    let ([slm, llm], device) = (pair(), device::cpu());
    let (whole, broken) = (folder("whole"), folder("broken"));
    let origin = Origin::new("big", "x", Probe::default());
    let run = |place: &Path, dies_after| {
        let server = Server::new(&llm, false, dies_after);
        let ask = Arc::new(Responses::open(&place.join("answers.jsonl"), &origin, server).unwrap());
        let teacher = Teacher::Asked { ask: ask.clone(), name: "big".into() };
        let labelled = labels(&workers(&slm, teacher, &device), Some(&place.join("labels")));
        (labelled, ask.spent())
    };
    let (expected, spent) = run(&whole, usize::MAX);
    let mut last = 0;
    for dies_after in [1, 40, 7] {
        let (labelled, spent) = run(&broken, dies_after);
        let error = labelled.unwrap_err().to_string();
        assert!(error.contains("no server answers") && error.contains("run the same command again"), "{error}");
        assert!(spent.requests > last, "what was answered stays");
        last = spent.requests;
    }
    let (labelled, again) = run(&broken, usize::MAX);
    assert_eq!(facts(&labelled.unwrap()), facts(&expected.unwrap()));
    assert_eq!((again.requests, again.sent, again.made), (spent.requests, spent.sent, spent.made));
    [whole, broken].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
}

#[test]
fn a_stopped_run_goes_on_and_gives_the_same_labels() {
    let ([slm, llm], device) = (pair(), device::cpu());
    let (questions, place) = (questions(), folder("stopped"));
    let workers = workers(&slm, Teacher::Files(&llm), &device);
    let job = Job { questions: &questions, rule: &Rule::slm_alone(), mixed: false, folder: Some(&place) };
    let (parts, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let progress = |progress: citer_train::labelling::Progress| {
        parts.fetch_add(1, Ordering::Relaxed);
        done.store(progress.done, Ordering::Relaxed);
    };
    let stop = || parts.load(Ordering::Relaxed) > 0;
    let error = label(&workers, &job, &progress, &stop).unwrap_err();
    assert!(matches!(error, TrainError::Partly { done, total: 120, .. } if done > 0 && done < 120), "{error}");
    let kept = done.load(Ordering::Relaxed);
    let seen = Mutex::new(Vec::new());
    let labelled = label(&workers, &job, &|p| seen.lock().unwrap().push(p.done), &|| false).unwrap();
    assert!(seen.lock().unwrap().iter().all(|done| *done > kept), "kept parts are not made again");
    assert_eq!(facts(&labelled), facts(&labels(&workers, None).unwrap()));
    // A third run makes nothing at all and reads the same.
    let again = label(&workers, &job, &|_| panic!("nothing is left to do"), &|| false).unwrap();
    assert_eq!(facts(&again), facts(&labelled));
    std::fs::remove_dir_all(place).unwrap();
}

#[test]
fn questions_that_do_not_fit_are_counted_and_never_labelled() {
    let ([slm, llm], device) = (pair(), device::cpu());
    let long = "word ".repeat(300);
    let rows = format!("{{\"question\": \"{long}\", \"answer\": \"1\"}}\n{{\"question\": \"Q?\", \"answer\": \"1\"}}");
    let rows = Format::JsonLines.rows(rows.as_bytes()).unwrap();
    let questions = Loader::new(Benchmark::Gsm8k, Split::Train, rows).load().unwrap().questions;
    let workers = workers(&slm, Teacher::Files(&llm), &device);
    let job = Job { questions: &questions, rule: &Rule::slm_alone(), mixed: false, folder: None };
    let labelled = label(&workers, &job, &|_| {}, &|| false).unwrap();
    assert!(matches!(labelled[0].skipped, Some(Skip::TooLong { room: 256, .. })), "{:?}", labelled[0].skipped);
    assert!(labelled[0].labels.is_empty() && labelled[1].skipped.is_none() && !labelled[1].labels.is_empty());
    let (kept, skipped) = workers.fitting(questions.clone()).unwrap();
    assert_eq!((kept.len(), skipped.len()), (1, 1));
    let short = Workers { longest: 3, ..workers };
    assert!(matches!(short.fitting(questions).unwrap().1[1].1, Skip::LongAnswer { longest: 3, .. }));
}

#[test]
fn the_shortcut_saves_roll_outs_and_its_saving_is_measured() {
    let ([slm, llm], device) = (pair(), device::cpu());
    let questions = questions();
    let job = Job { questions: &questions, rule: &Rule::slm_alone(), mixed: false, folder: None };
    let saving = saving(&workers(&slm, Teacher::Files(&llm), &device), &job, 4, &|| false).unwrap();
    assert_eq!((saving.questions, saving.without.rolled_out), (4, saving.states));
    assert!(saving.with.rolled_out * 5 < saving.states, "{saving}");
    assert!(saving.with.steps.rolled * 5 < saving.without.steps.rolled, "{saving}");
    assert!(0 < saving.agreeing && saving.agreeing <= saving.states, "{saving}");
}
