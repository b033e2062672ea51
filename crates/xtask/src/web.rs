//! The web build: page and engine by Trunk into `dist/`, then optimised and measured.

use crate::{command, failure::Failure, optimise, place::Place, shell, sizes, step::Steps, tools};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Builds `dist/`.
pub fn build(place: &Place, steps: &mut Steps) -> Result<(), Failure> {
    steps.run("web tools", "wasm target, wasm-bindgen and Trunk, installed when missing", || tools::web(place))?;
    steps.run("web build", "page and engine for the browser (the first time compiles for 20 minutes or so)", || {
        // The optimiser rewrites the files after Trunk, so Trunk's own checksums in index.html would not fit them.
        let mut trunk = place.command("trunk");
        trunk.args(["build", "--offline", "--no-sri", "--cargo-profile", "web"]);
        // Trunk 0.21 refuses the usual value of this variable.
        trunk.env_remove("NO_COLOR");
        command::run(&mut trunk, "Read the compiler's message above and run this again.")
    })?;
    steps.run("web optimise", "smaller wasm files (reused while the build is the same)", || {
        let files = wasm_files(&place.dist())?;
        if let Some(optimiser) = tools::optimiser(place) {
            files.iter().try_for_each(|file| optimise::in_place(place, &optimiser, file))?;
        }
        // The service worker's list has hashes of the files as they are now.
        shell::prepare(place, &place.dist())?;
        let sizes = files.iter().map(|file| sizes::of(file)).collect::<Result<Vec<_>, _>>()?;
        println!("{}", sizes::json(&sizes));
        Ok(())
    })
}

fn wasm_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| Failure::file(folder, &error))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "wasm"))
        .collect();
    files.sort();
    if files.is_empty() {
        let message = "has no wasm file: check the data-trunk links of index.html, then run `cargo xtask build-web`";
        return Err(Failure::new(format!("{} {message}", folder.display())));
    }
    Ok(files)
}
