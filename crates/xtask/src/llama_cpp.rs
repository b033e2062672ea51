//! The tests with llama.cpp as the LLM, which its Python package serves.

use crate::{command, failure::Failure, place::Place, python, step::Steps};

/// llama.cpp with its server, as wheels for Linux, macOS and Windows.
pub const SERVER: (&str, &str) = ("xllamacpp", "2026.10.11549");

/// Runs them; [`crate::native::build`] comes before.
pub fn run(place: &Place, steps: &mut Steps) -> Result<(), Failure> {
    let python = steps.run("llama.cpp", "a Python environment with llama.cpp", || {
        python::environment(place, &[SERVER], "llama-cpp")
    })?;
    steps.run("llama.cpp test", "llama.cpp as the LLM", || {
        let mut test = place.cargo();
        test.args(["test", "--package", "citer-tests", "--test", "llama_cpp", "--", "--ignored", "--nocapture"]);
        test.env("CITER_BIN", place.citer()).env("CITER_MODELS", place.models()).env("CITER_PYTHON", &python);
        command::run(&mut test, "Read the assertion above.")
    })
}
