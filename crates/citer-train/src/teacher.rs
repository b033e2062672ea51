//! The teacher: the LLM that labels and measurements ask, in this process or behind servers.
//!
//! A model in this process walks an answer in one pass. A server is asked for several tokens at once: while the LLM's own
//! tokens are those of the answer, one request tells what it says at many states of it; after a token that differs the
//! next request starts behind the answer's own token.

use crate::{error::TrainError, many::Many, tree::Large};
use citer_core::TokenId;
use citer_lm::hash::sha256;
use citer_lm::{EngineError, LlmFiles, Sampler, Sequence, chat::ChatFormat};
use std::sync::Arc;

/// Tokens asked of a server at once while an answer is walked: what comes after the first difference is paid in vain.
const AHEAD: usize = 8;

/// Who answers for the LLM.
#[derive(Clone)]
pub enum Teacher<'a> {
    /// Its files, loaded in this process.
    Files(&'a LlmFiles),
    /// Servers.
    Asked {
        /// How to ask them.
        ask: Arc<dyn Ask>,
        /// The name under which the LLM is served.
        name: String,
    },
}

impl Teacher<'_> {
    /// What tells this LLM from others: SHA-256 of its weights, or the name under which it is served.
    pub fn name(&self) -> String {
        match self {
            Self::Files(files) => sha256(&files.weights),
            Self::Asked { name, .. } => name.clone(),
        }
    }
}

/// An LLM that is asked for tokens after a prefix.
pub trait Ask: Send + Sync {
    /// The LLM's greedy tokens after `prefix`: at most `most` of them, and at least one unless it stops at once.
    ///
    /// # Errors
    /// An LLM that cannot be asked; what was asked before is not lost.
    fn ask(&self, prefix: &[TokenId], most: usize) -> Result<Reply, TrainError>;

    /// The most tokens that it can look at, where known.
    fn room(&self) -> Option<usize> {
        None
    }
}

/// Tokens of the LLM after a prefix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Each token with the candidates named there, best first.
    pub tokens: Vec<(TokenId, Vec<(TokenId, f32)>)>,
    /// Whether the answer ends here. Servers may leave the end token itself out.
    pub stopped: bool,
    /// Prompt tokens sent.
    pub sent: u64,
    /// Of those, tokens that the server need not compute.
    pub cached: u64,
    /// Bytes sent and received.
    pub bytes: u64,
}

/// What the LLM says at the states of an answer, with the probability that it gives the answer's own token there; `NaN`
/// where a server did not tell.
pub type Said = Vec<(Large, f32)>;

/// The LLM of one worker.
pub enum Llm {
    /// In this process: for one sequence with its KV cache, and for many at once.
    Here(Box<Sequence>, Box<Many>),
    /// Behind servers.
    Asked(Arc<dyn Ask>),
}

impl Llm {
    /// The most tokens that it can look at, where known.
    pub fn room(&self) -> Option<usize> {
        match self {
            Self::Here(sequence, _) => Some(sequence.engine().config().max_position_embeddings),
            Self::Asked(ask) => ask.room(),
        }
    }

    /// What it says after `prefix`; of its logits the first `vocab` count.
    pub async fn after(&mut self, prefix: &[TokenId], vocab: usize, format: &ChatFormat) -> Result<Large, TrainError> {
        match self {
            Self::Here(sequence, _) => {
                let states = sequence.states(prefix, 1).await?;
                let state = states.into_iter().next().ok_or(EngineError::Empty)?;
                Ok(greedy(&state.logits[..vocab.min(state.logits.len())]))
            }
            Self::Asked(ask) => Ok(said(ask.ask(prefix, 1)?, format, vocab)?[0].0),
        }
    }

    /// Its own tokens after `prefix`, at most `most`, where several cost no more than one.
    pub fn ahead(
        &mut self,
        prefix: &[TokenId],
        most: usize,
        vocab: usize,
        format: &ChatFormat,
    ) -> Result<Vec<Large>, TrainError> {
        match self {
            Self::Here(..) => Ok(Vec::new()),
            Self::Asked(ask) => {
                Ok(said(ask.ask(prefix, most)?, format, vocab)?.into_iter().map(|(large, _)| large).collect())
            }
        }
    }

    /// What an LLM elsewhere says at every state along `answer` after `prompt`; one in this process walks many answers at
    /// once instead.
    pub fn along(
        &self,
        prompt: &[TokenId],
        answer: &[TokenId],
        vocab: usize,
        format: &ChatFormat,
    ) -> Result<Said, TrainError> {
        let mut walked = Vec::with_capacity(answer.len());
        let Self::Asked(ask) = self else { return Ok(walked) };
        let ids = [prompt, answer].concat();
        while walked.len() < answer.len() {
            let (at, left) = (walked.len(), answer.len() - walked.len());
            let reply = ask.ask(&ids[..prompt.len() + at], left.min(AHEAD))?;
            for ((large, top), token) in said(reply, format, vocab)?.into_iter().zip(&answer[at..]) {
                let named = top.iter().find(|(id, _)| id == token);
                walked.push((large, named.map_or(f32::NAN, |(_, probability)| *probability)));
                if large.token != *token {
                    break;
                }
            }
        }
        Ok(walked)
    }
}

/// A token with the candidates named at its place.
type Named = (Large, Vec<(TokenId, f32)>);

/// The tokens of a reply, the end included where a server leaves it out, up to the first end.
fn said(reply: Reply, format: &ChatFormat, vocab: usize) -> Result<Vec<Named>, TrainError> {
    let Reply { mut tokens, stopped, .. } = reply;
    if stopped && tokens.last().is_none_or(|(token, _)| !format.is_end(*token)) {
        tokens.push((format.end, Vec::new()));
    }
    if let Some(end) = tokens.iter().position(|(token, _)| format.is_end(*token)) {
        tokens.truncate(end + 1);
    }
    if let Some((token, _)) = tokens.iter().find(|(token, _)| *token as usize >= vocab) {
        return Err(TrainError::Teacher(format!("it names the token {token}, but the vocabulary has {vocab}")));
    }
    if tokens.is_empty() {
        return Err(TrainError::Teacher("it gives no token and does not say that the answer ends".into()));
    }
    let large = |token: TokenId, top: &[(TokenId, f32)]| {
        let named = top.iter().find(|(id, _)| *id == token);
        Large { token, probability: named.map_or(f32::NAN, |(_, probability)| *probability) }
    };
    Ok(tokens.into_iter().map(|(token, top)| (large(token, &top), top)).collect())
}

/// The greedy token of `logits` with its probability.
pub fn greedy(logits: &[f32]) -> Large {
    let (token, best) = Sampler::default().choose(logits, 0, 1);
    Large { token, probability: best.first().map_or(f32::NAN, |candidate| candidate.probability) }
}
