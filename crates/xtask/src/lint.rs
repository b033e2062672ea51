//! Lint: formatting, clippy, and the rules for dependencies.

use crate::{command, failure::Failure, place::Place, step::Steps};

/// Crates that compile in a minute.
const LIGHT: [&str; 8] =
    ["citer-chat", "citer-core", "citer-files", "citer-library", "citer-tasks", "citer-remote", "citer-tests", "xtask"];
const ADVICE: &str = "Fix what is named above and run `cargo xtask lint` again.";

/// Checks the light crates, or all of them.
pub fn run(place: &Place, steps: &mut Steps, all: bool) -> Result<(), Failure> {
    steps.run("format", "rustfmt on every crate", || {
        command::run(place.cargo().args(["fmt", "--all", "--check"]), "Run `cargo fmt --all`.")
    })?;
    steps.run(
        "clippy",
        if all { "every crate" } else { "the light crates; `lint --all` takes every crate" },
        || {
            let mut light = place.cargo();
            light.args(["clippy", "--all-targets"]);
            light.args(LIGHT.iter().flat_map(|name| ["--package", name]));
            clippy(&mut light)?;
            if all {
                clippy(place.cargo().args(["clippy", "--release", "--all-targets"]))?;
                let web = ["--package", "citer-web", "--package", "citer-worker"];
                let cpu = ["--package", "citer-worker", "--no-default-features", "--features", "cpu"];
                for what in [&web[..], &cpu] {
                    let mut clippy_web = place.cargo();
                    clippy_web.args(["clippy", "--profile", "web", "--target", "wasm32-unknown-unknown"]).args(what);
                    clippy(&mut clippy_web)?;
                }
            }
            Ok(())
        },
    )?;
    steps.run("dependencies", "licences and sources, where cargo-deny is installed", || {
        if !command::succeeds(place.cargo().args(["deny", "--version"])) {
            println!("    cargo-deny is not installed: skipped (`cargo install cargo-deny` adds it)");
            return Ok(());
        }
        command::run(place.cargo().args(["deny", "check", "bans", "licenses", "sources"]), ADVICE)
    })
}

fn clippy(command: &mut std::process::Command) -> Result<(), Failure> {
    command::run(command.args(["--", "--deny", "warnings"]), ADVICE)
}
