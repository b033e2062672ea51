//! Soak: schedules of faults over the routed decoder for minutes, with a report that is committed.

use crate::{command, failure::Failure, place::Place, step::Steps};

/// Minutes when nothing else is asked for.
pub const LONG: u32 = 30;

/// Runs for `minutes` and writes `tests/soak.json`.
pub fn run(place: &Place, steps: &mut Steps, minutes: u32) -> Result<(), Failure> {
    let report = place.root.join("tests/soak.json");
    steps.run("soak", &format!("schedules of faults; the report is {}", report.display()), || {
        // All packages, as the native tests, so that nothing is compiled twice.
        let mut test = place.cargo();
        test.args(["test", "--release", "--test", "schedules", "--", "--ignored", "--nocapture", "soak"]);
        test.env("CITER_SOAK_SECONDS", (u64::from(minutes) * 60).to_string()).env("CITER_SOAK_REPORT", &report);
        test.env("CITER_SOAK_COMMAND", format!("cargo xtask soak --minutes {minutes}"));
        command::run(&mut test, "The message above names the seed: make it a test of its own, and fix what it shows.")
    })
}
