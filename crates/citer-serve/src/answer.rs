//! Answers: a generation written as OpenAI's JSON, whole or in chunks, for both endpoints.

use crate::{
    generation::{Finish, Token},
    logprobs,
    options::{Options, Output},
};
use citer_core::TokenId;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Which endpoint's words to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Completion,
    Chat,
}

impl Kind {
    /// The endpoint's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Completion => "/v1/completions",
            Self::Chat => "/v1/chat/completions",
        }
    }
}

/// What all parts of one answer share.
pub(crate) struct Answer {
    kind: Kind,
    id: String,
    created: u64,
    model: String,
    logprobs: bool,
    output: Output,
    prompt: Vec<TokenId>,
    cached: usize,
}

impl Answer {
    pub fn new(kind: Kind, model: &str, options: &Options, prompt: Vec<TokenId>, cached: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let created = now();
        let prefix = if kind == Kind::Chat { "chatcmpl" } else { "cmpl" };
        let id = format!("{prefix}-{created}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (logprobs, output) = (options.logprobs.is_some(), options.output);
        Self { kind, id, created, model: model.into(), logprobs, output, prompt, cached }
    }

    /// The whole answer.
    pub fn whole(&self, text: &str, tokens: &[Token], finish: Finish) -> Value {
        let mut choice = match self.kind {
            Kind::Completion => json!({"text": text}),
            Kind::Chat => json!({"message": {"role": "assistant", "content": text, "refusal": null}}),
        };
        self.fill(&mut choice, tokens, Some(finish));
        let mut answer = self.frame(false, json!([choice]));
        answer["usage"] = self.usage(tokens.len());
        self.add_prompt(&mut answer);
        answer
    }

    /// The chunk before the first token. A chat names the role there; others have one only to give the prompt's ids.
    pub fn opening(&self) -> Option<Value> {
        if self.kind == Kind::Completion && !self.output.token_ids {
            return None;
        }
        let mut chunk = self.chunk("", &[], None);
        if self.kind == Kind::Chat {
            chunk["choices"][0]["delta"] = json!({"role": "assistant", "content": ""});
        }
        self.add_prompt(&mut chunk);
        Some(chunk)
    }

    /// A chunk with what one token brought; `None` when it would say nothing.
    pub fn token(&self, token: &Token) -> Option<Value> {
        let silent = token.text.is_empty() && !self.logprobs && !self.output.token_ids;
        (!silent).then(|| self.chunk(&token.text, std::slice::from_ref(token), None))
    }

    /// The last chunks: the rest of the text with the reason to end, and the usage when asked.
    pub fn ending(&self, rest: &str, generated: usize, finish: Finish) -> Vec<Value> {
        let mut chunks = vec![self.chunk(rest, &[], Some(finish))];
        if self.output.include_usage {
            let mut usage = self.frame(true, json!([]));
            usage["usage"] = self.usage(generated);
            chunks.push(usage);
        }
        chunks
    }

    fn chunk(&self, text: &str, tokens: &[Token], finish: Option<Finish>) -> Value {
        let mut choice = match self.kind {
            Kind::Completion => json!({"text": text}),
            Kind::Chat if text.is_empty() => json!({"delta": {}}),
            Kind::Chat => json!({"delta": {"content": text}}),
        };
        self.fill(&mut choice, tokens, finish);
        let mut chunk = self.frame(true, json!([choice]));
        if self.output.include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn fill(&self, choice: &mut Value, tokens: &[Token], finish: Option<Finish>) {
        choice["index"] = json!(0);
        choice["finish_reason"] = json!(finish.map(Finish::word));
        choice["logprobs"] = match self.kind {
            _ if !self.logprobs || tokens.is_empty() => Value::Null,
            Kind::Completion => logprobs::completion(tokens, self.output.tokens_as_ids),
            Kind::Chat => logprobs::chat(tokens, self.output.tokens_as_ids),
        };
        if self.output.token_ids {
            choice["token_ids"] = tokens.iter().map(|token| token.id).collect();
        }
    }

    /// The prompt's ids, where vLLM has them: in the choice of a completion, at the top of a chat.
    fn add_prompt(&self, answer: &mut Value) {
        if self.output.token_ids {
            let place = if self.kind == Kind::Chat { answer } else { &mut answer["choices"][0] };
            place["prompt_token_ids"] = json!(self.prompt);
        }
    }

    fn frame(&self, chunk: bool, choices: Value) -> Value {
        let object = match (self.kind, chunk) {
            (Kind::Completion, _) => "text_completion",
            (Kind::Chat, false) => "chat.completion",
            (Kind::Chat, true) => "chat.completion.chunk",
        };
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices,
        })
    }

    fn usage(&self, generated: usize) -> Value {
        let prompt = self.prompt.len();
        json!({
            "prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        })
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
