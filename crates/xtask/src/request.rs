//! The request: what the command line asks for.

use crate::{failure::Failure, test::STEPS};

/// What `cargo xtask help` prints.
pub const HELP: &str = "\
Usage: cargo xtask COMMAND

  demo [--no-open]        build everything, serve the page and open it; Ctrl-C ends it
  test [--skip STEP]...   everything that must pass: lint, native, web, openai, e2e
  lint [--all]            formatting and clippy of the light crates; with --all of every crate
  build-web               the page and its engine in dist/
  e2e                     the browser test alone
  help                    this text

Tools that are missing are installed in the target folder; what is there is used again.";

/// A task with its options.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    Help,
    Demo { open: bool },
    Test { skip: Vec<String> },
    Lint { all: bool },
    BuildWeb,
    E2e,
}

impl Request {
    /// Reads the command line without the program's name.
    pub fn read(arguments: &[String]) -> Result<Self, Failure> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] | ["help" | "--help" | "-h"] => Ok(Self::Help),
            ["demo"] => Ok(Self::Demo { open: true }),
            ["demo", "--no-open"] => Ok(Self::Demo { open: false }),
            ["test", rest @ ..] => Ok(Self::Test { skip: skipped(rest)? }),
            ["lint"] => Ok(Self::Lint { all: false }),
            ["lint", "--all"] => Ok(Self::Lint { all: true }),
            ["build-web"] => Ok(Self::BuildWeb),
            ["e2e"] => Ok(Self::E2e),
            _ => Err(Failure::new(format!("`{}` is not a task.\n\n{HELP}", words.join(" ")))),
        }
    }
}

fn skipped(words: &[&str]) -> Result<Vec<String>, Failure> {
    words
        .chunks(2)
        .map(|pair| match pair {
            ["--skip", step] if STEPS.contains(step) => Ok((*step).to_owned()),
            _ => Err(Failure::new(format!("`{}`: write --skip and one of {}", pair.join(" "), STEPS.join(", ")))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, Failure> {
        Request::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn reads_tasks_and_flags() {
        assert_eq!(read(""), Ok(Request::Help));
        assert_eq!(read("demo --no-open"), Ok(Request::Demo { open: false }));
        let skip = vec!["lint".to_owned(), "e2e".to_owned()];
        assert_eq!(read("test --skip lint --skip e2e"), Ok(Request::Test { skip }));
        assert_eq!(read("lint --all"), Ok(Request::Lint { all: true }));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in ["deploy", "demo --now", "test --skip", "test --skip everything", "e2e extra"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
