//! Revival: what the page does when its engine worker dies. A new worker is started and the interrupted answer goes on
//! after the tokens that the page has; after deaths without a token between them it stays down.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Deaths in a row, without a new token or a finished load between them, after which the engine stays down.
const MOST: u32 = 3;
/// Milliseconds before the first new worker; doubled with every death in a row.
const FIRST_WAIT_MS: u32 = 250;

/// What ended a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The graphics device is gone: its driver restarted, or the browser took it away.
    DeviceLost,
    /// No memory is left, on the graphics device or in the worker.
    OutOfMemory,
    /// The graphics device refused a command.
    Validation,
    /// A fault in the program.
    Panic,
}

/// The end of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// What kind it was.
    pub cause: Cause,
    /// The worker's or the browser's own words.
    pub detail: String,
}

impl Death {
    /// Reads the cause out of the words of a panic, a trap or a graphics error.
    pub fn of(detail: &str) -> Self {
        let lower = detail.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let cause =
            if says(&["out of memory", "out-of-memory", "outofmemory", "allocation failed", "memory allocation"]) {
                Cause::OutOfMemory
            } else if says(&["device lost", "device is lost", "devicelost", "lost device", "device was destroyed"]) {
                Cause::DeviceLost
            } else if says(&["validation", "invalid buffer", "invalid bind group", "invalid command"]) {
                Cause::Validation
            } else {
                Cause::Panic
            };
        Self { cause, detail: detail.to_owned() }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.cause {
            Cause::DeviceLost => "the graphics device was lost",
            Cause::OutOfMemory => "the memory is used up",
            Cause::Validation => "the graphics device refused a command",
            Cause::Panic => "the engine stopped",
        };
        write!(f, "{words} ({})", self.detail)
    }
}

/// What to do after a death.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start a new worker after so many milliseconds. It loads, and then takes up the open answer.
    Restart {
        /// The wait.
        after_ms: u32,
    },
    /// Leave it down; says why and what the person can do.
    GiveUp(String),
}

/// Counts deaths. Tell it every sign of life, and every death.
#[derive(Clone, Debug, Default)]
pub struct Revival {
    in_a_row: u32,
}

impl Revival {
    /// The engine made a token: it works again.
    pub fn lives(&mut self) {
        self.in_a_row = 0;
    }

    /// The worker died.
    pub fn died(&mut self, death: &Death) -> Next {
        self.in_a_row += 1;
        if self.in_a_row < MOST {
            return Next::Restart { after_ms: FIRST_WAIT_MS << (self.in_a_row - 1) };
        }
        // The person may try again, and then counts anew.
        self.in_a_row = 0;
        let advice = match death.cause {
            Cause::OutOfMemory => "close other tabs or choose a smaller model, then restart it",
            Cause::DeviceLost => "restart it; if it happens again, restart the browser",
            Cause::Validation | Cause::Panic => "restart it; if that does not help, reload the page",
        };
        Next::GiveUp(format!("{death}, {MOST} times in a row: {advice}"))
    }
}

/// A failure on purpose, for tests of the page: `panic@7` panics once token 7 of an answer was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What happens.
    pub cause: Cause,
    /// After which token of an answer, counted from 0.
    pub at: usize,
}

impl Fault {
    /// Reads `panic@7` or `device-lost@7`.
    pub fn parse(text: &str) -> Option<Self> {
        let (cause, at) = text.split_once('@')?;
        let cause = match cause {
            "panic" => Cause::Panic,
            "device-lost" => Cause::DeviceLost,
            _ => return None,
        };
        Some(Self { cause, at: at.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_read_from_the_words() {
        for (words, cause) in [
            ("wgpu error: Out of Memory", Cause::OutOfMemory),
            ("memory allocation of 99 bytes failed", Cause::OutOfMemory),
            ("Buffer mapping failed: Device lost", Cause::DeviceLost),
            ("GPUDeviceLostInfo: device was destroyed", Cause::DeviceLost),
            ("wgpu error: Validation Error", Cause::Validation),
            ("RuntimeError: unreachable", Cause::Panic),
            ("", Cause::Panic),
        ] {
            let death = Death::of(words);
            assert_eq!(death.cause, cause, "{words}");
            assert!(death.to_string().contains(words), "{death}");
        }
    }

    #[test]
    fn deaths_in_a_row_wait_longer_and_end() {
        let mut revival = Revival::default();
        let death = Death::of("out of memory");
        assert_eq!(revival.died(&death), Next::Restart { after_ms: 250 });
        assert_eq!(revival.died(&death), Next::Restart { after_ms: 500 });
        let Next::GiveUp(words) = revival.died(&death) else { panic!("it never ends") };
        assert!(words.contains("smaller model") && words.contains("out of memory"), "{words}");
        // A restart by the person begins anew.
        assert_eq!(revival.died(&death), Next::Restart { after_ms: 250 });
    }

    #[test]
    fn an_engine_that_gets_on_may_die_as_often_as_it_likes() {
        let mut revival = Revival::default();
        for _ in 0..20 {
            assert_eq!(revival.died(&Death::of("unreachable")), Next::Restart { after_ms: 250 });
            revival.lives();
        }
    }

    #[test]
    fn faults_are_read_or_refused() {
        assert_eq!(Fault::parse("panic@7"), Some(Fault { cause: Cause::Panic, at: 7 }));
        assert_eq!(Fault::parse("device-lost@0"), Some(Fault { cause: Cause::DeviceLost, at: 0 }));
        for bad in ["", "panic", "panic@", "panic@-1", "sleep@3", "@3"] {
            assert_eq!(Fault::parse(bad), None, "{bad}");
        }
    }
}
