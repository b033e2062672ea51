//! The conformance test: the official `openai` Python client against `citer serve`.

use crate::{command, failure::Failure, place::Place, step::Steps, system};
use std::path::PathBuf;

const OPENAI: &str = "3.54.0";

/// Runs it; [`crate::native::build`] comes before.
pub fn run(place: &Place, steps: &mut Steps) -> Result<(), Failure> {
    let python = steps.run("openai client", "a Python environment with the official client", || environment(place))?;
    steps.run("openai test", "the official client against `citer serve`", || {
        let mut test = place.cargo();
        test.args(["test", "--package", "citer-tests", "--test", "openai_client", "--", "--ignored", "--nocapture"]);
        test.env("CITER_BIN", place.citer()).env("CITER_MODELS", place.models()).env("CITER_PYTHON", &python);
        command::run(&mut test, "Read the client's message above; it says which request was not answered as it should.")
    })
}

fn environment(place: &Place) -> Result<PathBuf, Failure> {
    let folder = place.tools().join("venv");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let installed = command::read(place.command(&python).args(["-c", "import openai; print(openai.__version__)"]));
    if installed.as_deref() == Some(OPENAI) {
        println!("    openai {OPENAI}: there");
        return Ok(python);
    }
    let python3 = if cfg!(windows) { "python" } else { "python3" };
    let has_venv = || command::succeeds(place.command(python3).args(["-c", "import venv, ensurepip"]));
    if !has_venv() && system::may_install(place) {
        println!("    Python's venv module: missing, is installed");
        system::install(place, &["python3", "python3-venv"])?;
    }
    if !has_venv() {
        let message = "Python 3 with its venv module was not found: install it (on Debian `sudo apt-get install \
                       python3-venv`, elsewhere from https://www.python.org) and run this again, or leave this out with \
                       `cargo xtask test --skip openai`.";
        return Err(Failure::new(message));
    }
    println!("    openai {OPENAI}: missing, is installed");
    command::run(
        place.command(python3).args(["-m", "venv", "--clear"]).arg(&folder),
        "Check that Python 3.9 or newer is installed.",
    )?;
    command::run(
        place.command(&python).args(["-m", "pip", "install", "--quiet", &format!("openai=={OPENAI}")]),
        "Check the network connection and run this again.",
    )?;
    Ok(python)
}
