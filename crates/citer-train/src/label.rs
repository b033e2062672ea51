//! CITER labels: at which states the LLM is worth asking (arXiv 2502.01976, preference collection with its shortcut).
//!
//! The gold answer is walked token by token, its end included. Where the SLM's greedy token is right the SLM is
//! preferred; where only the LLM's is, the LLM: that is the shortcut, which needs no roll-out. Where both are wrong
//! both branches are finished under the current policy and the judge decides. Later rounds add states of mixed
//! decoding: where the models agree the cheaper one is preferred, elsewhere both branches are finished and judged.

use crate::{
    error::TrainError,
    models::{Models, Steps, Walked},
    play::Table,
    signal::{Scorer, Signal},
    tree::{Large, Small, Tree},
};
use burn::tensor::Device;
use citer_core::{LocalModel, Mode, TokenId};
use citer_lm::{Router, Tokenizer, chat::ChatFormat, hash::sha256};
use citer_tasks::{Question, is_correct};
use futures::executor::block_on;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Who makes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The SLM.
    Slm,
    /// The LLM.
    Llm,
}

/// Which case a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// The SLM's token is the gold one, or off the gold answer the LLM's one too.
    SlmRight,
    /// Only the LLM's token is the gold one.
    OnlyLlmRight,
    /// Neither is (or the models disagree off the gold answer): whether each branch still led to a right answer.
    RolledOut {
        /// The SLM's branch.
        slm: bool,
        /// The LLM's branch.
        llm: bool,
    },
}

impl Case {
    /// The preferred action; `None` where neither branch saves the answer, which teaches nothing.
    pub fn preferred(self) -> Option<Action> {
        match self {
            Self::SlmRight | Self::RolledOut { slm: true, .. } => Some(Action::Slm),
            Self::OnlyLlmRight | Self::RolledOut { llm: true, .. } => Some(Action::Llm),
            Self::RolledOut { .. } => None,
        }
    }

    /// Whether the answer can be right after the SLM's and after the LLM's token, 0 or 1 each.
    pub fn quality(self) -> [f32; 2] {
        match self {
            Self::SlmRight => [1.0, 1.0],
            Self::OnlyLlmRight => [0.0, 1.0],
            Self::RolledOut { slm, llm } => [f32::from(u8::from(slm)), f32::from(u8::from(llm))],
        }
    }
}

/// Where a state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A gold answer.
    Gold,
    /// An answer decoded by the current policy.
    Mixed,
    /// A question's prompt, labelled by whole answers: for the query-level baseline.
    Prompt,
}

/// One labelled state.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Which question of the run; the split between training and checking goes by question.
    pub question: usize,
    /// Tokens of the answer before the state.
    pub depth: usize,
    /// Tokens before the state, the prompt's included: what an LLM without memory reads.
    pub prefix: usize,
    /// Tokens of the whole answer: the gold one's, off it those of the policy's own.
    pub length: usize,
    /// Where it comes from.
    pub origin: Origin,
    /// The SLM's final hidden state.
    pub hidden: Vec<f32>,
    /// Its case.
    pub case: Case,
    /// The gold answer's token here; none off the gold answer.
    pub gold: Option<TokenId>,
    /// The SLM's greedy token and its probability.
    pub slm: (TokenId, f32),
    /// The LLM's greedy token and its probability, `NaN` where a server did not tell.
    pub llm: (TokenId, f32),
    /// Probability of the gold token under SLM and LLM; `NaN` off the gold answer or where a server did not tell.
    pub chances: [f32; 2],
}

/// Why a question has no labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Prompt and gold answer do not fit into the models' context.
    #[error(
        "prompt and answer have {tokens} tokens, the models hold {room}: shorten the question or use models with more"
    )]
    TooLong {
        /// Tokens of both.
        tokens: usize,
        /// Tokens that both models hold.
        room: usize,
    },
    /// The gold answer is longer than answers may get.
    #[error("the gold answer has {tokens} tokens, answers end after {longest}: allow longer ones")]
    LongAnswer {
        /// Its tokens, the end included.
        tokens: usize,
        /// The cap.
        longest: usize,
    },
    /// There is no gold answer.
    #[error("the gold answer is empty: fill it in or remove the row")]
    Empty,
}

/// What fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tokens of prompt and answer that both models hold.
    pub room: usize,
    /// Most tokens of an answer.
    pub longest: usize,
}

/// A question's gold answer as ids with its end, or why it cannot be used.
pub fn gold(
    tokenizer: &Tokenizer,
    format: &ChatFormat,
    limits: Limits,
    question: &Question,
) -> Result<Result<Vec<TokenId>, Skip>, TrainError> {
    let gold = format.answer(tokenizer, &question.solution)?;
    let tokens = format.question(tokenizer, &question.prompt)?.len() + gold.len();
    let Limits { room, longest } = limits;
    Ok(if gold.len() < 2 || question.gold.trim().is_empty() {
        Err(Skip::Empty)
    } else if tokens > room {
        Err(Skip::TooLong { tokens, room })
    } else if gold.len() > longest {
        Err(Skip::LongAnswer { tokens: gold.len(), longest })
    } else {
        Ok(gold)
    })
}

/// What became of one question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    /// Its states, gold ones first.
    pub labels: Vec<Label>,
    /// Why there are none.
    pub skipped: Option<Skip>,
    /// States that the models computed for them.
    pub steps: Steps,
    /// Seconds they took.
    pub seconds: f64,
}

/// How roll-outs go on: the SLM alone in the first round, the current router later.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Who may make tokens.
    pub mode: Mode,
    /// The router's threshold.
    pub threshold: f32,
    /// The router.
    pub signal: Signal,
    /// What tells the rule from others.
    pub name: String,
}

impl Rule {
    /// The first round's rule.
    pub fn slm_alone() -> Self {
        Self { mode: Mode::LocalOnly, threshold: 0.0, signal: Signal::Peak, name: "the SLM alone".into() }
    }

    /// A later round's rule: a router at a threshold; `aim` says how the threshold was chosen.
    pub fn router(router: Router, threshold: f32, aim: &str) -> Result<Self, TrainError> {
        let name = format!("router {}, {aim}", sha256(&block_on(router.save())?));
        Ok(Self { mode: Mode::Router, threshold, signal: Signal::Router(router), name })
    }
}

/// Labels questions.
pub struct Labeller<'a> {
    /// How roll-outs go on.
    pub rule: &'a Rule,
    /// Where routers run.
    pub device: &'a Device,
    /// Whether to add the states of the rule's own answer.
    pub mixed: bool,
    /// Whether one of the models being right settles a gold state. Without it both branches of every gold state are
    /// finished and judged: what the shortcut saves is measured against that.
    pub shortcut: bool,
}

/// A question on its way through the labeller.
struct Desk<'a, 'q> {
    models: &'a mut Models,
    tree: Tree,
    scorer: Scorer<'a>,
    index: usize,
    question: &'q Question,
}

impl Labeller<'_> {
    /// The labels of `questions`, of which the first is the `first`th of the run. What all of them need is computed for
    /// many at once, the rest question by question.
    pub fn label(
        &self,
        models: &mut Models,
        first: usize,
        questions: &[Question],
    ) -> Result<Vec<Labelled>, TrainError> {
        let (begun, before) = (Instant::now(), models.steps);
        let limits = Limits { room: models.room(), longest: models.longest() };
        let mut all: Vec<Labelled> = Vec::with_capacity(questions.len());
        let (mut trees, mut golds) = (Vec::new(), Vec::new());
        for question in questions {
            let skipped = match gold(models.tokenizer(), models.format(), limits, question)? {
                Ok(gold) => {
                    trees.push(models.tree(&question.prompt)?);
                    golds.push(gold);
                    None
                }
                Err(skip) => Some(skip),
            };
            all.push(Labelled { skipped, ..Labelled::default() });
        }
        let mut refs: Vec<&mut Tree> = trees.iter_mut().collect();
        let walked = models.walk(&mut refs, &golds.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        models.answer(&mut refs)?;
        // What was done for all is shared out evenly.
        let count = trees.len().max(1) as u64;
        let (shared, seconds) = (models.steps - before, begun.elapsed().as_secs_f64() / count as f64);
        let mut prepared = trees.into_iter().zip(golds).zip(walked);
        for (at, (question, labelled)) in questions.iter().zip(&mut all).enumerate() {
            if labelled.skipped.is_some() {
                continue;
            }
            let Some(((tree, gold), walked)) = prepared.next() else { break };
            let (begun, before) = (Instant::now(), models.steps);
            let scorer = Scorer::new(&self.rule.signal, (first + at) as u64, self.device);
            let mut desk = Desk { models, tree, scorer, index: first + at, question };
            let mut labels = self.on_gold(&mut desk, &gold, walked)?;
            labels.push(self.whole(&mut desk)?);
            if self.mixed {
                self.on_policy(&mut desk, &gold, &mut labels)?;
            }
            let Steps { slm, llm, rolled } = desk.models.steps - before;
            labelled.steps = Steps { slm: slm + shared.slm / count, llm: llm + shared.llm / count, rolled };
            labelled.seconds = seconds + begun.elapsed().as_secs_f64();
            labelled.labels = labels;
        }
        Ok(all)
    }

    /// The states of the gold answer, its end included.
    fn on_gold(&self, desk: &mut Desk, gold: &[TokenId], walked: Walked) -> Result<Vec<Label>, TrainError> {
        let mut labels = Vec::with_capacity(walked.len() + 1);
        for ((node, chances), token) in walked.into_iter().zip(gold) {
            let (small, large) = desk.said(node)?;
            let case = if self.shortcut && small.token == *token {
                Case::SlmRight
            } else if self.shortcut && large.token == *token {
                Case::OnlyLlmRight
            } else {
                self.roll_out(desk, node)?
            };
            let label = desk.label(node, gold.len(), Origin::Gold, case)?;
            labels.push(Label { gold: Some(*token), chances, ..label });
        }
        Ok(labels)
    }

    /// The prompt's state, labelled by the whole answers of both models.
    fn whole(&self, desk: &mut Desk) -> Result<Label, TrainError> {
        let mut right = |mode| {
            let answer = desk.table().play(&[], mode, 0.0)?;
            Ok::<_, TrainError>((is_correct(desk.question, &answer.text()), answer.events.len()))
        };
        let ((slm, _), (llm, length)) = (right(Mode::LocalOnly)?, right(Mode::RemoteOnly)?);
        desk.label(Tree::ROOT, length, Origin::Prompt, Case::RolledOut { slm, llm })
    }

    /// Labels the states of the rule's own answer that lie off the gold answer.
    fn on_policy(&self, desk: &mut Desk, gold: &[TokenId], labels: &mut Vec<Label>) -> Result<(), TrainError> {
        let answer = desk.table().play(&[], self.rule.mode, self.rule.threshold)?.ids();
        let shared = answer.iter().zip(gold).take_while(|(a, b)| a == b).count();
        for node in desk.tree.along(&answer).into_iter().skip(shared + 1) {
            let (small, large) = desk.said(node)?;
            let case = if small.token == large.token { Case::SlmRight } else { self.roll_out(desk, node)? };
            labels.push(desk.label(node, answer.len(), Origin::Mixed, case)?);
        }
        Ok(())
    }

    /// Finishes both branches of a state and judges them.
    fn roll_out(&self, desk: &mut Desk, node: usize) -> Result<Case, TrainError> {
        let (small, large) = desk.said(node)?;
        let slm = self.branch(desk, node, small.token)?;
        let llm = if small.token == large.token { slm } else { self.branch(desk, node, large.token)? };
        Ok(Case::RolledOut { slm, llm })
    }

    fn branch(&self, desk: &mut Desk, node: usize, token: TokenId) -> Result<bool, TrainError> {
        let mut ids = desk.tree.answer(node);
        ids.push(token);
        let capacity = desk.models.slm().capacity();
        if !desk.models.format().is_end(token) && desk.tree.prompt().len() + ids.len() < capacity {
            let rest = desk.table().play(&ids, self.rule.mode, self.rule.threshold)?;
            desk.models.steps.rolled += rest.events.len() as u64;
            ids.extend(rest.ids());
        }
        Ok(is_correct(desk.question, &desk.models.tokenizer().decode(&ids)))
    }
}

impl<'a> Desk<'a, '_> {
    /// The question as the routed decoder plays it.
    fn table(&mut self) -> Table<'_, 'a> {
        Table { models: self.models, tree: &mut self.tree, scorer: &mut self.scorer }
    }

    /// What both models say at a state.
    fn said(&mut self, node: usize) -> Result<(Small, Large), TrainError> {
        block_on(async {
            let small = self.models.small(&mut self.tree, node).await?.clone();
            Ok((small, self.models.large(&mut self.tree, node).await?))
        })
    }

    /// A label off the gold answer.
    fn label(&mut self, node: usize, length: usize, origin: Origin, case: Case) -> Result<Label, TrainError> {
        let (small, large) = self.said(node)?;
        let depth = self.tree.depth(node);
        Ok(Label {
            question: self.index,
            depth,
            prefix: self.tree.prompt().len() + depth,
            length,
            origin,
            hidden: small.hidden,
            case,
            gold: None,
            slm: (small.token, small.peak),
            llm: (large.token, large.probability),
            chances: [f32::NAN; 2],
        })
    }
}

/// What a run of labels cost and held, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Gold states.
    pub gold: usize,
    /// Gold states that the shortcut settled: no roll-out.
    pub shortcut: usize,
    /// Gold states where only the LLM was right.
    pub only_llm: usize,
    /// Gold states where both were wrong.
    pub rolled_out: usize,
    /// Of all rolled-out states, those that neither branch saved.
    pub lost: usize,
    /// States of mixed decoding.
    pub mixed: usize,
    /// Questions without labels.
    #[serde(default)]
    pub skipped: usize,
    /// States that the models computed.
    #[serde(default)]
    pub steps: Steps,
    /// Seconds of all workers together.
    #[serde(default)]
    pub seconds: f64,
}

impl Summary {
    /// Counts what became of questions.
    pub fn total(questions: &[Labelled]) -> Self {
        let mut summary = Self::of(questions.iter().flat_map(|question| &question.labels));
        for question in questions {
            summary.skipped += usize::from(question.skipped.is_some());
            summary.steps = summary.steps + question.steps;
            summary.seconds += question.seconds;
        }
        summary
    }

    /// Counts `labels`.
    pub fn of<'a>(labels: impl IntoIterator<Item = &'a Label>) -> Self {
        let mut summary = Self::default();
        for label in labels {
            let lost = label.case.preferred().is_none();
            match label.origin {
                Origin::Gold => {
                    summary.gold += 1;
                    let rolled = matches!(label.case, Case::RolledOut { .. });
                    summary.rolled_out += usize::from(rolled);
                    summary.shortcut += usize::from(!rolled);
                    summary.only_llm += usize::from(label.case == Case::OnlyLlmRight);
                    summary.lost += usize::from(lost);
                }
                Origin::Mixed => {
                    summary.mixed += 1;
                    summary.lost += usize::from(lost);
                }
                Origin::Prompt => {}
            }
        }
        summary
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |part: usize| 100.0 * part as f64 / self.gold.max(1) as f64;
        write!(
            f,
            "{} gold states: shortcut settled {:.1} %, only the LLM right {:.1} %, both wrong {:.1} %; {} states of mixed \
            decoding; {} saved by neither branch",
            self.gold,
            share(self.shortcut),
            share(self.only_llm),
            share(self.rolled_out),
            self.mixed,
            self.lost
        )?;
        if self.skipped > 0 { write!(f, "; {} questions skipped", self.skipped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_paid_where_neither_branch_saves_the_answer() {
        let rolled = |slm, llm| Case::RolledOut { slm, llm };
        assert_eq!(Case::SlmRight.preferred(), Some(Action::Slm));
        assert_eq!(Case::OnlyLlmRight.preferred(), Some(Action::Llm));
        assert_eq!(rolled(true, true).preferred(), Some(Action::Slm), "the cheaper of two that do");
        assert_eq!(rolled(true, false).preferred(), Some(Action::Slm));
        assert_eq!(rolled(false, true).preferred(), Some(Action::Llm));
        assert_eq!(rolled(false, false).preferred(), None);
        assert_eq!(rolled(false, true).quality(), [0.0, 1.0]);
    }
}
