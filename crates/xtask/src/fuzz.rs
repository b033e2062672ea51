//! Fuzz: hostile model files for every parser, for a while each. A panic, a hang or a huge allocation fails.

use crate::{command, failure::Failure, place::Place, step::Steps, tools};
use std::{fs, path::Path, process::Command};

/// Seconds for each target within `cargo xtask test`.
pub const SHORT: u32 = 3;
/// Seconds for each target when nothing else is asked for.
pub const LONG: u32 = 60;

const ADVICE: &str = "The input that failed lies in tests/fuzz/artifacts: fix the parser and keep the input as a test.";

/// Runs every target for `seconds`, from the seeds and from what earlier runs found.
pub fn run(place: &Place, steps: &mut Steps, seconds: u32) -> Result<(), Failure> {
    let folder = place.root.join("tests/fuzz");
    steps.run("fuzz build", "cargo-fuzz and the targets", || {
        tools::fuzz(place)?;
        command::run(
            &mut fuzz(place, "build"),
            "Read the compiler's message above. If it names a missing compiler, install a C++ compiler.",
        )
    })?;
    steps.run("fuzz", "hostile files for every parser", || {
        for target in targets(&folder.join("fuzz_targets"))? {
            let found = place.target.join("fuzz-corpus").join(&target);
            fs::create_dir_all(&found).map_err(|error| Failure::file(&found, &error))?;
            let mut run = fuzz(place, "run");
            run.arg(&target).arg(found).arg(folder.join("seeds").join(&target)).arg("--");
            run.arg(format!("-max_total_time={seconds}"));
            run.args(["-timeout=10", "-rss_limit_mb=1024", "-max_len=8192", "-verbosity=0", "-print_funcs=0"]);
            command::run(&mut run, ADVICE)?;
        }
        Ok(())
    })
}

/// `cargo fuzz WHAT`, without a sanitizer: that needs no nightly compiler, and the targets limit memory themselves.
fn fuzz(place: &Place, what: &str) -> Command {
    let mut command = place.cargo();
    command.args(["fuzz", what, "--fuzz-dir", "tests/fuzz", "--sanitizer", "none", "--target-dir"]);
    command.arg(place.target.join("fuzz"));
    command
}

/// The targets' names.
fn targets(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| Failure::file(folder, &error))?;
    let names = entries.flatten().filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}
