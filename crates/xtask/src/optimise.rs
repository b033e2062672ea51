//! The optimiser: Binaryen's wasm-opt on one file, with a cache so that an unchanged file is not optimised again.

use crate::{command, failure::Failure, place::Place};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

/// Smallest.
const LEVEL: &str = "-Oz";
/// Only what browsers have: all features at once would write wasm that they refuse.
pub const FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
    "--enable-simd",
];

/// Replaces `file` by its optimised form.
pub fn in_place(place: &Place, optimiser: &Path, file: &Path) -> Result<(), Failure> {
    let bytes = fs::read(file).map_err(|error| Failure::file(file, &error))?;
    let folder = place.target.join("wasm-opt");
    fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let kept = folder.join(format!("{:016x}.wasm", key(&bytes)));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if kept.is_file() {
        println!("    {name}: optimised before, is reused");
    } else {
        println!("    {name}: is optimised (a minute or two)");
        let part = kept.with_extension("part");
        let mut run = place.command(optimiser);
        run.arg(LEVEL).args(FEATURES).arg(file).arg("-o").arg(&part);
        command::run(&mut run, "Remove npm's folder in the tools folder of the target folder and run this again.")?;
        fs::rename(&part, &kept).map_err(|error| Failure::file(&part, &error))?;
    }
    fs::copy(&kept, file).map(drop).map_err(|error| Failure::file(file, &error))
}

fn key(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (bytes, LEVEL, FEATURES).hash(&mut hasher);
    hasher.finish()
}
