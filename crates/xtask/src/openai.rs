//! The conformance tests: the official `openai` Python client and a validator of OpenAPI documents against `citer serve`,
//! and the compose example.

use crate::{command, failure::Failure, place::Place, python, step::Steps};

/// The client and its version.
const CLIENT: (&str, &str) = ("openai", "3.54.0");

/// The validator and its version.
const VALIDATOR: (&str, &str) = ("openapi-spec-validator", "0.9.0");

/// Runs them; [`crate::native::build`] comes before.
pub fn run(place: &Place, steps: &mut Steps) -> Result<(), Failure> {
    let python = steps.run("openai client", "a Python environment with the official client", || {
        python::environment(place, &[CLIENT, VALIDATOR], "openai")
    })?;
    steps.run("openai test", "the official client against `citer serve`", || {
        let mut test = place.cargo();
        test.args([
            "test",
            "--package",
            "citer-tests",
            "--test",
            "openai_client",
            "--test",
            "compose",
            "--",
            "--ignored",
            "--nocapture",
        ]);
        test.env("CITER_BIN", place.citer()).env("CITER_MODELS", place.models()).env("CITER_PYTHON", &python);
        command::run(&mut test, "Read the client's message above; it says which request was not answered as it should.")
    })
}
