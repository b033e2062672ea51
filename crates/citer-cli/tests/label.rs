//! `citer label` as a person runs it: killed at any moment, and with a server that dies and comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models")
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("citer-cli-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn label(out: &Path, per_family: usize, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_citer"));
    command.args(["label", "--saving", "0", "--per-family", &per_family.to_string(), "--out"]).arg(out);
    command.arg("--models").arg(models()).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(mut command: Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// The tables of all parts, by name.
fn tables(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(out).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|n| n.ends_with(".safetensors")).map(|n| (n.clone(), std::fs::read(out.join(&n)).unwrap())).collect()
}

/// Waits until `reached` or the program ends by itself.
fn wait(child: &mut Child, reached: impl Fn() -> bool) {
    while !reached() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn labels_survive_kills_at_any_moment() {
    let (whole, killed) = (folder("whole"), folder("killed"));
    let (done, said) = finish(label(&whole, 40, &[]));
    assert!(done && said.contains("gold states"), "{said}");
    let expected = tables(&whole);
    assert_eq!(expected.len(), 7, "200 questions in parts of 32");
    let mut kills = 0;
    for parts in [1, 2, 4] {
        let mut child = label(&killed, 40, &[]).spawn().unwrap();
        wait(&mut child, || tables(&killed).len() >= parts);
        child.kill().unwrap();
        child.wait().unwrap();
        kills += usize::from(tables(&killed).len() < expected.len());
    }
    assert!(kills > 0, "every run was over before it was killed");
    let (done, said) = finish(label(&killed, 40, &[]));
    assert!(done, "{said}");
    assert_eq!(tables(&killed), expected);
    // Labels of other questions do not fit into this folder.
    let (done, said) = finish(label(&killed, 41, &[]));
    assert!(!done && said.contains("of another run (questions"), "{said}");
    [whole, killed].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
}

/// A server of the shipped LLM and its address.
fn serve() -> (Child, String) {
    serve_from(&models())
}

/// A server of the LLM of the pair in `models`.
fn serve_from(models: &Path) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_citer"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--models"]).arg(models);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().strip_prefix("listening on ").unwrap().to_owned())
}

#[test]
fn a_server_that_dies_in_the_middle_is_an_error_and_loses_nothing() {
    let (here, served) = (folder("here"), folder("served"));
    let (done, said) = finish(label(&here, 8, &[]));
    assert!(done, "{said}");
    let answers = served.join("answers");
    let lines = || std::fs::read_to_string(answers.join("answers.jsonl")).unwrap_or_default().lines().count();
    let out = served.join("labels");
    let run = |url: &str, retries: &str| {
        label(
            &out,
            8,
            &["--server", url, "--answers", &answers.to_string_lossy(), "--workers", "6", "--retries", retries],
        )
    };
    let (mut server, url) = serve();
    let mut child = run(&url, "1").spawn().unwrap();
    wait(&mut child, || lines() > 40);
    server.kill().unwrap();
    server.wait().unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert!(!status.success() && said.contains("no server answers any more"), "{said}");
    assert!(said.contains("run the same command again"), "{said}");
    let kept = lines();
    assert!(kept > 40);
    let (mut server, url) = serve();
    let (done, said) = finish(run(&url, "1"));
    assert!(done && said.contains("USD so far"), "{said}");
    assert!(!said.contains("(0 answered from disk)"), "what was paid for is paid again: {said}");
    // A third run needs no server's answer at all.
    let (paid, again) = (lines(), folder("again"));
    let more = ["--server", &url, "--answers", &answers.to_string_lossy()];
    let (done, said) = finish(label(&again, 8, &more));
    assert!(done && lines() == paid, "{said}");
    server.kill().unwrap();
    server.wait().unwrap();
    // Cases and tokens are those of the LLM in this process; probabilities may be unknown.
    let (a, b) = (tables(&here), tables(&out));
    assert_eq!(a.len(), b.len());
    for (name, bytes) in &a {
        for column in ["question", "depth", "origin", "case", "gold_token", "slm_token", "llm_token", "hidden"] {
            assert_eq!(read(bytes, column), read(&b[name], column), "{column} of {name}");
        }
    }
    [here, served, again].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
}

/// The bytes of a column.
fn read(bytes: &[u8], column: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let place = |i: usize| header[column]["data_offsets"][i].as_u64().unwrap() as usize + 8 + length;
    bytes[place(0)..place(1)].to_vec()
}

#[test]
fn an_address_without_a_server_and_a_folder_of_another_llm_are_said_so() {
    let out = folder("nobody");
    let answers = out.join("answers");
    let more = ["--server", "http://127.0.0.1:1", "--retries", "0", "--answers", &answers.to_string_lossy()];
    let (done, said) = finish(label(&out.join("labels"), 1, &more));
    assert!(!done && said.contains("http://127.0.0.1:1") && said.contains("cannot be reached"), "{said}");
    let (mut server, url) = serve();
    std::fs::create_dir_all(&answers).unwrap();
    let other = "{\"version\":2,\"llm\":\"served as another\",\"tokenizer_sha256\":\"x\"}\n";
    std::fs::write(answers.join("answers.jsonl"), other).unwrap();
    let more = ["--server", &url, "--answers", &answers.to_string_lossy()];
    let (done, said) = finish(label(&out.join("labels"), 1, &more));
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(!done && said.contains("these answers come from served as another"), "{said}");
    std::fs::remove_dir_all(out).unwrap();
}

/// A copy of the shipped pair.
fn copy_of_models(name: &str) -> PathBuf {
    let to = folder(name);
    for file in
        ["tokenizer.json", "slm/config.json", "slm/model.safetensors", "llm/config.json", "llm/model.safetensors"]
    {
        std::fs::create_dir_all(to.join(file).parent().unwrap()).unwrap();
        std::fs::copy(models().join(file), to.join(file)).unwrap();
    }
    to
}

fn stop(mut server: Child) {
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn two_llms_of_one_name_are_never_mixed() {
    let (other, out) = (copy_of_models("two-models"), folder("two-labels"));
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(other.join("slm").join(file), other.join("llm").join(file)).unwrap();
    }
    let run = |answers: &str, urls: &[&str]| {
        let answers = out.join(answers).to_string_lossy().into_owned();
        let servers = urls.iter().flat_map(|url| ["--server", url]);
        let more: Vec<&str> = servers.chain(["--answers", &answers]).collect();
        finish(label(&out.join("labels"), 1, &more))
    };
    let ((first, url), (second, other_url)) = (serve(), serve_from(&other));
    let (done, said) = run("one", &[&url]);
    assert!(done, "{said}");
    // The answers on disk, the labels on disk, and servers side by side.
    let (done, said) = run("one", &[&other_url]);
    assert!(!done && said.contains("from another LLM of the same name"), "{said}");
    let (done, said) = run("two", &[&other_url]);
    assert!(!done && said.contains("of another run (llm differ)"), "{said}");
    let (done, said) = run("three", &[&url, &other_url]);
    assert!(!done && said.contains("they serve different LLMs"), "{said}");
    let (done, said) = run("one", &[&url]);
    assert!(done, "{said}");
    [first, second].into_iter().for_each(stop);
    [other, out].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
}

#[test]
fn labels_named_to_the_training_are_used_or_refused_and_never_passed_over() {
    let (pair, place) = (copy_of_models("train-models"), folder("train-labels"));
    let (eight, nine, runs) = (place.join("eight"), place.join("nine"), place.join("runs"));
    for (out, per_family) in [(&eight, 8), (&nine, 9)] {
        let (done, said) = finish(label(out, per_family, &[]));
        assert!(done, "{said}");
    }
    let train = |per_family: &str, labels: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_citer"));
        command
            .args(["train", "--rounds", "1", "--validation", "4", "--per-family", per_family, "--models"])
            .arg(&pair);
        command.arg("--runs").arg(&runs).arg("--labels").arg(labels);
        finish(command)
    };
    let (done, said) = train("8", &place.join("nowhere"));
    assert!(!done && said.contains("run `citer label`"), "{said}");
    let (done, said) = train("8", &nine);
    assert!(!done && said.contains("nine") && said.contains("of another run (questions"), "{said}");
    let (done, said) = train("8", &eight);
    assert!(done, "{said}");
    // Times differ from run to run, so these are the same labels and not others made anew.
    let rows = |folder: &Path| std::fs::read(folder.join("part-00001.jsonl")).unwrap();
    assert_eq!(rows(&eight), rows(&runs.join("labels/round-1")));
    let (done, said) = train("9", &nine);
    assert!(!done && said.contains("round-1") && said.contains("of another run (questions"), "{said}");
    [pair, place].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
}

#[test]
fn an_slm_lies_anywhere_and_must_have_the_llms_vocabulary() {
    let (place, out) = (folder("other-slm"), folder("other-slm-labels"));
    let slm = place.join("student");
    std::fs::create_dir_all(&slm).unwrap();
    let (done, said) = finish(label(&out.join("pair"), 4, &[]));
    assert!(done, "{said}");
    let run = |folder: &str| finish(label(&out.join(folder), 4, &["--slm", &slm.to_string_lossy()]));
    let (done, said) = run("nothing");
    assert!(!done && said.contains("student/config.json"), "{said}");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(models().join("slm").join(file), slm.join(file)).unwrap();
    }
    let (done, said) = run("nothing");
    assert!(!done && said.contains("student/tokenizer.json"), "{said}");
    // Beside the folder, as in a pair, or in it.
    for tokenizer in [place.join("tokenizer.json"), slm.join("tokenizer.json")] {
        std::fs::copy(models().join("tokenizer.json"), &tokenizer).unwrap();
        let (done, said) = run("elsewhere");
        assert!(done, "{said}");
        assert_eq!(tables(&out.join("pair")), tables(&out.join("elsewhere")));
        std::fs::remove_dir_all(out.join("elsewhere")).unwrap();
    }
    // A router trained for it lies with it, and is measured with it.
    let citer = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_citer"));
        command.args(args).args(["--slm", &slm.to_string_lossy(), "--models"]).arg(models());
        finish(command)
    };
    let runs = out.join("runs").to_string_lossy().into_owned();
    let (done, said) = citer(&["train", "--rounds", "1", "--per-family", "8", "--validation", "4", "--runs", &runs]);
    assert!(done && slm.join("router/router.json").is_file(), "{said}");
    let (done, said) = citer(&["eval", "--per-family", "2"]);
    assert!(done && said.contains("| all |"), "{said}");
    let mut other = std::fs::read_to_string(slm.join("tokenizer.json")).unwrap();
    other.push('\n');
    std::fs::write(slm.join("tokenizer.json"), other).unwrap();
    let (done, said) = run("mismatched");
    assert!(!done && said.contains("student has another tokenizer.json than"), "{said}");
    assert!(!out.join("mismatched").exists(), "nothing is written for a pair that does not fit");
    [place, out].iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_so_and_the_run_goes_on_when_there_is_room() {
    let out = folder("full-disk");
    // Whatever is written to this device fails as on a full disk.
    std::os::unix::fs::symlink("/dev/full", out.join("part-00001.safetensors.new")).unwrap();
    let (done, said) = finish(label(&out, 10, &["--workers", "1"]));
    assert!(!done && said.contains("part-00001") && said.contains("the disk is full: make room"), "{said}");
    assert!(said.contains("32 of 50 questions are labelled and kept"), "{said}");
    let (done, said) = finish(label(&out, 10, &["--workers", "1"]));
    assert!(done && tables(&out).len() == 2, "{said}");
    std::fs::remove_dir_all(out).unwrap();
}
