//! Presets: who is preferred for the next token, as users choose it.

use crate::settings::Mode;
use serde::{Deserialize, Serialize};

/// Who is preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// No request is made.
    LocalOnly,
    /// The LLM is asked where the router doubts: CITER.
    #[default]
    PreferLocal,
    /// The LLM is asked unless the router is nearly certain: a tenth of the usual doubt suffices.
    PreferRemote,
    /// The LLM is asked for every token.
    RemoteOnly,
}

impl Preset {
    /// Every preset, from local to remote.
    pub const ALL: [Self; 4] = [Self::LocalOnly, Self::PreferLocal, Self::PreferRemote, Self::RemoteOnly];

    /// Mode and threshold, given the threshold that the router's card recommends.
    pub fn apply(self, recommended: f32) -> (Mode, f32) {
        match self {
            Self::LocalOnly => (Mode::LocalOnly, recommended),
            Self::PreferLocal => (Mode::Router, recommended),
            Self::PreferRemote => (Mode::Router, 1.0 - 0.1 * (1.0 - recommended.clamp(0.0, 1.0))),
            Self::RemoteOnly => (Mode::RemoteOnly, recommended),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_preset_asks_at_least_as_often_as_the_one_before() {
        let asks = |preset: Preset, score: f32| {
            let (mode, threshold) = preset.apply(0.6);
            match mode {
                Mode::LocalOnly => false,
                Mode::Router => score < threshold,
                Mode::RemoteOnly => true,
            }
        };
        let counts = Preset::ALL.map(|preset| (0..=100).filter(|score| asks(preset, *score as f32 / 100.0)).count());
        assert_eq!(counts, [0, 60, 96, 101]);
    }
}
