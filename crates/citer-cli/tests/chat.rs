//! `citer chat` as a person runs it: two questions of one conversation, budgets, and a server that goes away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::{ForcedReason, Mode, Source, Trace};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const QUESTIONS: [&str; 2] = ["What is 12 + 7?", "What is 5 + 4?"];

fn citer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_citer"))
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models")
}

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("citer-chat-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn traces(&self) -> Vec<Trace> {
        let read = |n: usize| std::fs::read_to_string(self.0.join(format!("answer-{n}.json"))).ok();
        (1..).map_while(read).map(|json| Trace::parse(&json).unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server that is killed with the test.
struct Server(Child, String);

impl Server {
    fn start() -> Self {
        let mut command = citer();
        command.args(["serve", "--listen", "127.0.0.1:0", "--models"]).arg(models()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| Some(line.split_once("listening on ")?.1.trim().to_owned())).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `citer chat` with `typed` at its input; returns what it prints and what it says besides.
fn chat(folder: &Folder, more: &[&str], typed: &str) -> (String, String) {
    let mut command = citer();
    command.args(["chat", "--max-tokens", "24", "--patient", "--models"]).arg(models()).arg("--traces").arg(&folder.0);
    command.arg("--spent").arg(folder.0.join("spent.json")).args(more);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{err}");
    (out, err)
}

#[test]
fn a_local_conversation_asks_nobody_and_each_answer_reads_the_one_before() {
    let folder = Folder::new("local");
    let (out, err) = chat(&folder, &["--policy", "local-only", QUESTIONS[0], QUESTIONS[1]], "");
    let traces = folder.traces();
    assert_eq!((traces.len(), err.as_str()), (2, ""));
    let [first, second] = &traces[..] else { panic!("{out}") };
    assert!(out.contains(&first.text()) && out.contains(&second.text()), "{out}");
    assert_eq!(out.matches(" 0 remote, 0 agreed, 0 forced (0.0 % remote); 0 requests").count(), 2, "{out}");
    assert!(!out.contains('\u{1b}'), "a pipe gets no styles");
    assert!(second.prompt.len() > first.prompt.len() + first.ids().len() - 1);
    assert!(traces.iter().all(|trace| trace.settings.mode == Mode::LocalOnly));
    // The same questions typed, with a new conversation between them.
    let again = Folder::new("typed");
    chat(
        &again,
        &["--policy", "local-only"],
        &format!("{}\n\n/new\n/what\n{}\n/quit\nnever\n", QUESTIONS[0], QUESTIONS[1]),
    );
    let typed = again.traces();
    assert_eq!((typed.len(), typed[0].ids()), (2, first.ids()));
    assert!(typed[1].prompt.len() < second.prompt.len(), "a new conversation has no history");
}

#[test]
fn budgets_hold_over_answers_and_days_and_a_lost_server_leaves_the_answer_local() {
    let server = Server::start();
    let folder = Folder::new("budget");
    let asked = |trace: &Trace| trace.events.iter().filter(|event| event.source.is_remote()).count();
    let limits =
        ["--server", &server.1, "--policy", "remote-only", "--answer-budget", "calls=4", "--output-price", "1000"];
    let (out, err) = chat(&folder, &[&limits[..], &["--chat-budget", "calls=6"], &QUESTIONS].concat(), "");
    assert!(err.contains("dialect session: exact token hand-off yes"), "{err}");
    let traces = folder.traces();
    // The session's opening is a request too.
    assert_eq!(traces.iter().map(asked).collect::<Vec<_>>(), [3, 2], "{out}");
    let spent = |trace: &Trace| trace.split().spent.calls;
    assert_eq!(traces.iter().map(spent).collect::<Vec<_>>(), [4, 2]);
    let forced = |trace: &Trace| trace.events.iter().any(|e| e.source == Source::Forced(ForcedReason::Budget));
    assert!(traces.iter().all(forced));
    assert!(out.contains("money: 0.003000 USD, 0.003000 USD") && out.contains("0.005000 USD in this"), "{out}");
    // What the day has spent is remembered by the next program.
    let (out, _) = chat(&folder, &[&limits[..], &["--day-budget", "calls=8", QUESTIONS[0]]].concat(), "");
    assert_eq!(spent(&folder.traces()[0]), 2, "{out}");
    let url = server.1.clone();
    drop(server);
    let (_, err) = chat(&folder, &["--server", &url, "--policy", "remote-only", QUESTIONS[0]], "");
    assert!(err.contains("cannot be reached") && err.contains("No server is connected"), "{err}");
    let local = &folder.traces()[0];
    assert!(local.events.iter().all(|e| e.source == Source::Forced(ForcedReason::NoRemote)));
}

#[test]
fn drawn_answers_follow_the_seed_and_a_system_prompt_comes_first() {
    let server = Server::start();
    let drawn = |name: &str, more: &[&str]| {
        let folder = Folder::new(name);
        let warm = ["--server", &server.1, "--policy", "remote-only", "--temperature", "1.5", "--top-p", "0.95"];
        let (out, err) = chat(&folder, &[&warm[..], more, &QUESTIONS[..1]].concat(), "");
        let trace = folder.traces().remove(0);
        assert!(out.contains(&format!("top-p 0.95, seed {}", trace.seed.unwrap())), "{out}");
        assert!(trace.events.iter().any(|event| event.source.is_remote()), "{out}");
        (trace, err)
    };
    let (first, _) = drawn("seed", &["--seed", "7"]);
    assert_eq!((first.seed, first.settings.sampling.seed, first.settings.sampling.temperature), (Some(7), 7, 1.5));
    assert_eq!(drawn("again", &["--seed", "7"]).0.ids(), first.ids(), "both models draw the same again");
    // Without a session every request stands alone, and draws for its own place.
    let (alone, _) = drawn("alone", &["--seed", "7", "--dialect", "tokens"]);
    assert_eq!(drawn("alone-again", &["--seed", "7", "--dialect", "tokens"]).0.ids(), alone.ids());
    let others: Vec<_> = (0..4).map(|seed| drawn("other", &["--seed", &seed.to_string()]).0.ids()).collect();
    assert!(others.iter().any(|ids| *ids != first.ids()), "other seeds draw other tokens");
    assert_ne!(drawn("free", &[]).0.seed, drawn("free", &[]).0.seed, "every answer has its own");
    let (told, err) = drawn("told", &["--seed", "7", "--system", "Be brief."]);
    assert!(err.contains("without a system prompt"), "{err}");
    assert!(told.prompt.len() > first.prompt.len());
    let greedy = Folder::new("greedy");
    let (out, _) = chat(&greedy, &["--policy", "local-only", QUESTIONS[0]], "");
    assert!(greedy.traces()[0].seed.is_none() && !out.contains("seed"), "{out}");
    let refused = citer().args(["chat", "--temperature", "3", "--models"]).arg(models()).arg("?").output().unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("from 0 (always the most likely token) to 2"), "{words}");
}
