//! Who judges a model's tokens: its router, what stands in for one, or nobody.

use citer_core::message::EngineInfo;
use citer_core::trace::{ENTROPY, Part};

/// What scores are from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judge {
    /// A router that was trained for the model.
    #[default]
    Router,
    /// The entropy of its next token, calibrated on the shipped pair.
    Entropy,
    /// Every score is 1.
    Nobody,
}

impl Judge {
    /// That of the engine.
    pub fn of(info: &EngineInfo) -> Self {
        match (info.has_router, info.by_entropy) {
            (true, _) => Self::Router,
            (false, true) => Self::Entropy,
            (false, false) => Self::Nobody,
        }
    }

    /// That of a finished answer, by the router that its record names.
    pub fn named(router: Option<&Part>) -> Self {
        match router {
            Some(part) if part.name == ENTROPY => Self::Entropy,
            _ => Self::Router,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_name_what_judged() {
        let part = |name: &str| Part { name: name.into(), hash: None };
        assert_eq!(Judge::named(Some(&part(ENTROPY))), Judge::Entropy);
        assert_eq!(Judge::named(Some(&part("citer-router"))), Judge::Router);
        assert_eq!(Judge::named(None), Judge::Router, "a record that names none may be another program's");
    }
}
