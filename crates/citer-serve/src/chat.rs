//! `POST /v1/chat/completions`: answers a conversation.

use crate::{
    answer::Kind, error::ApiError, fields::Fields, generation::Prompt, meter::Meter, options::Options, server::Shared,
    stream,
};
use axum::{
    Extension,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::Response,
};
use citer_core::message::{Role, Turn};
use serde_json::{Value, json};
use std::sync::Arc;

/// Most candidates per token, as OpenAI has it.
const MAX_TOP_LOGPROBS: usize = 20;

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(meter): Extension<Arc<Meter>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let fields = Fields::received(body)?;
    fields.refuse(&[
        ("tools", &[json!([])]),
        ("functions", &[json!([])]),
        ("response_format", &[json!({"type": "text"})]),
    ])?;
    let limit = shared.max_tokens;
    let old = fields.integer("max_tokens", 1..=limit)?;
    let max_tokens = fields.integer("max_completion_tokens", 1..=limit)?.or(old).unwrap_or(limit);
    let top = fields.integer("top_logprobs", 0..=MAX_TOP_LOGPROBS)?;
    let logprobs = match (fields.flag("logprobs")?, top) {
        (true, top) => Some(top.unwrap_or(0)),
        (false, None | Some(0)) => None,
        (false, Some(_)) => return Err(ApiError::field("top_logprobs", "needs logprobs to be true")),
    };
    let options = Options::read(&fields, &shared, max_tokens, logprobs)?;
    stream::respond(&shared, meter, Kind::Chat, Prompt::Conversation(turns(&fields)?), options).await
}

/// The turns. Instructions before the first question are the system prompt; later ones go in front of the question that
/// follows them.
fn turns(fields: &Fields) -> Result<Vec<Turn>, ApiError> {
    let Some(Value::Array(messages)) = fields.get("messages") else {
        return Err(ApiError::field("messages", "must be a list of messages"));
    };
    let (mut turns, mut instructions) = (Vec::new(), String::new());
    for (place, message) in messages.iter().enumerate() {
        let name = |field: &str| format!("messages[{place}].{field}");
        let mut content = content(&message["content"], &name("content"))?;
        let role = match message["role"].as_str() {
            Some("system" | "developer") => {
                instructions.push_str(&content);
                instructions.push_str("\n\n");
                continue;
            }
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            _ => return Err(ApiError::field(&name("role"), "must be user, assistant or system")),
        };
        if role == Role::User && !instructions.is_empty() {
            let instructions = std::mem::take(&mut instructions);
            if turns.is_empty() {
                turns.push(Turn { role: Role::System, content: instructions.trim().into() });
            } else {
                content.insert_str(0, &instructions);
            }
        }
        turns.push(Turn { role, content });
    }
    match turns.last() {
        Some(Turn { role: Role::User, .. }) if instructions.is_empty() => Ok(turns),
        _ => Err(ApiError::field("messages", "must end with a user message")),
    }
}

fn content(value: &Value, name: &str) -> Result<String, ApiError> {
    let complaint = || ApiError::field(name, "must be a string or a list of parts of type text");
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            let text = |part: &Value| match part["type"].as_str() {
                Some("text") => part["text"].as_str().map(str::to_owned),
                _ => None,
            };
            parts.iter().map(|part| text(part).ok_or_else(complaint)).collect()
        }
        _ => Err(complaint()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(messages: Value) -> Result<Vec<(Role, String)>, ApiError> {
        let fields = Fields::parse(json!({"messages": messages}).to_string().as_bytes()).unwrap();
        turns(&fields).map(|turns| turns.into_iter().map(|turn| (turn.role, turn.content)).collect())
    }

    #[test]
    fn instructions_are_the_system_prompt_or_join_the_question_after_them() {
        let turns = read(json!([
            {"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"},
            {"role": "system", "content": "Now rhyme."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ]));
        let expected = [
            (Role::System, "Be brief.\n\nBe kind."),
            (Role::User, "Hi"),
            (Role::Assistant, "Yes?"),
            (Role::User, "Now rhyme.\n\nab"),
        ];
        assert_eq!(turns.unwrap(), expected.map(|(role, text)| (role, text.to_owned())));
    }

    #[test]
    fn unusable_conversations_are_refused() {
        for messages in [
            json!(null),
            json!([]),
            json!(["hi"]),
            json!([{"role": "user"}]),
            json!([{"role": "tool", "content": "x"}]),
            json!([{"role": "user", "content": [{"type": "image_url"}]}]),
            json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]),
            json!([{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]),
        ] {
            assert!(read(messages.clone()).is_err(), "{messages}");
        }
    }
}
