//! llama.cpp as the LLM: labels made with it are those of the LLM in the program's own process, and routed answers those
//! through our own server. So are the answers of a real model of another vocabulary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_core::{Split, TokenId, Trace};
use citer_tasks::{Split as Part, suite};
use citer_tests::{
    columns::Columns,
    folder::TemporaryFolder,
    http::post,
    llama_cpp::{LlamaCpp, gguf, stories, stories_gguf},
    product,
    server::Server,
};
use serde_json::{Value, json};
use std::{path::Path, process::Command};

/// Runs `citer label` on a few questions; returns what it says.
fn label(out: &Path, more: &[&str]) -> String {
    let mut command = Command::new(product::citer());
    command.args(["label", "--per-family", "5", "--saving", "0", "--models"]).arg(product::models());
    let output = command.arg("--out").arg(out).args(more).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// Compares labels with an LLM of llama.cpp in the format `dtype` with those of the shipped one (F16): probabilities may
/// differ by `bound`.
fn compare(dtype: &str, bound: f32) {
    let folder = TemporaryFolder::new();
    let mut server = LlamaCpp::start(&gguf(&folder, "llm", dtype), "big");
    let [here, served, answers] = ["here", "served", "answers"].map(|name| folder.path().join(name));
    label(&here, &[]);
    let said = label(&served, &["--server", server.url(), "--answers", &answers.to_string_lossy()]);
    assert!(said.contains("USD so far"), "{said}");
    server.kill();
    let [a, b] = [here, served].map(|folder| Columns::read(&folder.join("part-00000.safetensors")));
    let mut columns = vec!["question", "depth", "prefix", "length", "origin", "gold_token", "slm_token", "hidden"];
    columns.extend(["llm_token", "case"]);
    for column in columns {
        assert!(!a.bytes(column).is_empty() && a.bytes(column) == b.bytes(column), "{column} differs in {dtype}");
    }
    for column in ["llm_probability", "llm_gold_probability"] {
        let pairs: Vec<(f32, f32)> = a.floats(column).into_iter().zip(b.floats(column)).collect();
        let known = pairs.iter().filter(|(p, q)| p.is_finite() && q.is_finite());
        let differences: Vec<f32> = known.map(|(p, q)| (p - q).abs()).collect();
        let most = differences.iter().copied().fold(0.0, f32::max);
        println!(
            "{dtype}, {column}: {} of {} states told, they differ by {most:.1e} at most",
            differences.len(),
            pairs.len()
        );
        assert!(differences.len() * 10 > pairs.len() * 9, "{column}: only {} of {}", differences.len(), pairs.len());
        assert!(most < bound, "{column} differs by {most} in {dtype}");
    }
}

#[test]
#[ignore = "needs the built program and llama.cpp: `cargo xtask test`"]
fn llama_cpp_labels_as_the_llm_in_this_process_does() {
    // llama.cpp keeps its KV cache in F16.
    compare("f16", 2e-3);
}

#[test]
#[ignore = "needs the built program and llama.cpp: `cargo xtask test`"]
fn a_quantised_llm_of_llama_cpp_labels_within_the_bound_of_its_numbers() {
    compare("q8_0", 5e-2);
}

/// A routed answer by `citer ask`, and what it says about the server.
fn ask(question: &str, url: &str, threshold: &str) -> (Trace, String) {
    ask_with(question, url, threshold, &[])
}

fn ask_with(question: &str, url: &str, threshold: &str, more: &[&str]) -> (Trace, String) {
    let mut command = Command::new(product::citer());
    command.args(["ask", question, "--json", "--patient", "--timeout", "60000", "--threshold", threshold]);
    let output = command.args(more).args(["--server", url, "--models"]).arg(product::models()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    (Trace::parse(&String::from_utf8(output.stdout).unwrap()).unwrap(), said)
}

#[test]
#[ignore = "needs the built program and llama.cpp: `cargo xtask test`"]
fn routed_answers_through_llama_cpp_are_those_through_our_server() {
    let folder = TemporaryFolder::new();
    let mut theirs = LlamaCpp::start(&gguf(&folder, "llm", "f16"), "big");
    let mut ours = Server::start(None);
    let mut asked = 0;
    for question in suite(Part::Test, 11, 2) {
        // The second threshold asks for every token.
        for threshold in ["0.8", "2"] {
            let (own, _) = ask(&question.prompt, ours.url(), threshold);
            let (other, said) = ask(&question.prompt, theirs.url(), threshold);
            assert!(said.contains("dialect tokens: exact token hand-off yes, ids back yes"), "{said}");
            assert_eq!(own.ids(), other.ids(), "{}", question.prompt);
            let sources = |trace: &Trace| trace.events.iter().map(|event| event.source).collect::<Vec<_>>();
            assert_eq!(sources(&own), sources(&other));
            let split: Split = other.split();
            assert_eq!((split.forced, split.spent.failures), (0, 0));
            asked += split.spent.remote_tokens;
        }
    }
    assert!(asked > 50, "only {asked} tokens were asked for");
    ours.kill();
    theirs.kill();
}

/// Greedy tokens after `prompt` with their text, from the server at `url`.
fn goes_on(url: &str, prompt: &Value, count: usize) -> (Vec<TokenId>, String) {
    let body =
        json!({"prompt": prompt, "max_tokens": count, "temperature": 0, "logprobs": 5, "return_token_ids": true});
    let answer = post(url, "/v1/completions", &body);
    let choice = &answer["choices"][0];
    let ids = match choice["token_ids"].as_array() {
        Some(ids) => ids.clone(),
        // llama.cpp lists ids beside the probabilities.
        None => choice["logprobs"]["content"].as_array().unwrap().iter().map(|token| token["id"].clone()).collect(),
    };
    let id = |id: &Value| TokenId::try_from(id.as_u64().unwrap()).unwrap();
    (ids.iter().map(id).collect(), choice["text"].as_str().unwrap().to_owned())
}

#[test]
#[ignore = "needs the built program and llama.cpp: `cargo xtask test`"]
fn the_stories_model_tells_the_same_through_llama_cpp() {
    let folder = TemporaryFolder::new();
    let file = stories_gguf(&folder);
    let (mut theirs, mut ours) = (LlamaCpp::start(&file, "stories"), Server::serving(&file));
    // From the first token on, both tell what the model is known to tell.
    let golden = std::fs::read_to_string(stories().join("story.txt")).unwrap();
    for url in [ours.url(), theirs.url()] {
        let (ids, text) = goes_on(url, &json!([1]), 200);
        assert!(ids.len() == 200 && golden.starts_with(text.trim()), "{text}");
    }
    // Text becomes the same tokens in both, spaces, foreign letters and the token in front of all included.
    for prompt in ["Lily and Tom went to the", "The  dog said, \"Zo\u{eb}!\"\n", "\u{1f999}"] {
        let told = json!({"prompt": prompt, "max_tokens": 1, "return_token_ids": true});
        let mine = post(ours.url(), "/v1/completions", &told)["choices"][0]["prompt_token_ids"].clone();
        let read = post(theirs.url(), "/tokenize", &json!({"content": prompt, "add_special": true}));
        assert_eq!(read["tokens"], mine, "{prompt:?}");
    }
    for prompt in ["Lily and Tom went to the", "The  dog said, \"Zo\u{eb}!\"\n"] {
        let (mine, text) = goes_on(ours.url(), &json!(prompt), 64);
        assert_eq!(goes_on(theirs.url(), &json!(prompt), 64), (mine, text), "{prompt:?}");
    }
    ours.kill();
    theirs.kill();
}

#[test]
#[ignore = "needs the built program and llama.cpp: `cargo xtask test`"]
fn routed_answers_with_an_llm_of_another_vocabulary_are_those_through_our_server() {
    let folder = TemporaryFolder::new();
    let file = stories_gguf(&folder);
    let (mut theirs, mut ours) = (LlamaCpp::start(&file, "stories"), Server::serving(&file));
    let mut asked = 0;
    for question in ["Tell me a story about Lily.", "What did the dog say?"] {
        for threshold in ["0.8", "2"] {
            let more = ["--dialect", "text", "--max-tokens", "48"];
            let (own, said) = ask_with(question, ours.url(), threshold, &more);
            assert!(said.contains("dialect text: exact token hand-off no"), "{said}");
            let (other, _) = ask_with(question, theirs.url(), threshold, &more);
            assert_eq!(own.ids(), other.ids(), "{question}");
            let split: Split = other.split();
            assert_eq!((split.forced, split.spent.failures), (0, 0), "{question}");
            asked += split.spent.remote_tokens;
        }
    }
    assert!(asked > 50, "only {asked} tokens were asked for");
    ours.kill();
    theirs.kill();
}
