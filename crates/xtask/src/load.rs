//! Load: our server and llama.cpp's with the same weights, under 1 to 256 conversations at once.

use crate::{command, failure::Failure, llama_cpp, place::Place, python, step::Steps};
use std::{fs, path::PathBuf};

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Conversations at once, one measurement each.
    pub sessions: String,
    /// Seconds of a measurement.
    pub seconds: u32,
    /// Rounds of each, in turns.
    pub rounds: u32,
    /// Threads of llama.cpp, one measurement each.
    threads: &'static str,
}

impl Default for Load {
    fn default() -> Self {
        Self { sessions: "1,4,16,64,256".into(), seconds: 6, rounds: 1, threads: "1,2" }
    }
}

/// The short form in the tests: that it runs, and that every request is answered as it should.
pub fn short() -> Load {
    Load { sessions: "1,4".into(), seconds: 1, rounds: 1, threads: "1" }
}

/// Measures and prints JSON, which is kept in the target folder too. [`crate::native::build`] comes before.
pub fn run(place: &Place, steps: &mut Steps, load: &Load) -> Result<(), Failure> {
    let python = steps.run("llama.cpp", "a Python environment with llama.cpp", || {
        python::environment(place, &[llama_cpp::SERVER], "llama-cpp")
    })?;
    let tools = steps.run("load tools", "autocannon, from npm", || install(place))?;
    let Some(tools) = tools else { return Ok(()) };
    let report = place.target.join("load.json");
    steps.run("load", &format!("both servers under load; the report is {}", report.display()), || {
        let gguf = place.target.join("load.gguf");
        let mut convert = place.command(place.citer());
        convert.arg("convert").arg(place.models().join("llm")).arg(&gguf);
        command::run(&mut convert, "Build the program first: `cargo build --release`.")?;
        let mut node = place.command("node");
        node.current_dir(&tools).arg("load.mjs").arg("--citer").arg(place.citer()).arg("--models").arg(place.models());
        node.arg("--python").arg(&python).arg("--gguf").arg(&gguf).arg("--out").arg(&report);
        node.args(["--sessions", &load.sessions, "--threads", load.threads]);
        node.args(["--seconds", &load.seconds.to_string(), "--rounds", &load.rounds.to_string()]);
        command::run(&mut node, "Read the message above: a server did not start, or a request was not answered.")
    })
}

/// The folder with the measuring program and what it needs; `None` where npm is missing.
fn install(place: &Place) -> Result<Option<PathBuf>, Failure> {
    let folder = place.target.join("load");
    if place.which("npm").is_none() {
        println!("    npm is not installed: nothing is measured; install Node.js 20 or later");
        return Ok(None);
    }
    fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let ours = place.root.join("tests/load");
    let mut changed = !folder.join("node_modules").is_dir();
    for name in ["package.json", "package-lock.json", "load.mjs", "llamacpp.py"] {
        let (from, to) = (ours.join(name), folder.join(name));
        let text = fs::read(&from).map_err(|error| Failure::file(&from, &error))?;
        if fs::read(&to).ok().as_ref() != Some(&text) {
            changed |= name.ends_with(".json");
            fs::write(&to, text).map_err(|error| Failure::file(&to, &error))?;
        }
    }
    if changed {
        let mut npm = place.command("npm");
        npm.current_dir(&folder).args(["ci", "--no-audit", "--no-fund"]);
        command::run(&mut npm, "Check the network connection and run this again.")?;
    }
    Ok(Some(folder))
}
