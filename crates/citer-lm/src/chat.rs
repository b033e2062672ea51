//! The chat format of the shipped pair: which control tokens stand between the turns.

use crate::{error::LoadError, tokenizer::Tokenizer};
use citer_core::{
    TokenId,
    message::{Role, Turn},
};

/// Starts a turn of the person.
pub const USER: &str = "<|user|>";
/// Starts a turn of the assistant.
pub const ASSISTANT: &str = "<|assistant|>";
/// Ends a turn of the assistant.
pub const END: &str = "<|end|>";
/// All control tokens, in the order of their ids.
pub const CONTROL: [&str; 3] = [END, USER, ASSISTANT];

/// The control tokens' ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatFormat {
    user: TokenId,
    assistant: TokenId,
    /// Ends a turn of the assistant.
    pub end: TokenId,
}

impl ChatFormat {
    /// Looks the control tokens up.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, LoadError> {
        Ok(Self { user: tokenizer.token(USER)?, assistant: tokenizer.token(ASSISTANT)?, end: tokenizer.token(END)? })
    }

    /// Token ids of a conversation, ending where the assistant's next turn begins.
    pub fn prompt(&self, tokenizer: &Tokenizer, turns: &[Turn]) -> Result<Vec<TokenId>, LoadError> {
        let mut ids = Vec::new();
        for turn in turns {
            ids.push(if turn.role == Role::User { self.user } else { self.assistant });
            ids.extend(tokenizer.encode(turn.content.trim())?);
            if turn.role == Role::Assistant {
                ids.push(self.end);
            }
        }
        ids.push(self.assistant);
        Ok(ids)
    }

    /// Token ids of a conversation of one question.
    pub fn question(&self, tokenizer: &Tokenizer, question: &str) -> Result<Vec<TokenId>, LoadError> {
        self.prompt(tokenizer, &[Turn { role: Role::User, content: question.into() }])
    }

    /// Token ids of an answer with its end.
    pub fn answer(&self, tokenizer: &Tokenizer, answer: &str) -> Result<Vec<TokenId>, LoadError> {
        let mut ids = tokenizer.encode(answer)?;
        ids.push(self.end);
        Ok(ids)
    }
}
