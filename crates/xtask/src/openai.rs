//! The conformance test: the official `openai` Python client against `citer serve`.

use crate::{command, failure::Failure, place::Place, python, step::Steps};

/// The client and its version.
const CLIENT: (&str, &str) = ("openai", "3.54.0");

/// Runs it; [`crate::native::build`] comes before.
pub fn run(place: &Place, steps: &mut Steps) -> Result<(), Failure> {
    let python = steps.run("openai client", "a Python environment with the official client", || {
        python::environment(place, &[CLIENT], "openai")
    })?;
    steps.run("openai test", "the official client against `citer serve`", || {
        let mut test = place.cargo();
        test.args(["test", "--package", "citer-tests", "--test", "openai_client", "--", "--ignored", "--nocapture"]);
        test.env("CITER_BIN", place.citer()).env("CITER_MODELS", place.models()).env("CITER_PYTHON", &python);
        command::run(&mut test, "Read the client's message above; it says which request was not answered as it should.")
    })
}
