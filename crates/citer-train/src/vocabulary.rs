//! The shared vocabulary: one byte-level BPE trained on the suite's training questions.

use crate::error::TrainError;
use citer_lm::chat::CONTROL;
use citer_tasks::{Family, question};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

/// What no token reaches beyond: a letter in brackets, a word, up to two digits, other signs, spaces.
const PIECES: &str = r" ?\([A-D]\)| ?\p{L}+| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+";

/// Trains a tokenizer of at most `size` tokens on `per_family` questions of every family and returns tokenizer.json.
///
/// A number of up to two digits, with the space before it, is one token, and so is a choice's letter in brackets: what
/// a model computes or looks up is decided in one step, and the router sees that step as one token.
pub fn train(size: usize, per_family: u64, seed: u64) -> Result<String, TrainError> {
    let fail = |e: tokenizers::Error| TrainError::Tokenizer(e.to_string());
    let byte_level = ByteLevel::new(false, true, false);
    let pieces =
        Split::new(SplitPattern::Regex(PIECES.into()), SplitDelimiterBehavior::Isolated, false).map_err(fail)?;
    let steps = vec![PreTokenizerWrapper::from(pieces), byte_level.into()];
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    tokenizer.with_decoder(Some(byte_level));
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(CONTROL.iter().map(|token| AddedToken::from(*token, true)).collect())
        .build()
        .into();
    let texts = Family::ALL.into_iter().flat_map(|family| {
        (0..per_family).flat_map(move |index| {
            let question = question(family, citer_tasks::Split::Train, seed, index);
            [question.prompt, question.solution]
        })
    });
    tokenizer.train(&mut trainer, texts).map_err(fail)?;
    tokenizer.to_string(false).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives_and_small_numbers_are_one_token() {
        let json = train(600, 200, 1).unwrap();
        assert_eq!(json, train(600, 200, 1).unwrap(), "training is deterministic");
        let tokenizer = citer_lm::Tokenizer::from_json(json.as_bytes()).unwrap();
        for text in ["The answer is 42.", " two  spaces", "Grüße, 世界 🎉", "<|end|> is text here"] {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&ids), text);
        }
        for (text, tokens) in [(" 12", 1), (" (B)", 1), (" 7 (C)", 2)] {
            assert_eq!(tokenizer.encode(text).unwrap().len(), tokens, "{text}");
        }
        let end = tokenizer.token("<|end|>").unwrap();
        assert!(!tokenizer.encode("<|end|>").unwrap().contains(&end), "typed control tokens stay text");
    }
}
