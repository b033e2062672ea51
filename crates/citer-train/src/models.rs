//! Both models of a pair, and what they say at the states of a question's tree.

use crate::{
    error::TrainError,
    many::{Many, Walk},
    teacher::{Llm, Teacher, greedy},
    tree::{Large, Small, Tree, softmax},
};
use burn::tensor::Device;
use citer_core::TokenId;
use citer_lm::{Engine, EngineError, LlmFiles, Sequence, Tokenizer, chat::ChatFormat, engine::State};
use serde::{Deserialize, Serialize};

/// Most tokens of an answer unless a run says otherwise: one cap for labels, roll-outs and evaluation.
pub const LONGEST: usize = 120;

/// An SLM and an LLM with one vocabulary.
pub struct Models {
    slm: Sequence,
    many: Many,
    llm: Llm,
    longest: usize,
    /// States computed so far.
    pub steps: Steps,
}

/// The states along an answer with the probabilities of its tokens under SLM and LLM; `NaN` where a server did not tell.
pub type Walked = Vec<(usize, [f32; 2])>;

/// States that each model computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// The SLM.
    pub slm: u64,
    /// The LLM; of a server, tokens used.
    pub llm: u64,
    /// Tokens of roll-outs, those at states that were known already included: without a tree all of them are computed.
    #[serde(default)]
    pub rolled: u64,
}

impl std::ops::Sub for Steps {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { slm: self.slm - other.slm, llm: self.llm - other.llm, rolled: self.rolled - other.rolled }
    }
}

impl std::ops::Add for Steps {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { slm: self.slm + other.slm, llm: self.llm + other.llm, rolled: self.rolled + other.rolled }
    }
}

impl Models {
    /// Loads the SLM on `device` and the LLM there too, unless it is asked elsewhere. Answers have at most `longest`
    /// tokens.
    pub fn load(slm: &LlmFiles, llm: &Teacher, device: &Device, longest: usize) -> Result<Self, TrainError> {
        let build = |files: &LlmFiles| {
            let many = Many::load(files, device)?;
            Ok::<_, TrainError>((Sequence::new(many.engine()?), many))
        };
        let llm = match llm {
            Teacher::Files(files) => {
                let (one, many) = build(files)?;
                Llm::Here(Box::new(one), Box::new(many))
            }
            Teacher::Asked { ask, .. } => Llm::Asked(ask.clone()),
        };
        let (slm, many) = build(slm)?;
        Ok(Self { slm, many, llm, longest, steps: Steps::default() })
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

    /// Most tokens of an answer.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Most tokens of prompt and answer together that both models can look at.
    pub fn room(&self) -> usize {
        let slm = self.slm().config().max_position_embeddings;
        self.llm.room().map_or(slm, |llm| llm.min(slm))
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
            self.steps.slm += 1;
            tree.set_small(node, self.said(&state));
        }
        tree.small(node).ok_or_else(|| EngineError::Empty.into())
    }

    /// What the LLM says at a state.
    pub async fn large(&mut self, tree: &mut Tree, node: usize) -> Result<Large, TrainError> {
        if let Some(large) = tree.large(node) {
            return Ok(large);
        }
        let (vocab, format) = (self.tokenizer().vocab_size(), self.format().clone());
        let large = self.llm.after(&tree.prefix(node), vocab, &format).await?;
        self.steps.llm += 1;
        tree.set_large(node, large);
        Ok(large)
    }

    /// Fills the states of the LLM's own answer after `node` where one request gives all of them.
    pub fn foresee(&mut self, tree: &mut Tree, node: usize) -> Result<(), TrainError> {
        let left =
            self.longest.saturating_sub(tree.depth(node)).min(self.room().saturating_sub(tree.prefix(node).len()));
        if left == 0 || tree.large(node).is_some() {
            return Ok(());
        }
        let (vocab, format) = (self.tokenizer().vocab_size(), self.format().clone());
        let mut at = node;
        for large in self.llm.ahead(&tree.prefix(node), left, vocab, &format)? {
            self.steps.llm += 1;
            tree.set_large(at, large);
            at = tree.child(at, large.token);
        }
        Ok(())
    }

    /// Walks every tree's answer: fills the states along it and returns them with the probability that either model gives
    /// the answer's token there, SLM first. The SLM, and an LLM in this process, walk all of them in few passes.
    pub fn walk(&mut self, trees: &mut [&mut Tree], answers: &[&[TokenId]]) -> Result<Vec<Walked>, TrainError> {
        let walks: Vec<Walk> = trees.iter().zip(answers).map(|(tree, answer)| Walk::new(tree, answer)).collect();
        let small = self.many.walk(&walks)?;
        let large = match &mut self.llm {
            Llm::Here(_, many) => many.walk(&walks)?.iter().zip(answers).map(|(s, a)| named(many, s, a)).collect(),
            Llm::Asked(_) => {
                let (vocab, format) = (self.tokenizer().vocab_size(), self.format().clone());
                let mut all = Vec::with_capacity(answers.len());
                for (tree, answer) in trees.iter().zip(answers) {
                    all.push(self.llm.along(tree.prompt(), answer, vocab, &format)?);
                }
                all
            }
        };
        let mut walked = Vec::with_capacity(answers.len());
        for ((tree, answer), (small, large)) in trees.iter_mut().zip(answers).zip(small.into_iter().zip(large)) {
            let states = answer.len() as u64;
            self.steps = self.steps + Steps { slm: states, llm: states, rolled: 0 };
            let mut path = Vec::with_capacity(answer.len());
            for (((node, token), small), (large, chance)) in
                tree.along(answer).into_iter().zip(*answer).zip(small).zip(large)
            {
                let own = softmax(self.many.known(&small)).get(*token as usize).copied().unwrap_or(0.0);
                path.push((node, [own, chance]));
                tree.set_large(node, large);
                tree.set_small(node, self.said(&small));
            }
            walked.push(path);
        }
        Ok(walked)
    }

    /// Fills the states of both models' own answers, many questions at once: the SLM's along both of them, the LLM's along
    /// its own. What an LLM elsewhere says is asked question by question.
    pub fn answer(&mut self, trees: &mut [&mut Tree]) -> Result<(), TrainError> {
        let slm_next = |tree: &Tree, node: usize| tree.small(node).map(|small| small.token);
        let llm_next = |tree: &Tree, node: usize| tree.large(node).map(|large| large.token);
        let open = self.unfinished(trees, &slm_next);
        let prompts: Vec<&[TokenId]> = open.iter().map(|&i| trees[i].prompt()).collect();
        let answers = self.many.answers(&prompts, self.longest)?;
        for (i, states) in open.into_iter().zip(answers) {
            self.steps.slm += states.len() as u64;
            let mut node = Tree::ROOT;
            for state in states {
                let small = self.said(&state);
                let token = small.token;
                trees[i].set_small(node, small);
                node = trees[i].child(node, token);
            }
        }
        let open = self.unfinished(trees, &llm_next);
        if let Llm::Here(_, many) = &self.llm {
            let prompts: Vec<&[TokenId]> = open.iter().map(|&i| trees[i].prompt()).collect();
            for (i, states) in open.iter().zip(many.answers(&prompts, self.longest)?) {
                self.steps.llm += states.len() as u64;
                let mut node = Tree::ROOT;
                for state in states {
                    let large = greedy(many.known(&state));
                    trees[*i].set_large(node, large);
                    node = trees[*i].child(node, large.token);
                }
            }
        } else {
            for i in open {
                self.foresee(trees[i], Tree::ROOT)?;
            }
        }
        // The SLM along the LLM's answers.
        let (mut walks, mut places) = (Vec::new(), Vec::new());
        for (i, tree) in trees.iter_mut().enumerate() {
            let Some(answer) = self.own(tree, &llm_next) else { continue };
            let path = tree.along(&answer);
            let Some(first) = path.iter().position(|node| tree.small(*node).is_none()) else { continue };
            let mut walk = Walk::new(tree, &answer);
            walk.count = answer.len() - first;
            if walk.ids.len() > self.room() {
                continue;
            }
            walks.push(walk);
            places.push((i, path[first..].to_vec()));
        }
        for ((i, path), states) in places.into_iter().zip(self.many.walk(&walks)?) {
            self.steps.slm += states.len() as u64;
            for (node, state) in path.into_iter().zip(states) {
                trees[i].set_small(node, self.said(&state));
            }
        }
        Ok(())
    }

    /// The trees that do not know a model's own answer to its end.
    fn unfinished(&self, trees: &[&mut Tree], next: &dyn Fn(&Tree, usize) -> Option<TokenId>) -> Vec<usize> {
        (0..trees.len()).filter(|&i| self.own(trees[i], next).is_none()).collect()
    }

    /// A model's own answer, as far as the tree knows it whole.
    fn own(&self, tree: &Tree, next: &dyn Fn(&Tree, usize) -> Option<TokenId>) -> Option<Vec<TokenId>> {
        let (mut node, mut ids) = (Tree::ROOT, Vec::new());
        loop {
            let token = next(tree, node)?;
            ids.push(token);
            if self.format().is_end(token) || ids.len() >= self.longest {
                return Some(ids);
            }
            node = tree.known_child(node, token)?;
        }
    }

    /// What the SLM says at `state`.
    fn said(&self, state: &State) -> Small {
        Small::new(state.hidden.clone(), self.many.known(state))
    }
}

/// What an LLM in this process says at the states of an answer, with the probability of the answer's own tokens.
fn named(many: &Many, states: &[State], answer: &[TokenId]) -> Vec<(Large, f32)> {
    let one = |(state, token): (&State, &TokenId)| {
        let logits = many.known(state);
        (greedy(logits), softmax(logits).get(*token as usize).copied().unwrap_or(0.0))
    };
    states.iter().zip(answer).map(one).collect()
}

impl Walk {
    /// The states before each token of `answer` after the tree's prompt.
    pub fn new(tree: &Tree, answer: &[TokenId]) -> Self {
        let mut ids = tree.prompt().to_vec();
        ids.extend_from_slice(&answer[..answer.len().saturating_sub(1)]);
        Self { ids, count: answer.len() }
    }
}
