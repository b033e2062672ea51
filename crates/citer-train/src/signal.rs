//! Signals: how good the SLM's next token is thought to be at a state, by the router or by what stands in for it.
//!
//! Every signal gives a score from 0 to 1 that is held against a threshold as the router's is, so that all policies run
//! through the one routed decoder.

use crate::tree::Tree;
use burn::tensor::{Device, Tensor, TensorData};
use citer_lm::{EntropyScore, Router, router::score};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a policy looks at.
#[derive(Clone, Debug)]
pub enum Signal {
    /// A router over the SLM's hidden state at every token (CITER, CITER-S, Co-LLM-style).
    Router(Router),
    /// A router over the hidden state at the prompt's end: one decision for the whole answer (as RouteLLM,
    /// arXiv 2406.18665).
    Query(Router),
    /// The probability of the SLM's token.
    Peak,
    /// Its lead over the second best.
    Margin,
    /// The calibrated entropy of the SLM's distribution.
    Entropy(EntropyScore),
    /// A number that depends on the seed, the question and the token's place alone.
    Random {
        /// Seed of the numbers.
        seed: u64,
    },
}

/// A signal on one question; scores are computed once a state.
pub struct Scorer<'a> {
    signal: &'a Signal,
    question: u64,
    device: &'a Device,
    known: Vec<Option<f32>>,
}

impl<'a> Scorer<'a> {
    /// `question` numbers the question, for the random signal.
    pub fn new(signal: &'a Signal, question: u64, device: &'a Device) -> Self {
        Self { signal, question, device, known: Vec::new() }
    }

    /// The score at `node`. What the SLM says there and at the root is known by then; a state it said nothing about
    /// counts as critical.
    pub fn score(&mut self, tree: &Tree, node: usize) -> f32 {
        if let Some(Some(score)) = self.known.get(node) {
            return *score;
        }
        let (Some(small), Some(root)) = (tree.small(node), tree.small(Tree::ROOT)) else { return f32::NAN };
        let value = match self.signal {
            Signal::Router(router) => routed(router, &small.hidden, self.device),
            Signal::Query(router) => routed(router, &root.hidden, self.device),
            Signal::Peak => small.peak,
            Signal::Margin => small.margin,
            Signal::Entropy(calibrated) => calibrated.score(small.entropy),
            Signal::Random { seed } => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(self.question.wrapping_mul(0x9E37_79B9)));
                rng.set_stream(tree.depth(node) as u64);
                rng.random()
            }
        };
        if self.known.len() <= node {
            self.known.resize(node + 1, None);
        }
        self.known[node] = Some(value);
        value
    }
}

fn routed(router: &Router, hidden: &[f32], device: &Device) -> f32 {
    let row = Tensor::<2>::from_data(TensorData::new(hidden.to_vec(), [1, hidden.len()]), device);
    score(router.logits(row).into_data().iter::<f32>().next().unwrap_or(f32::NAN))
}
