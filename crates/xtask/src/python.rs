//! A Python environment in the target folder with packages of fixed versions.

use crate::{command, failure::Failure, place::Place, system};
use std::path::PathBuf;

/// Makes it where it is missing or holds other versions of `packages` (names with versions); returns its Python. Advice for
/// failures names the step of the tests that needs it.
pub fn environment(place: &Place, packages: &[(&str, &str)], step: &str) -> Result<PathBuf, Failure> {
    let folder = place.tools().join("venv");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let version = |package: &str| {
        let program = format!("import importlib.metadata as m; print(m.version('{package}'))");
        command::read(place.command(&python).args(["-c", &program]))
    };
    let missing: Vec<String> = packages
        .iter()
        .filter(|(package, wanted)| version(package).as_deref() != Some(*wanted))
        .map(|(package, wanted)| format!("{package}=={wanted}"))
        .collect();
    if missing.is_empty() {
        println!("    Python packages: there");
        return Ok(python);
    }
    let python3 = if cfg!(windows) { "python" } else { "python3" };
    let has_venv = || command::succeeds(place.command(python3).args(["-c", "import venv, ensurepip"]));
    if !has_venv() && system::may_install(place) {
        println!("    Python's venv module: missing, is installed");
        system::install(place, &["python3", "python3-venv"])?;
    }
    if !has_venv() {
        return Err(Failure::new(format!(
            "Python 3 with its venv module was not found: install it (on Debian `sudo apt-get install python3-venv`, \
             elsewhere from https://www.python.org) and run this again, or leave this out with `cargo xtask test --skip \
             {step}`."
        )));
    }
    println!("    {}: missing, is installed", missing.join(", "));
    if !command::succeeds(place.command(&python).args(["-c", "import pip"])) {
        command::run(
            place.command(python3).args(["-m", "venv", "--clear"]).arg(&folder),
            "Check that Python 3.9 or newer is installed.",
        )?;
    }
    command::run(
        place.command(&python).args(["-m", "pip", "install", "--quiet"]).args(&missing),
        &format!(
            "Check the network connection and run this again, or leave this out with `cargo xtask test --skip {step}`."
        ),
    )?;
    Ok(python)
}
