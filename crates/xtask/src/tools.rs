//! Tools: the wasm target, wasm-bindgen, Trunk and the wasm optimiser for the web build, and cargo-fuzz; each installed
//! when missing.

use crate::{command, failure::Failure, place::Place, version};
use std::{env, fs, path::PathBuf};

const TRUNK: &str = "0.21.14";
const CARGO_FUZZ: &str = "0.13.2";
const BINARYEN: &str = "132.0.0";
const AXE: &str = "4.14.1";

/// Installs what the web build lacks.
pub fn web(place: &Place) -> Result<(), Failure> {
    wasm_target(place)?;
    let lock = place.root.join("Cargo.lock");
    let text = fs::read_to_string(&lock).map_err(|error| Failure::file(&lock, &error))?;
    let wasm_bindgen = version::locked(&text, "wasm-bindgen")
        .ok_or_else(|| Failure::new("Cargo.lock does not name wasm-bindgen: restore the file with git"))?;
    // Its published lock file names a crate version that can no longer be had, so it is resolved anew.
    cargo_tool(place, "wasm-bindgen", "wasm-bindgen-cli", &wasm_bindgen, false)?;
    cargo_tool(place, "trunk", "trunk", TRUNK, true)
}

/// Installs cargo-fuzz where it is missing.
pub fn fuzz(place: &Place) -> Result<(), Failure> {
    cargo_tool(place, "cargo-fuzz", "cargo-fuzz", CARGO_FUZZ, true)
}

fn wasm_target(place: &Place) -> Result<(), Failure> {
    let sysroot = command::read(place.command("rustc").args(["--print", "sysroot"]))
        .ok_or_else(|| Failure::new("rustc was not found: install Rust from https://rustup.rs and run this again"))?;
    if PathBuf::from(sysroot).join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir() {
        println!("    wasm target: there");
        return Ok(());
    }
    println!("    wasm target: missing, is added");
    command::run(
        place.command("rustup").args(["target", "add", "wasm32-unknown-unknown"]),
        "Install Rust from https://rustup.rs, or add the wasm32-unknown-unknown target in the way your system offers.",
    )
}

fn cargo_tool(place: &Place, program: &str, package: &str, wanted: &str, locked: bool) -> Result<(), Failure> {
    let found = command::read(place.command(program).arg("--version"));
    if found.as_deref().and_then(version::reported) == Some(wanted) {
        println!("    {program} {wanted}: there");
        return Ok(());
    }
    println!("    {program} {wanted}: missing, is built once (some minutes)");
    let mut install = place.cargo();
    install.args(["install", package, "--version", wanted, "--root"]).arg(place.tools());
    if locked {
        install.arg("--locked");
    }
    // Away from this workspace's settings, and in minutes instead of a quarter of an hour: the tools' own release
    // profiles spend most of the time on link-time optimisation.
    install
        .current_dir(env::temp_dir())
        .env("CARGO_TARGET_DIR", place.target.join("tools-build"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    command::run(&mut install, "Check the network connection and the compiler's message above, then run this again.")
}

/// The optimiser's path, installed when npm is there; `None` when it cannot be had, which costs only file size.
pub fn optimiser(place: &Place) -> Option<PathBuf> {
    let program = if cfg!(windows) { ".bin/wasm-opt.cmd" } else { ".bin/wasm-opt" };
    npm_package(place, "binaryen", BINARYEN, program, "the page works without, its files are larger")
}

/// The script of the accessibility audit, installed when npm is there; without it the audit is left out.
pub fn axe(place: &Place) -> Option<PathBuf> {
    npm_package(place, "axe-core", AXE, "axe-core/axe.min.js", "the audit of the page is left out")
}

/// A file of an npm package below `node_modules`; installs the package when npm is there. `None` when it cannot be had,
/// which is said to cost `cost`.
fn npm_package(place: &Place, package: &str, version: &str, file: &str, cost: &str) -> Option<PathBuf> {
    let folder = place.tools().join("npm").join(package);
    let found = folder.join("node_modules").join(file);
    let pinned = format!("\"version\": \"{version}\"");
    let about = folder.join("node_modules").join(package).join("package.json");
    if fs::read_to_string(about).unwrap_or_default().contains(&pinned) && found.exists() {
        return Some(found);
    }
    if place.which("npm").is_none() {
        println!("    {package}: skipped, because npm is not installed; {cost}");
        return None;
    }
    println!("    {package} {version}: missing, is installed");
    let mut install = place.command("npm");
    install.args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(&folder);
    install.arg(format!("{package}@{version}"));
    let made = fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error));
    match made.and_then(|()| command::run(&mut install, &format!("Without {package}: {cost}."))) {
        Ok(()) => Some(found),
        Err(failure) => {
            println!("    {package}: skipped: {failure}");
            None
        }
    }
}
