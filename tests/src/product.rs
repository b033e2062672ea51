//! The built product: where the task runner put the program, the page and the shipped pair.

use std::{env, path::PathBuf};

/// The program `citer`.
pub fn citer() -> PathBuf {
    told("CITER_BIN")
}

/// The built page.
pub fn dist() -> PathBuf {
    told("CITER_DIST")
}

/// The shipped pair.
pub fn models() -> PathBuf {
    told("CITER_MODELS")
}

/// Where screenshots go.
pub fn shots() -> PathBuf {
    told("CITER_SHOTS")
}

/// The path in an environment variable.
pub fn told(variable: &str) -> PathBuf {
    let value = env::var_os(variable);
    value
        .unwrap_or_else(|| panic!("{variable} is not set: run this test by `cargo xtask e2e` or `cargo xtask test`"))
        .into()
}
