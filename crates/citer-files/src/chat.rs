//! The chat format: how a conversation becomes token ids, and which tokens end an answer.
//!
//! The shipped pair puts its control tokens between the turns; other models bring a chat template.

use crate::{chat_template::ChatTemplate, error::LoadError, tokenizer::Tokenizer};
use citer_core::{
    TokenId,
    message::{Role, Turn},
};
use std::sync::Arc;

/// Starts a turn of the person.
pub const USER: &str = "<|user|>";
/// Starts a turn of the assistant.
pub const ASSISTANT: &str = "<|assistant|>";
/// Ends a turn of the assistant.
pub const END: &str = "<|end|>";
/// All control tokens, in the order of their ids.
pub const CONTROL: [&str; 3] = [END, USER, ASSISTANT];

/// The shipped pair's format as a chat template, for other programs.
pub const TEMPLATE: &str = "
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim + '\\n\\n' %}{% set turns = messages[1:] %}
{%- else %}
    {%- set system = '' %}{% set turns = messages %}
{%- endif %}
{%- for message in turns %}
    {{- '<|' + message.role + '|>' + (system if loop.first else '') + message.content | trim }}
    {%- if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/// How a model's conversations are written.
#[derive(Clone, Debug)]
pub struct ChatFormat {
    turns: Turns,
    /// Whether a system prompt has a place of its own; otherwise it stands before the question that follows it.
    pub has_system: bool,
    /// Ends a turn of the assistant.
    pub end: TokenId,
    /// Ends a turn as well.
    others: Vec<TokenId>,
}

#[derive(Clone, Debug)]
enum Turns {
    Control { user: TokenId, assistant: TokenId },
    Template(Arc<ChatTemplate>),
}

impl ChatFormat {
    /// The shipped pair's format: looks the control tokens up.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, LoadError> {
        let turns = Turns::Control { user: tokenizer.token(USER)?, assistant: tokenizer.token(ASSISTANT)? };
        Ok(Self { turns, has_system: false, end: tokenizer.token(END)?, others: Vec::new() })
    }

    /// The format of a model with a chat template; any of `stops` ends an answer.
    pub fn from_template(template: ChatTemplate, stops: &[TokenId]) -> Result<Self, LoadError> {
        let missing =
            || LoadError::Template("no token ends an answer: generation_config.json has no eos_token_id".into());
        let (end, others) = stops.split_first().ok_or_else(missing)?;
        let has_system = template.takes_system();
        Ok(Self { turns: Turns::Template(Arc::new(template)), has_system, end: *end, others: others.to_vec() })
    }

    /// Whether `token` ends an answer.
    pub fn is_end(&self, token: TokenId) -> bool {
        token == self.end || self.others.contains(&token)
    }

    /// Token ids of a conversation, ending where the assistant's next turn begins. Nothing in a turn's text becomes a
    /// control token. A system prompt that the model has no place for is put before the question that follows it.
    pub fn prompt(&self, tokenizer: &Tokenizer, turns: &[Turn]) -> Result<Vec<TokenId>, LoadError> {
        let turns = &if self.has_system { turns.to_vec() } else { without_system(turns)? };
        let (user, assistant) = match &self.turns {
            Turns::Control { user, assistant } => (*user, *assistant),
            Turns::Template(template) => return templated(template, tokenizer, turns),
        };
        let mut ids = Vec::new();
        for turn in turns {
            ids.push(if turn.role == Role::User { user } else { assistant });
            ids.extend(tokenizer.encode(turn.content.trim())?);
            if turn.role == Role::Assistant {
                ids.push(self.end);
            }
        }
        ids.push(assistant);
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

/// The turns with every system prompt at the beginning of the question that follows it.
fn without_system(turns: &[Turn]) -> Result<Vec<Turn>, LoadError> {
    let (mut folded, mut system) = (Vec::with_capacity(turns.len()), String::new());
    for turn in turns {
        let content = turn.content.trim();
        match turn.role {
            Role::System if content.is_empty() => {}
            Role::System => system = format!("{system}{content}\n\n"),
            Role::User if !system.is_empty() => {
                folded.push(Turn { role: Role::User, content: std::mem::take(&mut system) + content });
            }
            Role::User | Role::Assistant => folded.push(turn.clone()),
        }
    }
    if system.is_empty() {
        return Ok(folded);
    }
    Err(LoadError::Template("a system prompt needs a question after it".into()))
}

/// Renders the turns and reads the control tokens that the template wrote, by their text.
fn templated(template: &ChatTemplate, tokenizer: &Tokenizer, turns: &[Turn]) -> Result<Vec<TokenId>, LoadError> {
    // A control token's text within a turn is broken up by a character that occurs in no turn, so that only those of
    // the template are left; the character goes before the text is read.
    let unused = |c: &char| turns.iter().all(|turn| !turn.content.contains(*c));
    let breaker = ('\u{e000}'..='\u{f8ff}').find(unused);
    let breaker = breaker.ok_or_else(|| LoadError::Template("a turn uses every private character".into()))?;
    let turns: Vec<Turn> = turns
        .iter()
        .map(|turn| Turn { role: turn.role, content: broken_up(&turn.content, tokenizer, breaker) })
        .collect();
    let text = template.render(&turns)?;
    let mut ids = Vec::new();
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(next) = rest.chars().next() {
        if let Some((control, id)) = tokenizer.control_token(rest) {
            ids.extend(tokenizer.encode(&std::mem::take(&mut plain))?);
            ids.push(id);
            rest = &rest[control.len()..];
        } else {
            if next != breaker {
                plain.push(next);
            }
            rest = &rest[next.len_utf8()..];
        }
    }
    ids.extend(tokenizer.encode(&plain)?);
    Ok(ids)
}

/// `text` with `breaker` after the first character of every control token's text.
fn broken_up(text: &str, tokenizer: &Tokenizer, breaker: char) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        out.push(c);
        if tokenizer.control_token(&text[at..]).is_some() {
            out.push(breaker);
        }
    }
    out
}
