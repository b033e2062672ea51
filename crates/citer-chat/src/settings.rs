//! The settings of a conversation: its system prompt and how tokens are drawn, and the form in which they are typed.

use citer_core::Sampling;
use serde::{Deserialize, Serialize};

/// Longest system prompt, in bytes.
pub const LONGEST_SYSTEM: usize = 100_000;
/// Highest seed that is typed or drawn: JavaScript can still count that far.
pub const HIGHEST_SEED: u64 = (1 << 53) - 1;

/// What holds for the answers of a conversation that are still to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationSettings {
    /// What the models are told before the first question; empty for nothing.
    pub system: String,
    /// As in [`Sampling`].
    pub temperature: f32,
    /// As in [`Sampling`].
    pub top_p: f32,
    /// The seed of every answer; without one each answer gets its own.
    pub seed: Option<u64>,
}

impl Default for ConversationSettings {
    fn default() -> Self {
        let Sampling { temperature, top_p, .. } = Sampling::GREEDY;
        Self { system: String::new(), temperature, top_p, seed: None }
    }
}

impl ConversationSettings {
    /// How the next answer is drawn, with `fresh` as its seed unless one is fixed.
    pub fn sampling(&self, fresh: u64) -> Sampling {
        let sampling = Sampling { temperature: self.temperature, top_p: self.top_p, seed: 0 };
        match sampling.check() {
            Ok(()) if sampling.draws() => Sampling { seed: self.seed.unwrap_or(fresh), ..sampling },
            // Greedy answers need no seed, and what a damaged file says is not used.
            _ => Sampling::GREEDY,
        }
    }
}

/// The settings as they are typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The system prompt.
    pub system: String,
    /// A number.
    pub temperature: String,
    /// A number.
    pub top_p: String,
    /// A whole number, or nothing.
    pub seed: String,
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The system prompt.
    System,
    /// The temperature.
    Temperature,
    /// The nucleus.
    TopP,
    /// The seed.
    Seed,
}

/// What is wrong with a field and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Which field.
    pub field: Field,
    /// For people.
    pub words: String,
}

impl From<&ConversationSettings> for Form {
    fn from(settings: &ConversationSettings) -> Self {
        Self {
            system: settings.system.clone(),
            temperature: settings.temperature.to_string(),
            top_p: settings.top_p.to_string(),
            seed: settings.seed.map(|seed| seed.to_string()).unwrap_or_default(),
        }
    }
}

impl Form {
    /// The settings that are typed.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn read(&self) -> Result<ConversationSettings, Wrong> {
        let system = self.system.trim();
        if system.len() > LONGEST_SYSTEM {
            let words = format!("the system prompt has {} bytes: shorten it to {LONGEST_SYSTEM}", system.len());
            return Err(Wrong { field: Field::System, words });
        }
        let temperature = number(&self.temperature, Field::Temperature, "the temperature")?;
        let top_p = number(&self.top_p, Field::TopP, "top-p")?;
        let seed = match self.seed.trim() {
            "" => None,
            typed => {
                let seed = typed.parse().ok().filter(|seed| *seed <= HIGHEST_SEED);
                let words = || format!("the seed is {typed}: type a whole number from 0 to {HIGHEST_SEED}, or nothing");
                Some(seed.ok_or_else(|| Wrong { field: Field::Seed, words: words() })?)
            }
        };
        let check =
            |sampling: Sampling, field| sampling.check().map_err(|error| Wrong { field, words: error.to_string() });
        check(Sampling { temperature, ..Sampling::GREEDY }, Field::Temperature)?;
        check(Sampling { top_p, ..Sampling::GREEDY }, Field::TopP)?;
        Ok(ConversationSettings { system: system.to_owned(), temperature, top_p, seed })
    }
}

/// A number with a point or a comma.
fn number(typed: &str, field: Field, name: &str) -> Result<f32, Wrong> {
    let number = typed.trim().replace(',', ".").parse::<f32>().ok();
    let words = || match typed.trim() {
        "" => format!("{name} is empty: type a number"),
        typed => format!("{name} is {typed}: type a number such as 0.7"),
    };
    number.ok_or_else(|| Wrong { field, words: words() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(temperature: &str, top_p: &str, seed: &str) -> Form {
        Form { system: " Be brief.\n".into(), temperature: temperature.into(), top_p: top_p.into(), seed: seed.into() }
    }

    #[test]
    fn what_is_typed_is_read_and_written_again() {
        let read = form("0,7", " 0.9 ", "12").read().unwrap();
        let expected =
            ConversationSettings { system: "Be brief.".into(), temperature: 0.7, top_p: 0.9, seed: Some(12) };
        assert_eq!(read, expected);
        assert_eq!(Form::from(&read).read().unwrap(), read);
        assert_eq!(Form::from(&ConversationSettings::default()).read().unwrap(), ConversationSettings::default());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let wrong = |form: Form| {
            let Wrong { field, words } = form.read().unwrap_err();
            (field, words)
        };
        for (typed, part) in [("", "empty"), ("warm", "warm"), ("2.5", "2.5"), ("-1", "-1"), ("NaN", "NaN")] {
            let (field, words) = wrong(form(typed, "1", ""));
            assert!(field == Field::Temperature && words.contains(part), "{words}");
        }
        for typed in ["0", "1.01", "x"] {
            assert_eq!(wrong(form("1", typed, "")).0, Field::TopP);
        }
        for typed in ["-1", "1.5", "9007199254740992", "x"] {
            assert_eq!(wrong(form("1", "1", typed)).0, Field::Seed);
        }
        let long = Form { system: "x".repeat(LONGEST_SYSTEM + 1), ..form("1", "1", "") };
        assert_eq!(wrong(long).0, Field::System);
    }

    #[test]
    fn a_fixed_seed_stays_and_otherwise_every_answer_has_its_own() {
        let settings = ConversationSettings { temperature: 1.0, ..ConversationSettings::default() };
        assert_eq!((settings.sampling(5).seed, settings.sampling(6).seed), (5, 6));
        let fixed = ConversationSettings { seed: Some(9), ..settings.clone() };
        assert_eq!((fixed.sampling(5).seed, fixed.sampling(6).seed), (9, 9));
        let greedy = ConversationSettings { seed: Some(9), ..ConversationSettings::default() };
        assert_eq!(greedy.sampling(5), Sampling::GREEDY);
        assert_eq!(ConversationSettings { top_p: 7.0, ..settings }.sampling(5), Sampling::GREEDY);
    }
}
