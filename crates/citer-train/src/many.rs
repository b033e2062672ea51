//! Many sequences at once through one model: what labels and evaluation compute for all questions alike.
//!
//! Answers are walked in one padded pass without a cache. Whole answers are decoded step by step for many prompts together,
//! over one KV cache, the shorter prompts padded on the left.

use crate::error::TrainError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use citer_core::TokenId;
use citer_lm::engine::State;
use citer_lm::rope::Rope;
use citer_lm::{
    Config, Decoder, Engine, EngineError, KvCache, LlmFiles, Sampler, Tokenizer, chat::ChatFormat, weights,
};
use std::sync::Arc;

/// Sequences of one pass at most.
const ROWS: usize = 32;
/// Tokens of one padded pass at most.
const TOKENS: usize = 4096;

/// A model for many sequences.
pub struct Many {
    config: Config,
    decoder: Decoder,
    rope: Rope,
    device: Device,
    tokenizer: Arc<Tokenizer>,
    format: ChatFormat,
}

/// The states after the last `count` tokens of `ids` are wanted.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The sequence.
    pub ids: Vec<TokenId>,
    /// How many states.
    pub count: usize,
}

impl Many {
    /// Loads a model.
    pub fn load(files: &LlmFiles, device: &Device) -> Result<Self, TrainError> {
        let config = Config::from_json(&files.config)?;
        let tokenizer = Arc::new(Tokenizer::from_json(&files.tokenizer)?);
        let decoder = weights::load(&config, &files.weights, device)?;
        let rope = Rope::new(&config, config.max_position_embeddings, device);
        let format = ChatFormat::new(&tokenizer)?;
        Ok(Self { config, decoder, rope, device: device.clone(), tokenizer, format })
    }

    /// The same model for one sequence, over the same weights.
    pub fn engine(&self) -> Result<Engine, TrainError> {
        let (decoder, tokenizer) = (self.decoder.clone(), self.tokenizer.clone());
        Ok(Engine::new(self.config.clone(), decoder, None, tokenizer, usize::MAX, &self.device)?)
    }

    /// The logits of the tokenizer's tokens: a model may have more for padding.
    pub fn known<'s>(&self, state: &'s State) -> &'s [f32] {
        &state.logits[..self.tokenizer.vocab_size().min(state.logits.len())]
    }

    /// The states of every walk, in its own order.
    pub fn walk(&self, walks: &[Walk]) -> Result<Vec<Vec<State>>, TrainError> {
        // Walks of similar length go together, so that little is padded.
        let mut order: Vec<usize> = (0..walks.len()).collect();
        order.sort_by_key(|&i| walks[i].ids.len());
        let mut states: Vec<Vec<State>> = vec![Vec::new(); walks.len()];
        let mut rest = order.as_slice();
        while let Some(longest) = rest.first().map(|_| rest.len().min(ROWS)) {
            // As many as fit, whose longest one sets the width.
            let rows = (1..=longest).rev().find(|&n| n == 1 || n * walks[rest[n - 1]].ids.len() <= TOKENS).unwrap_or(1);
            let (these, others) = rest.split_at(rows);
            for (index, found) in these.iter().zip(self.pass(&these.iter().map(|&i| &walks[i]).collect::<Vec<_>>())?) {
                states[*index] = found;
            }
            rest = others;
        }
        Ok(states)
    }

    /// One padded pass.
    fn pass(&self, walks: &[&Walk]) -> Result<Vec<Vec<State>>, TrainError> {
        let longest = walks.iter().map(|walk| walk.ids.len()).max().unwrap_or(0);
        let mut ids = vec![0; walks.len() * longest];
        let mut rows = Vec::new();
        for (row, walk) in walks.iter().enumerate() {
            self.check(&walk.ids, self.config.max_position_embeddings)?;
            for (at, token) in walk.ids.iter().enumerate() {
                ids[row * longest + at] = *token as i32;
            }
            let end = row * longest + walk.ids.len();
            rows.extend((end - walk.count.clamp(1, walk.ids.len())..end).map(|place| place as i32));
        }
        let ids = self.ids(ids, walks.len(), longest);
        let hidden = self.decoder.hidden(&self.config, &self.rope, ids, None);
        let hidden = hidden.reshape([walks.len() * longest, self.config.hidden_size]);
        let places = rows.len();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [places]), &self.device);
        let mut states = self.states(hidden.select(0, rows))?.into_iter();
        Ok(walks.iter().map(|walk| states.by_ref().take(walk.count.clamp(1, walk.ids.len())).collect()).collect())
    }

    /// The greedy answers to all prompts, as the states before each of their tokens, the end's included; at most `longest`
    /// tokens an answer, and none beyond the context.
    pub fn answers(&self, prompts: &[&[TokenId]], longest: usize) -> Result<Vec<Vec<State>>, TrainError> {
        // Prompts of similar length go together, so that little is padded.
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|&i| prompts[i].len());
        let mut answers: Vec<Vec<State>> = vec![Vec::new(); prompts.len()];
        for group in order.chunks(ROWS) {
            let rows: Vec<&[TokenId]> = group.iter().map(|&i| prompts[i]).collect();
            for (index, answer) in group.iter().zip(self.decode(&rows, longest)?) {
                answers[*index] = answer;
            }
        }
        Ok(answers)
    }

    /// Decodes after a few prompts.
    fn decode(&self, prompts: &[&[TokenId]], longest: usize) -> Result<Vec<Vec<State>>, TrainError> {
        let (rows, width, room) = (prompts.len(), self.config.hidden_size, self.config.max_position_embeddings);
        for prompt in prompts {
            self.check(prompt, room)?;
        }
        let length = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
        let padding: Vec<usize> = prompts.iter().map(|prompt| length - prompt.len()).collect();
        // A shorter prompt could go on a little longer than its batch: what is missing is decoded alone, later.
        let longest = longest.min(room + 1 - length);
        let mut cache = KvCache::batched(&self.config, rows, (length + longest).min(room), &self.device);
        let mut next: Vec<i32> = Vec::with_capacity(rows * length);
        for (prompt, pad) in prompts.iter().zip(&padding) {
            next.extend(std::iter::repeat_n(0, *pad).chain(prompt.iter().map(|token| *token as i32)));
        }
        let mut answers: Vec<Vec<State>> = vec![Vec::new(); rows];
        let mut open = vec![true; rows];
        for _ in 0..longest {
            let tokens = next.len() / rows;
            let ids = self.ids(next, rows, tokens);
            let hidden = self.decoder.hidden_padded(&self.config, &self.rope, ids, Some(&mut cache), &padding);
            let last = hidden.slice([0..rows, tokens - 1..tokens, 0..width]).reshape([rows, width]);
            next = Vec::with_capacity(rows);
            for (row, state) in self.states(last)?.into_iter().enumerate() {
                let token = Sampler::default().choose(self.known(&state), 0, 1).0;
                next.push(token as i32);
                if open[row] {
                    open[row] = !self.format.is_end(token);
                    answers[row].push(state);
                }
            }
            if !open.contains(&true) {
                break;
            }
        }
        Ok(answers)
    }

    fn check(&self, ids: &[TokenId], room: usize) -> Result<(), EngineError> {
        if ids.is_empty() {
            return Err(EngineError::Empty);
        }
        if ids.len() > room {
            return Err(EngineError::ContextFull { needed: ids.len(), capacity: room });
        }
        let vocab = self.config.vocab_size;
        match ids.iter().copied().find(|id| *id as usize >= vocab) {
            Some(id) => Err(EngineError::Token { id, vocab }),
            None => Ok(()),
        }
    }

    fn ids(&self, ids: Vec<i32>, rows: usize, tokens: usize) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(ids, [rows, tokens]), &self.device)
    }

    /// Hidden states `[rows, hidden]` with their logits, read back.
    fn states(&self, hidden: Tensor<2>) -> Result<Vec<State>, TrainError> {
        let (width, vocab) = (self.config.hidden_size, self.config.vocab_size);
        let both = Tensor::cat(vec![hidden.clone(), self.decoder.logits(hidden)], 1);
        let values: Vec<f32> = both.into_data().iter::<f32>().collect();
        let rows = values.chunks(width + vocab);
        Ok(rows.map(|row| State { hidden: row[..width].to_vec(), logits: row[width..].to_vec() }).collect())
    }
}
