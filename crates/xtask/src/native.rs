//! The native build and tests.
//!
//! Always the default members: another choice of packages would change the features of the tensor library and
//! compile it again, which takes a quarter of an hour on two cores.

use crate::{command, failure::Failure, place::Place, step::Steps};

const ADVICE: &str = "Fix the test named above and run this again.";

/// Builds the program `citer`.
pub fn build(place: &Place, steps: &mut Steps) -> Result<(), Failure> {
    steps.run("native build", "the program `citer` (the first time compiles for 15 minutes or so)", || {
        command::run(
            place.cargo().args(["build", "--release"]),
            "Read the compiler's message above. If it names a missing linker or header, install a C compiler.",
        )
    })
}

/// Runs the unit and integration tests of all native crates.
pub fn test(place: &Place, steps: &mut Steps) -> Result<(), Failure> {
    steps.run("native tests", "all crates, one native release profile", || {
        command::run(place.cargo().args(["test", "--release"]), ADVICE)
    })?;
    steps.run("page tests", "the page's logic, without a browser", || {
        command::run(place.cargo().args(["test", "--package", "citer-chat"]), ADVICE)
    })
}
