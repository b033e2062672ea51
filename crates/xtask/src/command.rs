//! Running programs: shown before they run, with advice when they fail.

use crate::failure::Failure;
use std::process::{Command, Stdio};

/// Runs a program with its output on the terminal; `advice` ends the message of a failure.
pub fn run(command: &mut Command, advice: &str) -> Result<(), Failure> {
    let line = line(command);
    println!("    $ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("`{line}` failed ({status}).\n{advice}"))),
        Err(error) => Err(Failure::new(format!("`{line}` could not be started ({error}).\n{advice}"))),
    }
}

/// What a program prints, trimmed; `None` when it is missing or fails.
pub fn read(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program is there and succeeds.
pub fn succeeds(command: &mut Command) -> bool {
    read(command).is_some()
}

fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_the_advice() {
        let failure = run(Command::new("no-such-program").arg("now"), "Install it.").map_err(|error| error.to_string());
        let message = failure.expect_err("the program does not exist");
        assert!(message.contains("`no-such-program now`") && message.ends_with("Install it."), "{message}");
        assert_eq!(read(&mut Command::new("no-such-program")), None);
    }
}
