//! A probe: what a served LLM answers to fixed questions, which tells it from another one that is served under the same
//! name.
//!
//! Servers compute with other numbers of bits, in other batches and from other caches, so the probabilities of one LLM
//! vary a little: they are compared within a bound, and tokens wherever the choice between them is clear.

use crate::{error::TrainError, teacher::Reply};
use citer_core::TokenId;
use citer_lm::hash::sha256;
use citer_lm::{Tokenizer, chat::ChatFormat};
use serde::{Deserialize, Serialize};

/// What is asked: one answer that most models know and one that each makes up.
const QUESTIONS: [&str; 2] = ["What is 17 + 25?", "Which word comes to your mind first?"];
/// Tokens of each answer.
const TOKENS: usize = 12;
/// The most that probabilities of one LLM vary.
const NOISE: f32 = 0.05;

/// A token with the candidates named there, best first.
type Named = (TokenId, Vec<(TokenId, f32)>);

/// An LLM's answers to the fixed questions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe(Vec<Vec<Named>>);

impl Probe {
    /// The fixed questions as token ids.
    pub fn prompts(tokenizer: &Tokenizer) -> Result<Vec<Vec<TokenId>>, TrainError> {
        let format = ChatFormat::new(tokenizer)?;
        QUESTIONS.iter().map(|question| Ok(format.question(tokenizer, question)?)).collect()
    }

    /// Asks an LLM.
    pub fn of(
        prompts: &[Vec<TokenId>],
        ask: impl Fn(&[TokenId], usize) -> Result<Reply, TrainError>,
    ) -> Result<Self, TrainError> {
        prompts.iter().map(|prompt| Ok(ask(prompt, TOKENS)?.tokens)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether both are answers of one LLM.
    pub fn same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| agree(a, b))
    }

    /// A short name of the answers' tokens.
    pub fn name(&self) -> String {
        let mut bytes = Vec::new();
        for reply in &self.0 {
            bytes.extend_from_slice(&(reply.len() as u64).to_le_bytes());
            bytes.extend(reply.iter().flat_map(|(token, _)| token.to_le_bytes()));
        }
        sha256(&bytes)[..12].to_owned()
    }
}

/// Whether two answers are of one LLM, up to the first place where its choice is no clear one.
fn agree(a: &[Named], b: &[Named]) -> bool {
    for ((mine, top), (theirs, other)) in a.iter().zip(b) {
        let both = top.iter().filter_map(|(id, p)| Some((*p, chance(other, *id)?)));
        if both.into_iter().any(|(p, q)| (p - q).abs() > NOISE) {
            return false;
        }
        if mine != theirs {
            let tie = |list: &[(TokenId, f32)]| {
                chance(list, *mine).zip(chance(list, *theirs)).is_some_and(|(p, q)| (p - q).abs() <= 2.0 * NOISE)
            };
            return tie(top) || tie(other);
        }
    }
    a.len() == b.len()
}

fn chance(top: &[(TokenId, f32)], id: TokenId) -> Option<f32> {
    top.iter().find(|(other, _)| *other == id).map(|(_, probability)| *probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(answers: &[&[(TokenId, f32, TokenId, f32)]]) -> Probe {
        let named = |&(token, p, second, q): &(TokenId, f32, TokenId, f32)| (token, vec![(token, p), (second, q)]);
        Probe(answers.iter().map(|answer| answer.iter().map(named).collect()).collect())
    }

    #[test]
    fn one_llm_may_vary_a_little_and_another_one_is_told_from_it() {
        let one = probe(&[&[(5, 0.9, 6, 0.05), (7, 0.48, 8, 0.46), (9, 0.99, 1, 0.0)]]);
        assert!(one.same(&one));
        assert!(one.same(&probe(&[&[(5, 0.88, 6, 0.06), (7, 0.47, 8, 0.46), (9, 0.97, 1, 0.0)]])));
        // A near tie may fall either way, and what follows is then another answer.
        assert!(one.same(&probe(&[&[(5, 0.9, 6, 0.05), (8, 0.47, 7, 0.46), (3, 0.7, 2, 0.1)]])));
        for other in [
            probe(&[&[(5, 0.7, 6, 0.2), (7, 0.48, 8, 0.46), (9, 0.99, 1, 0.0)]]),
            probe(&[&[(6, 0.9, 5, 0.05), (7, 0.48, 8, 0.46), (9, 0.99, 1, 0.0)]]),
            probe(&[&[(5, 0.9, 6, 0.05), (7, 0.48, 8, 0.46)]]),
            probe(&[]),
        ] {
            assert!(!one.same(&other) && !other.same(&one), "{other:?}");
        }
        // Where a server names no candidates the tokens alone decide.
        let bare = |ids: &[TokenId]| Probe(vec![ids.iter().map(|id| (*id, Vec::new())).collect()]);
        assert!(bare(&[1, 2]).same(&bare(&[1, 2])) && !bare(&[1, 2]).same(&bare(&[1, 3])));
    }

    #[test]
    fn names_follow_the_tokens() {
        let one = probe(&[&[(5, 0.9, 6, 0.05)], &[]]);
        assert_eq!(one.name(), probe(&[&[(5, 0.5, 6, 0.2)], &[]]).name());
        assert_ne!(one.name(), probe(&[&[], &[(5, 0.9, 6, 0.05)]]).name());
    }
}
