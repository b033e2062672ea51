//! CITER labels: at which states the LLM is worth asking (arXiv 2502.01976, preference collection with its shortcut).
//!
//! The gold answer is walked token by token, its end included. Where the SLM's greedy token is right the SLM is
//! preferred; where only the LLM's is, the LLM: that is the shortcut, which needs no roll-out. Where both are wrong
//! both branches are finished under the current policy and the judge decides. Later rounds add states of mixed
//! decoding: where the models agree the cheaper one is preferred, elsewhere both branches are finished and judged.

use crate::{
    error::TrainError,
    models::Models,
    play::Table,
    signal::{Scorer, Signal},
    tree::{Small, Tree},
};
use burn::tensor::Device;
use citer_core::{LocalModel, Mode, TokenId};
use citer_tasks::{Question, is_correct};
use futures::executor::block_on;
use serde::{Deserialize, Serialize};

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
    /// Where it comes from.
    pub origin: Origin,
    /// The SLM's final hidden state.
    pub hidden: Vec<f32>,
    /// Its case.
    pub case: Case,
    /// Probability of the gold token under SLM and LLM; `NaN` off the gold answer.
    pub chances: [f32; 2],
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
}

impl Rule {
    /// The first round's rule.
    pub fn slm_alone() -> Self {
        Self { mode: Mode::LocalOnly, threshold: 0.0, signal: Signal::Peak }
    }
}

/// Labels one question.
pub struct Labeller<'a> {
    /// How roll-outs go on.
    pub rule: &'a Rule,
    /// Where routers run.
    pub device: &'a Device,
    /// Whether to add the states of the rule's own answer.
    pub mixed: bool,
}

impl Labeller<'_> {
    /// The labels of `question`, the `index`th of the run, gold states first.
    pub fn label(&self, models: &mut Models, index: usize, question: &Question) -> Result<Vec<Label>, TrainError> {
        let mut tree = models.tree(&question.prompt)?;
        let gold = models.format().answer(models.tokenizer(), &question.solution)?;
        let room = models.slm().config().max_position_embeddings;
        if gold.len() < 2 || tree.prompt().len() + gold.len() > room {
            return Ok(Vec::new());
        }
        let walked = block_on(models.walk(&mut tree, &gold))?;
        let mut scorer = Scorer::new(&self.rule.signal, index as u64, self.device);
        let mut labels = Vec::new();
        for ((node, chances), gold_token) in walked.into_iter().zip(&gold) {
            let (small, large) = said(models, &mut tree, node)?;
            let case = if small.token == *gold_token {
                Case::SlmRight
            } else if large == *gold_token {
                Case::OnlyLlmRight
            } else {
                self.roll_out(models, &mut tree, &mut scorer, node, question)?
            };
            let depth = tree.depth(node);
            labels.push(Label { question: index, depth, origin: Origin::Gold, hidden: small.hidden, case, chances });
        }
        let root = said(models, &mut tree, Tree::ROOT)?.0.hidden;
        let whole = |mode, models: &mut Models, tree: &mut Tree, scorer: &mut Scorer| {
            let answer = Table { models, tree, scorer }.play(&[], mode, 0.0)?;
            Ok::<_, TrainError>(is_correct(question, &answer.text()))
        };
        let case = Case::RolledOut {
            slm: whole(Mode::LocalOnly, models, &mut tree, &mut scorer)?,
            llm: whole(Mode::RemoteOnly, models, &mut tree, &mut scorer)?,
        };
        let chances = [f32::NAN; 2];
        labels.push(Label { question: index, depth: 0, origin: Origin::Prompt, hidden: root, case, chances });
        if self.mixed {
            self.on_policy(models, &mut tree, &mut scorer, &gold, index, question, &mut labels)?;
        }
        Ok(labels)
    }

    /// Labels the states of the rule's own answer that lie off the gold answer.
    #[expect(clippy::too_many_arguments, reason = "one question's working state")]
    fn on_policy(
        &self,
        models: &mut Models,
        tree: &mut Tree,
        scorer: &mut Scorer,
        gold: &[TokenId],
        index: usize,
        question: &Question,
        labels: &mut Vec<Label>,
    ) -> Result<(), TrainError> {
        let table = Table { models, tree, scorer };
        let answer = { table }.play(&[], self.rule.mode, self.rule.threshold)?.ids();
        let shared = answer.iter().zip(gold).take_while(|(a, b)| a == b).count();
        for node in tree.along(&answer).into_iter().skip(shared + 1) {
            let (small, large) = said(models, tree, node)?;
            let case = if small.token == large {
                Case::SlmRight
            } else {
                self.roll_out(models, tree, scorer, node, question)?
            };
            let (depth, chances) = (tree.depth(node), [f32::NAN; 2]);
            labels.push(Label { question: index, depth, origin: Origin::Mixed, hidden: small.hidden, case, chances });
        }
        Ok(())
    }

    /// Finishes both branches of a state and judges them.
    fn roll_out(
        &self,
        models: &mut Models,
        tree: &mut Tree,
        scorer: &mut Scorer,
        node: usize,
        question: &Question,
    ) -> Result<Case, TrainError> {
        let (small, large) = said(models, tree, node)?;
        let slm = self.branch(models, tree, scorer, node, small.token, question)?;
        let llm = if small.token == large { slm } else { self.branch(models, tree, scorer, node, large, question)? };
        Ok(Case::RolledOut { slm, llm })
    }

    fn branch(
        &self,
        models: &mut Models,
        tree: &mut Tree,
        scorer: &mut Scorer,
        node: usize,
        token: TokenId,
        question: &Question,
    ) -> Result<bool, TrainError> {
        let mut ids = tree.answer(node);
        ids.push(token);
        let room = models.slm().capacity();
        if !models.format().is_end(token) && tree.prompt().len() + ids.len() < room {
            let table = Table { models, tree, scorer };
            let rest = { table }.play(&ids, self.rule.mode, self.rule.threshold)?;
            ids.extend(rest.ids());
        }
        Ok(is_correct(question, &models.tokenizer().decode(&ids)))
    }
}

/// What both models say at a state.
fn said(models: &mut Models, tree: &mut Tree, node: usize) -> Result<(Small, TokenId), TrainError> {
    block_on(async {
        let small = models.small(tree, node).await?.clone();
        Ok((small, models.large(tree, node).await?))
    })
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
}

impl Summary {
    /// Counts `labels`.
    pub fn of(labels: &[Label]) -> Self {
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
        )
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
