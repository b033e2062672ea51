//! Log probabilities in OpenAI's two shapes: parallel lists for completions, a list of objects for chat.

use crate::generation::Token;
use citer_core::TokenId;
use serde_json::{Map, Value, json};

/// OpenAI's stand-in for minus infinity, which JSON cannot write.
const LEAST: f32 = -9999.0;

/// `logprobs` of a completion: `tokens`, `token_logprobs`, `top_logprobs`, `text_offset`.
pub(crate) fn completion(tokens: &[Token], as_ids: bool) -> Value {
    let top = |token: &Token| {
        let mut best = Map::new();
        for (id, bytes, logprob) in &token.top {
            // Two tokens may have the same text; the likelier one is first and stays.
            best.entry(name(*id, bytes, as_ids)).or_insert_with(|| number(*logprob));
        }
        Value::Object(best)
    };
    json!({
        "tokens": tokens.iter().map(|token| text(token.id, &token.bytes, as_ids)).collect::<Vec<_>>(),
        "token_logprobs": tokens.iter().map(|token| number(token.logprob)).collect::<Vec<_>>(),
        "top_logprobs": tokens.iter().map(top).collect::<Vec<_>>(),
        "text_offset": tokens.iter().map(|token| token.offset).collect::<Vec<_>>(),
    })
}

/// `logprobs` of a chat completion: `content`, a list of tokens with their bytes and candidates.
pub(crate) fn chat(tokens: &[Token], as_ids: bool) -> Value {
    let entry = |id: TokenId, bytes: &[u8], logprob: f32| json!({"token": text(id, bytes, as_ids), "logprob": number(logprob), "bytes": bytes});
    let content = tokens.iter().map(|token| {
        let mut object = entry(token.id, &token.bytes, token.logprob);
        object["top_logprobs"] = token.top.iter().map(|(id, bytes, logprob)| entry(*id, bytes, *logprob)).collect();
        object
    });
    json!({"content": content.collect::<Vec<_>>(), "refusal": null})
}

/// A token as text; control tokens have none.
fn text(id: TokenId, bytes: &[u8], as_ids: bool) -> String {
    if as_ids {
        return format!("token_id:{id}");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // OpenAI's way to write a part of a character.
        Err(_) => bytes.iter().fold("bytes:".to_owned(), |all, byte| all + &format!("\\x{byte:02x}")),
    }
}

/// A token as the key of a map, where control tokens need a name too.
fn name(id: TokenId, bytes: &[u8], as_ids: bool) -> String {
    text(id, bytes, as_ids || bytes.is_empty())
}

/// A log probability as JSON can write it.
pub(crate) fn number(logprob: f32) -> Value {
    json!(if logprob.is_finite() { logprob } else { LEAST })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_token_has_a_name() {
        assert_eq!(text(5, b" a", false), " a");
        assert_eq!(text(5, b" a", true), "token_id:5");
        assert_eq!(text(5, &[0xF0, 0x9F], false), "bytes:\\xf0\\x9f");
        assert_eq!((text(0, b"", false), name(0, b"", false)), (String::new(), "token_id:0".into()));
    }

    #[test]
    fn minus_infinity_is_a_number() {
        assert_eq!(number(f32::NEG_INFINITY), json!(-9999.0));
    }
}
