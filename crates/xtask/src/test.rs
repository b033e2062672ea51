//! Test: everything that must pass, from the cheapest to the dearest.

use crate::{
    e2e, failure::Failure, fuzz, lint, llama_cpp, load, native, openai, place::Place, step::Steps, system, web,
};

/// The steps' names, for `--skip`.
pub const STEPS: [&str; 7] = ["lint", "native", "fuzz", "web", "openai", "llama-cpp", "e2e"];

/// Runs all steps but those in `skip`.
pub fn run(place: &Place, steps: &mut Steps, skip: &[String]) -> Result<(), Failure> {
    for name in STEPS {
        if skip.iter().any(|skipped| skipped == name) {
            steps.skip(name);
            continue;
        }
        match name {
            "lint" => lint::run(place, steps, false)?,
            "native" => {
                steps.run("graphics", "a driver for the native GPU tests", || system::graphics(place))?;
                native::test(place, steps)?;
            }
            "fuzz" => fuzz::run(place, steps, fuzz::SHORT)?,
            "web" => web::build(place, steps)?,
            "openai" => {
                native::build(place, steps)?;
                openai::run(place, steps)?;
            }
            "llama-cpp" => {
                native::build(place, steps)?;
                llama_cpp::run(place, steps)?;
                load::run(place, steps, &load::short())?;
            }
            _ => {
                native::build(place, steps)?;
                e2e::run(place, steps, &e2e::ALL)?;
            }
        }
    }
    Ok(())
}
