//! Versions: which one is pinned and which one a tool reports.

/// The version of `package` in the text of a `Cargo.lock`.
pub fn locked(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.next()?;
    Some(lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?.to_owned())
}

/// The version in what `tool --version` prints: its first word that starts with a digit.
pub fn reported(output: &str) -> Option<&str> {
    output.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lock_file_by_exact_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"9.9.9\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"registry\"\n";
        assert_eq!(locked(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(locked(lock, "wasm"), None);
        assert_eq!(locked("name = \"cut\"", "cut"), None);
    }

    #[test]
    fn reads_what_tools_report() {
        assert_eq!(reported("wasm-bindgen 0.2.130"), Some("0.2.130"));
        assert_eq!(reported("trunk 0.21.14\n"), Some("0.21.14"));
        assert_eq!(reported("wasm-bindgen 0.2.130 (abcdef012)"), Some("0.2.130"));
        assert_eq!(reported("unknown"), None);
    }

    #[test]
    fn this_workspace_pins_wasm_bindgen() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(locked(lock, "wasm-bindgen").is_some_and(|version| version.starts_with("0.2.")));
    }
}
