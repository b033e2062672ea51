//! What `ask` and `chat` share of how a model is to answer: its system prompt and how tokens are drawn.

use crate::Failure;
use citer_core::Sampling;
use citer_core::message::{Role, Turn};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

#[derive(clap::Args)]
pub struct Manner {
    /// What the models are told before the first question.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// 0 takes the most likely token, 1 draws from the models' own probabilities, up to 2.
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Only the most likely tokens that together reach this probability can be drawn.
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Seed of what is drawn; another one for every answer if it is left out.
    #[arg(long)]
    seed: Option<u64>,
}

impl Manner {
    /// How the next answer is drawn.
    pub fn sampling(&self) -> Result<Sampling, Failure> {
        let sampling = Sampling { temperature: self.temperature, top_p: self.top_p, seed: 0 };
        sampling.check()?;
        // Of 53 bits, so that it can be typed again everywhere.
        let any = || RandomState::new().build_hasher().finish() >> 11;
        Ok(if sampling.draws() { Sampling { seed: self.seed.unwrap_or_else(any), ..sampling } } else { sampling })
    }

    /// The turns before the first question.
    pub fn turns(&self) -> Vec<Turn> {
        let system = self.system.as_deref().map(str::trim).filter(|system| !system.is_empty());
        system.map(|system| Turn { role: Role::System, content: system.into() }).into_iter().collect()
    }

    /// Says so where the model has no place of its own for a system prompt.
    pub fn warn(&self, has_system: bool) {
        if !has_system && !self.turns().is_empty() {
            eprintln!("this model was trained without a system prompt: it stands before the first question");
        }
    }
}

/// How an answer can be drawn again, for its summary; nothing where it is greedy.
pub fn summary(sampling: &Sampling) -> String {
    let Sampling { temperature, top_p, seed } = sampling;
    match sampling.draws() {
        true => format!("drawn at temperature {temperature}, top-p {top_p}, seed {seed}\n"),
        false => String::new(),
    }
}
