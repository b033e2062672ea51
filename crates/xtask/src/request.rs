//! The request: what the command line asks for.

use crate::{failure::Failure, fuzz, load::Load, soak, test::STEPS};
use std::path::PathBuf;

/// What `cargo xtask help` prints.
pub const HELP: &str = "\
Usage: cargo xtask COMMAND

  demo [--no-open]        build everything, serve the page and open it; Ctrl-C ends it
  test [--skip STEP]...   everything that must pass: lint, native, fuzz, web, openai,
                          llama-cpp, e2e
  lint [--all]            formatting and clippy of the light crates; with --all of every crate
  fuzz [--seconds N]      hostile model files for every parser, N seconds (60) each
  soak [--minutes N]      faults over routed answers for N minutes (30); the report is tests/soak.json
  load [--sessions LIST] [--seconds N] [--rounds N]
                          our server and llama.cpp's under 1 to 256 conversations (1,4,16,64,256),
                          N seconds (6) and rounds (1) each, in JSON
  build-web               the page and its engine in dist/
  engine-size [VARIANT]...
                          size of the engine under other profiles and optimisers, and its parts, in
                          JSON: page, per-crate, thin, no-lto, small, level-2, level-3 (all; 5 to 10
                          minutes each)
  shell [FOLDER]          what Trunk runs after a build: makes the page in FOLDER (dist) installable
  e2e                     the browser test alone
  memory                  peak memory while the browser downloads and loads a model of 600 MB, in JSON
  help                    this text

Tools that are missing are installed in the target folder; what is there is used again.";

/// A task with its options.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    Help,
    Demo { open: bool },
    Test { skip: Vec<String> },
    Lint { all: bool },
    Fuzz { seconds: u32 },
    Soak { minutes: u32 },
    Load(Load),
    BuildWeb,
    EngineSize { variants: Vec<String> },
    Shell { folder: PathBuf },
    E2e,
    Memory,
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
            ["fuzz"] => Ok(Self::Fuzz { seconds: fuzz::LONG }),
            ["fuzz", "--seconds", number] => match number.parse() {
                Ok(seconds) if seconds > 0 => Ok(Self::Fuzz { seconds }),
                _ => Err(Failure::new(format!("`{number}`: write a number of seconds from 1"))),
            },
            ["shell"] => Ok(Self::Shell { folder: staging() }),
            ["shell", folder] => Ok(Self::Shell { folder: folder.into() }),
            ["soak"] => Ok(Self::Soak { minutes: soak::LONG }),
            ["soak", "--minutes", number] => match number.parse() {
                Ok(minutes) if minutes > 0 => Ok(Self::Soak { minutes }),
                _ => Err(Failure::new(format!("`{number}`: write a number of minutes from 1"))),
            },
            ["load", rest @ ..] => Ok(Self::Load(load(rest)?)),
            ["build-web"] => Ok(Self::BuildWeb),
            ["engine-size", variants @ ..] => {
                Ok(Self::EngineSize { variants: variants.iter().map(|name| (*name).to_owned()).collect() })
            }
            ["e2e"] => Ok(Self::E2e),
            ["memory"] => Ok(Self::Memory),
            _ => Err(Failure::new(format!("`{}` is not a task.\n\n{HELP}", words.join(" ")))),
        }
    }
}

/// Where Trunk has put what it built, when it asks.
fn staging() -> PathBuf {
    std::env::var_os("TRUNK_STAGING_DIR").map_or_else(|| "dist".into(), PathBuf::from)
}

fn load(words: &[&str]) -> Result<Load, Failure> {
    let mut load = Load::default();
    for pair in words.chunks(2) {
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        let wrong = || Failure::new(format!("`{}`: write --sessions 1,4, --seconds 6 or --rounds 1", pair.join(" ")));
        match pair {
            ["--sessions", list] if list.split(',').all(|one| number(one).is_some()) => load.sessions = (*list).into(),
            ["--seconds", text] => load.seconds = number(text).ok_or_else(wrong)?,
            ["--rounds", text] => load.rounds = number(text).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        }
    }
    Ok(load)
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
        assert_eq!(read("load"), Ok(Request::Load(Load::default())));
        let some = Load { sessions: "1,8".into(), seconds: 2, ..Load::default() };
        assert_eq!(read("load --sessions 1,8 --seconds 2"), Ok(Request::Load(some)));
        assert!(read("load --sessions 1,x").is_err() && read("load --seconds").is_err());
        assert_eq!(read("demo --no-open"), Ok(Request::Demo { open: false }));
        let skip = vec!["lint".to_owned(), "e2e".to_owned()];
        assert_eq!(read("test --skip lint --skip e2e"), Ok(Request::Test { skip }));
        assert_eq!(read("shell made"), Ok(Request::Shell { folder: "made".into() }));
        assert_eq!(read("engine-size thin"), Ok(Request::EngineSize { variants: vec!["thin".into()] }));
        assert_eq!(read("lint --all"), Ok(Request::Lint { all: true }));
        assert_eq!(read("soak"), Ok(Request::Soak { minutes: 30 }));
        assert_eq!(read("soak --minutes 2"), Ok(Request::Soak { minutes: 2 }));
        assert_eq!(read("fuzz --seconds 5"), Ok(Request::Fuzz { seconds: 5 }));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in [
            "deploy",
            "demo --now",
            "test --skip",
            "test --skip everything",
            "e2e extra",
            "fuzz --seconds 0",
            "soak --minutes x",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
