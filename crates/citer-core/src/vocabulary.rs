//! The vocabulary: what the local tokenizer knows, for servers that have another one or take text only.

use crate::event::TokenId;

/// Tokens as bytes and text. The history of a conversation is never encoded again: only what a server says newly is.
pub trait Vocabulary {
    /// The bytes that `token` stands for; empty for control tokens.
    fn bytes(&self, token: TokenId) -> Vec<u8>;

    /// How a control token is written; `None` for every other token.
    fn control(&self, token: TokenId) -> Option<String>;

    /// The control token that is written exactly `text`.
    fn control_token(&self, text: &str) -> Option<TokenId>;

    /// Tokens of a piece of plain text; empty when it has none.
    fn encode(&self, text: &str) -> Vec<TokenId>;

    /// The token that stands for one byte.
    fn byte_token(&self, byte: u8) -> Option<TokenId>;

    /// The token that ends a turn.
    fn end(&self) -> TokenId;

    /// SHA-256 of the tokenizer's file, which names the vocabulary.
    fn sha256(&self) -> String;
}
