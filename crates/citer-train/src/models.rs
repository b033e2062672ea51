//! Both models of a pair in this process, and what they say at the states of a question's tree.

use crate::{
    error::TrainError,
    tree::{Small, Tree, softmax},
};
use burn::tensor::Device;
use citer_core::TokenId;
use citer_lm::{Engine, EngineError, LlmFiles, Sampler, Sequence, Tokenizer, chat::ChatFormat, engine::State};

/// Most tokens of an answer, in labels, roll-outs and evaluation alike.
pub const LONGEST: usize = 120;

/// An SLM and an LLM with one vocabulary.
pub struct Models {
    slm: Sequence,
    llm: Sequence,
}

impl Models {
    /// Loads both models on `device`.
    pub fn load(slm: &LlmFiles, llm: &LlmFiles, device: &Device) -> Result<Self, TrainError> {
        let build = |files: &LlmFiles| files.engine(usize::MAX, device).map(Sequence::new);
        Ok(Self { slm: build(slm)?, llm: build(llm)? })
    }

    /// The SLM's engine.
    pub fn slm(&self) -> &Engine {
        self.slm.engine()
    }

    /// The shared tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        self.slm.engine().tokenizer()
    }

    /// The chat format.
    pub fn format(&self) -> &ChatFormat {
        self.slm.engine().format()
    }

    /// The tree of a question, without any answer.
    pub fn tree(&self, prompt: &str) -> Result<Tree, TrainError> {
        Ok(Tree::new(self.format().question(self.tokenizer(), prompt)?))
    }

    /// What the SLM says at a state.
    pub async fn small<'t>(&mut self, tree: &'t mut Tree, node: usize) -> Result<&'t Small, TrainError> {
        if tree.small(node).is_none() {
            let states = self.slm.states(&tree.prefix(node), 1).await?;
            let state = states.into_iter().next().ok_or(EngineError::Empty)?;
            tree.set_small(node, self.said(&state));
        }
        tree.small(node).ok_or_else(|| EngineError::Empty.into())
    }

    /// The LLM's token at a state.
    pub async fn large(&mut self, tree: &mut Tree, node: usize) -> Result<TokenId, TrainError> {
        if let Some(token) = tree.large(node) {
            return Ok(token);
        }
        let states = self.llm.states(&tree.prefix(node), 1).await?;
        let state = states.into_iter().next().ok_or(EngineError::Empty)?;
        let token = greedy(self.known(&state));
        tree.set_large(node, token);
        Ok(token)
    }

    /// Walks `answer` with one pass of each model: fills the states along it and returns them with the probability that
    /// either model gives the answer's token there, SLM first.
    pub async fn walk(&mut self, tree: &mut Tree, answer: &[TokenId]) -> Result<Vec<(usize, [f32; 2])>, TrainError> {
        let path = tree.along(answer);
        let mut ids = tree.prompt().to_vec();
        ids.extend_from_slice(&answer[..answer.len().saturating_sub(1)]);
        let small = self.slm.states(&ids, path.len()).await?;
        let large = self.llm.states(&ids, path.len()).await?;
        let mut walked = Vec::with_capacity(path.len());
        for (((node, gold), small), large) in path.into_iter().zip(answer).zip(small).zip(large) {
            let chance = |logits: &[f32]| softmax(logits).get(*gold as usize).copied().unwrap_or(0.0);
            walked.push((node, [chance(self.known(&small)), chance(self.known(&large))]));
            tree.set_large(node, greedy(self.known(&large)));
            tree.set_small(node, self.said(&small));
        }
        Ok(walked)
    }

    /// The logits of the tokenizer's tokens: a model may have more for padding.
    fn known<'s>(&self, state: &'s State) -> &'s [f32] {
        &state.logits[..self.tokenizer().vocab_size().min(state.logits.len())]
    }

    /// What the SLM says at `state`.
    fn said(&self, state: &State) -> Small {
        Small::new(state.hidden.clone(), self.known(state))
    }
}

fn greedy(logits: &[f32]) -> TokenId {
    Sampler::default().choose(logits, 0, 1).0
}
