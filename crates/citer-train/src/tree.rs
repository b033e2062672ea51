//! A question's tree: every state that any way of decoding the question has reached, with what both models say there.
//!
//! Decoding is greedy, so what the models say depends on the state alone. Policies and thresholds share most of their
//! states; each state is computed once, and a sweep over many thresholds costs little more than one answer.

use citer_core::TokenId;
use citer_lm::{Sampler, entropy::entropy};

/// What the SLM says at a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Small {
    /// Its greedy token.
    pub token: TokenId,
    /// Its final hidden state, `[hidden_size]`.
    pub hidden: Vec<f32>,
    /// Probability of its token.
    pub peak: f32,
    /// Probability of its token less that of the second best.
    pub margin: f32,
    /// Entropy of its distribution, in nats.
    pub entropy: f32,
}

impl Small {
    /// Reads token and confidence off logits.
    pub fn new(hidden: Vec<f32>, logits: &[f32]) -> Self {
        let (token, best) = Sampler::default().choose(logits, 0, 2);
        let probability = |rank: usize| best.get(rank).map_or(0.0, |candidate| candidate.probability);
        let (peak, second) = (probability(0), probability(1));
        Self { token, hidden, peak, margin: peak - second, entropy: entropy(logits) }
    }
}

/// What the LLM says at a state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Large {
    /// Its greedy token.
    pub token: TokenId,
    /// Probability of its token; `NaN` where a server did not tell.
    pub probability: f32,
}

/// Probabilities of `logits`.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|l| (l - peak).exp()).collect();
    let total: f32 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

/// A state: the prompt and the tokens on the way to it.
#[derive(Clone, Debug)]
struct Node {
    token: TokenId,
    parent: usize,
    depth: usize,
    children: Vec<usize>,
    small: Option<Small>,
    large: Option<Large>,
}

/// The states of one question. States are named by number; [`Tree::ROOT`] is the prompt.
#[derive(Clone, Debug)]
pub struct Tree {
    prompt: Vec<TokenId>,
    nodes: Vec<Node>,
}

impl Tree {
    /// The state after the prompt.
    pub const ROOT: usize = 0;

    /// A tree with its root alone.
    pub fn new(prompt: Vec<TokenId>) -> Self {
        let root = Node { token: 0, parent: 0, depth: 0, children: Vec::new(), small: None, large: None };
        Self { prompt, nodes: vec![root] }
    }

    /// The prompt's ids.
    pub fn prompt(&self) -> &[TokenId] {
        &self.prompt
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.nodes.len()
    }

    /// The state after `token` at `node`.
    pub fn child(&mut self, node: usize, token: TokenId) -> usize {
        if let Some(child) = self.known_child(node, token) {
            return child;
        }
        let (child, depth) = (self.nodes.len(), self.nodes[node].depth + 1);
        self.nodes.push(Node { token, parent: node, depth, children: Vec::new(), small: None, large: None });
        self.nodes[node].children.push(child);
        child
    }

    /// The state after `token` at `node`, if it has been reached.
    pub fn known_child(&self, node: usize, token: TokenId) -> Option<usize> {
        self.nodes[node].children.iter().copied().find(|child| self.nodes[*child].token == token)
    }

    /// The states that `answer` passes, from the root on: one before each of its tokens.
    pub fn along(&mut self, answer: &[TokenId]) -> Vec<usize> {
        let mut path = vec![Self::ROOT];
        for token in answer.iter().take(answer.len().saturating_sub(1)) {
            let last = path[path.len() - 1];
            path.push(self.child(last, *token));
        }
        path
    }

    /// The state after `prefix`, which begins with the prompt.
    pub fn find(&mut self, prefix: &[TokenId]) -> usize {
        let begin = self.prompt.len().min(prefix.len());
        prefix[begin..].iter().fold(Self::ROOT, |node, token| self.child(node, *token))
    }

    /// Tokens of the answer before a state.
    pub fn depth(&self, node: usize) -> usize {
        self.nodes[node].depth
    }

    /// The answer's ids up to a state.
    pub fn answer(&self, node: usize) -> Vec<TokenId> {
        let mut ids = Vec::with_capacity(self.nodes[node].depth);
        let mut at = node;
        while at != Self::ROOT {
            ids.push(self.nodes[at].token);
            at = self.nodes[at].parent;
        }
        ids.reverse();
        ids
    }

    /// Prompt and answer up to a state.
    pub fn prefix(&self, node: usize) -> Vec<TokenId> {
        let mut ids = self.prompt.clone();
        ids.extend(self.answer(node));
        ids
    }

    /// What the SLM says at a state, once known.
    pub fn small(&self, node: usize) -> Option<&Small> {
        self.nodes[node].small.as_ref()
    }

    /// What the LLM says at a state, once known.
    pub fn large(&self, node: usize) -> Option<Large> {
        self.nodes[node].large
    }

    /// Keeps what the SLM says.
    pub fn set_small(&mut self, node: usize, small: Small) {
        self.nodes[node].small = Some(small);
    }

    /// Keeps what the LLM says.
    pub fn set_large(&mut self, node: usize, large: Large) {
        self.nodes[node].large = Some(large);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_shared_and_know_their_way_back() {
        let mut tree = Tree::new(vec![7, 8]);
        let path = tree.along(&[1, 2, 3]);
        assert_eq!(path.len(), 3);
        assert_eq!(tree.along(&[1, 2, 9]), path, "the last token leads to no state of its own");
        let other = tree.along(&[1, 5, 3]);
        assert_eq!((other[1], other[2] == path[2]), (path[1], false));
        assert_eq!(tree.prefix(path[2]), [7, 8, 1, 2]);
        assert_eq!((tree.find(&[7, 8, 1, 2]), tree.find(&[7, 8])), (path[2], Tree::ROOT));
        assert_eq!((tree.answer(Tree::ROOT), tree.depth(path[2]), tree.states()), (vec![], 2, 4));
    }

    #[test]
    fn confidence_is_read_off_the_logits() {
        let small = Small::new(vec![], &[0.0, 3f32.ln(), 0.0, f32::NEG_INFINITY]);
        assert_eq!(small.token, 1);
        assert!((small.peak - 0.6).abs() < 1e-6 && (small.margin - 0.4).abs() < 1e-6, "{small:?}");
        let expected = -(0.6 * 0.6f32.ln() + 2.0 * 0.2 * 0.2f32.ln());
        assert!((small.entropy - expected).abs() < 1e-6);
        assert_eq!(Small::new(vec![], &[1.0, 2.0, 2.0]).token, 1);
    }
}
