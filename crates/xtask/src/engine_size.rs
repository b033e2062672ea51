//! The engine's size: what each measure of the build gives, and which crates the page's engine is made of, as JSON. Variants
//! of the profile are built into a folder of their own, so that the page's build stays as it is.

use crate::{command, failure::Failure, optimise, parts, place::Place, sizes, step::Steps, tools};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Settings of the profile `web` by name: link-time optimisation, level of optimisation, and crates with level 3. The first
/// is the page's.
const VARIANTS: [(&str, &str, &str, &[&str]); 7] = [
    ("page", "fat", "z", &[]),
    ("per-crate", "fat", "z", &["citer-files", "citer-gpu", "citer-lm"]),
    ("thin", "thin", "z", &[]),
    ("no-lto", "off", "z", &[]),
    ("small", "fat", "s", &[]),
    ("level-2", "fat", "2", &[]),
    ("level-3", "fat", "3", &[]),
];
/// Levels of the optimiser, of the page's program.
const LEVELS: [&str; 3] = ["-O3", "-Os", "-Oz"];

/// Builds the variants called `names` (all of them where none is named) and measures what becomes of them.
pub fn run(place: &Place, steps: &mut Steps, names: &[String]) -> Result<(), Failure> {
    steps.run("web tools", "wasm target and wasm-bindgen, installed when missing", || tools::web(place))?;
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    if let Some(unknown) = names.iter().find(|name| VARIANTS.iter().all(|(known, ..)| name != known)) {
        let known = VARIANTS.map(|(known, ..)| known).join(", ");
        return Err(Failure::new(format!("`{unknown}` is no variant: choose from {known}")));
    }
    let mut rows = Vec::new();
    for (name, lto, level, fast) in VARIANTS.into_iter().filter(|(name, ..)| wanted(name)) {
        let linked = steps.run(name, &format!("LTO {lto}, opt-level {level} (some minutes)"), || {
            let folder = place.target.join("sizes");
            let mut build = place.cargo();
            build.args([
                "build",
                "--package",
                "citer-worker",
                "--bin",
                "citer-worker",
                "--profile",
                "web",
                "--target",
                "wasm32-unknown-unknown",
            ]);
            for package in fast {
                build.args(["--config", &format!("profile.web.package.{package}.opt-level=3")]);
            }
            build.env("CARGO_TARGET_DIR", &folder);
            build.env("CARGO_PROFILE_WEB_LTO", lto).env("CARGO_PROFILE_WEB_OPT_LEVEL", level);
            command::run(&mut build, "Read the compiler's message above and run this again.")?;
            Ok(folder.join("wasm32-unknown-unknown/web/citer-worker.wasm"))
        })?;
        let made = place.target.join("sizes/made");
        fs::create_dir_all(&made).map_err(|error| Failure::file(&made, &error))?;
        rows.extend(stages(place, name, &linked, &made)?);
        // The optimiser drops the names that tell a function's crate.
        println!("{}", parts::json(&parts::of(&linked)?));
    }
    println!("{}", sizes::json(&rows));
    Ok(())
}

/// The sizes of a linked program through the steps of the page's build.
fn stages(place: &Place, name: &str, linked: &Path, made: &Path) -> Result<Vec<sizes::Size>, Failure> {
    let advice = "Run `cargo xtask build-web` once, which installs the tools.";
    let keep = |stage: &str, from: &Path| -> Result<PathBuf, Failure> {
        let to = made.join(format!("{name}, {stage}"));
        fs::copy(from, &to).map_err(|error| Failure::file(from, &error))?;
        Ok(to)
    };
    let mut files = vec![keep("linked", linked)?];
    let bound = |names: bool| -> Result<PathBuf, Failure> {
        let mut bind = place.command("wasm-bindgen");
        bind.args(["--target", "no-modules", "--no-typescript", "--out-name", "engine", "--out-dir"]).arg(made);
        if !names {
            bind.args(["--remove-name-section", "--remove-producers-section"]);
        }
        command::run(bind.arg(linked), advice)?;
        Ok(made.join("engine_bg.wasm"))
    };
    files.push(keep("with names", &bound(true)?)?);
    let stripped = keep("without names", &bound(false)?)?;
    if let Some(optimiser) = tools::optimiser(place) {
        let levels = if name == VARIANTS[0].0 { LEVELS.as_slice() } else { &LEVELS[2..] };
        for level in levels {
            let to = made.join(format!("{name}, wasm-opt {level}"));
            let mut run = place.command(&optimiser);
            run.arg(level).args(optimise::FEATURES).arg(&stripped).arg("-o").arg(&to);
            command::run(&mut run, advice)?;
            files.push(to);
        }
    }
    files.insert(2, stripped);
    files.iter().map(|file| sizes::of(file)).collect()
}
