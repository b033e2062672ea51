//! SGLang's own API (`POST /generate`), which takes and gives token ids; its OpenAI-compatible one gives texts.

use crate::{
    answer::{self, Said},
    question,
    transport::Request,
};
use citer_core::{Candidate, RemoteError, Sampling, TokenId};
use serde::{Deserialize, Serialize};

/// Where it is.
const PATH: &str = "/generate";

/// Who owns a model in SGLang's list.
pub(crate) const OWNER: &str = "sglang";

/// The body of a request.
#[derive(Serialize)]
struct Question<'a> {
    input_ids: &'a [TokenId],
    sampling_params: Manner,
    return_logprob: bool,
    top_logprobs_num: usize,
}

#[derive(Serialize)]
struct Manner {
    max_new_tokens: u32,
    #[serde(serialize_with = "question::temperature")]
    temperature: f32,
    repetition_penalty: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    /// It counts where the server infers deterministically.
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_seed: Option<u32>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    output_ids: Option<Vec<TokenId>>,
    meta_info: Meta,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    finish_reason: Option<Reason>,
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    output_token_logprobs: Option<Vec<Named>>,
    #[serde(default)]
    output_top_logprobs: Option<Vec<Option<Vec<Named>>>>,
}

/// Log probability, id, and the text where it was asked for.
type Named = (Option<f64>, TokenId, Option<String>);

#[derive(Deserialize)]
struct Reason {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    message: Option<String>,
}

/// The request for at most `most` tokens with `top` candidates each.
pub(crate) fn question(prefix: &[TokenId], sampling: &Sampling, most: u32, top: usize) -> Result<Request, RemoteError> {
    let drawn = sampling.draws();
    let asked = Question {
        input_ids: prefix,
        sampling_params: Manner {
            max_new_tokens: most,
            temperature: sampling.temperature,
            repetition_penalty: 1,
            top_p: drawn.then_some(sampling.top_p).filter(|share| *share < 1.0),
            sampling_seed: drawn.then(|| sampling.seed_at(prefix.len())),
        },
        return_logprob: true,
        top_logprobs_num: top,
    };
    question::post(PATH, &asked)
}

/// What was said in an answer.
pub(crate) fn said(body: &[u8]) -> Result<Said, RemoteError> {
    let Answer { output_ids, meta_info } = answer::parse(body)?;
    let reason = meta_info.finish_reason.as_ref();
    if let Some(Reason { message, .. }) = reason.filter(|reason| reason.kind == "abort") {
        let message = message.as_deref().unwrap_or("it gave no reason");
        return Err(RemoteError::BadAnswer(format!("it gave up: {message}")));
    }
    let own = meta_info.output_token_logprobs.unwrap_or_default();
    let ids = output_ids.unwrap_or_else(|| own.iter().map(|named| named.1).collect());
    let stopped = reason.is_some_and(|reason| reason.kind == "stop");
    if ids.is_empty() && !stopped {
        return Err(RemoteError::BadAnswer("it has neither output_ids nor output_token_logprobs".into()));
    }
    let tops = meta_info.output_top_logprobs.unwrap_or_default();
    let logprobs = !own.is_empty();
    let with_top = |(at, token): (usize, &TokenId)| {
        let own = own.get(at).filter(|named| named.1 == *token);
        let named = tops.get(at).into_iter().flatten().flatten().chain(own);
        let named = named
            .filter_map(|(logprob, id, _)| Some(Candidate { id: *id, probability: answer::probability((*logprob)?) }));
        (*token, answer::best_first(named.collect()))
    };
    Ok(Said {
        made: Some(ids.len() as u64),
        ids: Some(ids.iter().enumerate().map(with_top).collect()),
        stopped,
        prompt_tokens: meta_info.prompt_tokens,
        cached: meta_info.cached_tokens,
        logprobs,
        ..Said::default()
    })
}
