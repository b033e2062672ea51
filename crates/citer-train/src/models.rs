//! Both models of a pair in this process, and what they say at the states of a question's tree.

use crate::{
    error::TrainError,
    tree::{Small, Tree, greedy},
};
use burn::tensor::Device;
use citer_core::TokenId;
use citer_lm::{Engine, LlmFiles, Sequence, Tokenizer, chat::ChatFormat};

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
            let state = states.into_iter().next().ok_or(citer_lm::EngineError::Empty)?;
            let known = self.tokenizer().vocab_size().min(state.logits.len());
            tree.set_small(node, Small::new(state.hidden, &state.logits[..known]));
        }
        tree.small(node).ok_or_else(|| citer_lm::EngineError::Empty.into())
    }

    /// The LLM's token at a state.
    pub async fn large(&mut self, tree: &mut Tree, node: usize) -> Result<TokenId, TrainError> {
        if let Some(token) = tree.large(node) {
            return Ok(token);
        }
        let states = self.llm.states(&tree.prefix(node), 1).await?;
        let token = self.greedy_of(states.first().map_or(&[], |state| &state.logits));
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
        let known = self.tokenizer().vocab_size();
        let mut walked = Vec::with_capacity(path.len());
        for (((node, gold), small), large) in path.into_iter().zip(answer).zip(small).zip(large) {
            let chance = |logits: &[f32]| crate::tree::softmax(logits).get(*gold as usize).copied().unwrap_or(0.0);
            let cut = |logits: &[f32]| known.min(logits.len());
            let (small_logits, large_logits) =
                (&small.logits[..cut(&small.logits)], &large.logits[..cut(&large.logits)]);
            walked.push((node, [chance(small_logits), chance(large_logits)]));
            tree.set_large(node, greedy(large_logits));
            tree.set_small(node, Small::new(small.hidden, small_logits));
        }
        Ok(walked)
    }

    fn greedy_of(&self, logits: &[f32]) -> TokenId {
        greedy(&logits[..self.tokenizer().vocab_size().min(logits.len())])
    }
}
