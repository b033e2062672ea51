//! The compose example: its gateway's command line and mounted settings start the real program, and the names, ports and
//! files in it belong together. The containers themselves are not started.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use citer_tests::{folder::TemporaryFolder, http::send, process::Process, product};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A key for the test alone, and its hash.
const KEY: &str = "citer_only_for_the_test";
const HASH: &str = "02aa602a18f56c21674cd364580c7be8f3850f8b3170f6d16c16fdca64ad99db";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/citer-serve")
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Where every volume of a service comes from and where it is.
fn volumes(service: &Value) -> Vec<(&str, &str)> {
    texts(&service["volumes"])
        .into_iter()
        .map(|volume| {
            let (from, rest) = volume.split_once(':').unwrap();
            (from, rest.split(':').next().unwrap())
        })
        .collect()
}

#[test]
#[ignore = "needs the built program: `cargo xtask test`"]
fn the_gateway_of_the_compose_example_starts_with_what_is_mounted() {
    let text = fs::read_to_string(folder().join("compose.yaml")).unwrap();
    let compose: Value = serde_saphyr::from_str(&text).unwrap();
    let (gateway, vllm) = (&compose["services"]["gateway"], &compose["services"]["vllm"]);

    // The image has the program where the command line looks for it.
    let build = |name: &str| gateway["build"][name].as_str().unwrap();
    let dockerfile = fs::read_to_string(folder().join(build("context")).join(build("dockerfile"))).unwrap();
    let command = texts(&gateway["command"]);
    assert!(dockerfile.contains(&format!("/source/target/release/citer {}\n", command[0])), "{dockerfile}");
    let toolchain = include_str!("../../rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    assert!(dockerfile.contains(&format!("FROM rust:{channel}-")), "{channel}");

    // Mounted files exist, named volumes are declared.
    let mut settings = None;
    let mut kept = Vec::new();
    for (from, to) in volumes(gateway) {
        if from.starts_with('.') {
            assert!(folder().join(from).is_file(), "{from}");
            settings = Some((fs::read_to_string(folder().join(from)).unwrap(), to));
        } else {
            assert!(compose["volumes"].as_object().unwrap().contains_key(from), "{from}");
            kept.push(to);
        }
    }
    let (settings, mounted) = settings.unwrap();
    assert!(command.contains(&mounted), "{command:?} does not read {mounted}");
    let spending = settings.lines().find_map(|line| line.strip_prefix("spending = ")).unwrap().trim_matches('"');
    let state = kept.iter().find(|volume| spending.starts_with(**volume)).expect("spending lies in a volume");
    assert!(dockerfile.contains(&format!("VOLUME {state}\n")));

    // Ports and names on both sides.
    let port = texts(&gateway["ports"])[0].rsplit(':').next().unwrap();
    assert!(settings.contains(&format!("listen = \"0.0.0.0:{port}\"")), "{port}");
    let upstream = settings.lines().find_map(|line| line.strip_prefix("url = ")).unwrap().trim_matches('"');
    let host = upstream.strip_prefix("http://").unwrap().split(':').next().unwrap();
    assert!(compose["services"].as_object().unwrap().contains_key(host) && vllm["image"].is_string(), "{host}");
    let served = texts(&vllm["command"]);
    let model = served[served.iter().position(|word| *word == "--model").unwrap() + 1];

    // The program with that command line, those settings and those variables, at a free port and with a key of the test's.
    let place = TemporaryFolder::new();
    let file = place.path().join("gateway.toml");
    let own = settings.replace(state, &place.path().to_string_lossy()).replace(&"0".repeat(64), HASH);
    fs::write(&file, own).unwrap();
    let mut program = Command::new(product::citer());
    for word in &command[1..] {
        if *word == mounted {
            program.arg(&file)
        } else {
            program.arg(word)
        };
    }
    for variable in gateway["environment"].as_object().unwrap().keys() {
        program.env(variable, "key-of-the-test");
    }
    let (_process, url) = Process::start(program.args(["--listen", "127.0.0.1:0"]), "listening on ");
    assert_eq!(send(&url, "GET", "/v1/models", "", None).0, 401);
    let (status, models) = send(&url, "GET", "/v1/models", &format!("authorization: Bearer {KEY}\r\n"), None);
    let models: Value = serde_json::from_str(&models).unwrap();
    assert_eq!((status, models["data"][0]["id"].as_str()), (200, Some(model)), "{models}");
}
