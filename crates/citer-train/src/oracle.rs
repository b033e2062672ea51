//! The oracle: few LLM tokens that give a right answer, found by a search that knows the answer. No policy can.
//!
//! The search is limited, so this is the best that it found and not a proven bound.

use crate::{
    error::TrainError,
    measure::outcome,
    models::Models,
    play::Table,
    signal::{Scorer, Signal},
    sweep::Outcome,
    tree::Tree,
};
use burn::tensor::Device;
use citer_core::{LocalModel, Mode, TokenId};
use citer_tasks::{Question, is_correct};
use futures::executor::block_on;

/// Most LLM tokens that the search spends on an answer.
pub const MOST_CALLS: usize = 3;
/// Answers that the search finishes a question at most; what is not found by then counts as out of reach.
const MOST_ANSWERS: usize = 60;

/// The outcome with at most 0, 1, ... [`MOST_CALLS`] LLM tokens: the cheapest right answer, or the SLM's own wrong one.
///
/// Breadth first over the places where both models disagree: after each replaced token the SLM goes on alone.
pub fn outcomes(
    models: &mut Models,
    tree: &mut Tree,
    question: &Question,
    device: &Device,
) -> Result<Vec<Outcome>, TrainError> {
    let signal = Signal::Peak;
    let mut scorer = Scorer::new(&signal, 0, device);
    let mut found: Vec<Outcome> = Vec::with_capacity(MOST_CALLS + 1);
    let mut answers = 0;
    // Answers so far with the places of their LLM tokens.
    let mut level: Vec<(Vec<TokenId>, Vec<usize>)> = vec![(Vec::new(), Vec::new())];
    let mut own: Option<Outcome> = None;
    for calls in 0..=MOST_CALLS {
        if let Some(best) = found.last().copied().filter(|best| best.right) {
            found.push(best);
            continue;
        }
        let mut next = Vec::new();
        let mut best: Option<Outcome> = None;
        for (begun, places) in std::mem::take(&mut level) {
            if answers >= MOST_ANSWERS || best.is_some() {
                break;
            }
            answers += 1;
            let ids = finish(models, tree, &mut scorer, &begun)?;
            let here = judged(question, models, tree, &ids, &places);
            own.get_or_insert(here);
            if here.right {
                best = Some(here);
            } else if calls < MOST_CALLS {
                branch(models, tree, &ids, &places, &mut next)?;
            }
        }
        level = next;
        found.extend(best.or(own));
    }
    Ok(found)
}

/// The SLM goes on alone from `begun`.
fn finish(
    models: &mut Models,
    tree: &mut Tree,
    scorer: &mut Scorer,
    begun: &[TokenId],
) -> Result<Vec<TokenId>, TrainError> {
    let mut ids = begun.to_vec();
    if ids.last().is_none_or(|token| !models.format().is_end(*token))
        && tree.prompt().len() + ids.len() < models.slm().capacity()
    {
        let table = Table { models, tree, scorer };
        ids.extend({ table }.play(begun, Mode::LocalOnly, 0.0)?.ids());
    }
    Ok(ids)
}

/// Adds a start for every later place where the models disagree.
fn branch(
    models: &mut Models,
    tree: &mut Tree,
    ids: &[TokenId],
    places: &[usize],
    next: &mut Vec<(Vec<TokenId>, Vec<usize>)>,
) -> Result<(), TrainError> {
    let from = places.last().map_or(0, |place| place + 1);
    let path = tree.along(ids);
    if path.iter().skip(from).any(|node| tree.large(*node).is_none()) {
        models.walk(&mut [tree], &[ids])?;
    }
    for (place, node) in path.into_iter().enumerate().skip(from) {
        let large = block_on(models.large(tree, node))?.token;
        if large != ids[place] {
            let mut begun = ids[..place].to_vec();
            begun.push(large);
            next.push((begun, places.iter().copied().chain([place]).collect()));
        }
    }
    Ok(())
}

fn judged(question: &Question, models: &Models, tree: &Tree, ids: &[TokenId], places: &[usize]) -> Outcome {
    let asked = (0..ids.len()).map(|index| places.contains(&index));
    let right = is_correct(question, &models.tokenizer().decode(ids));
    outcome(tree.prompt().len(), asked, right)
}
