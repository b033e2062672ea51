//! Single settings in numbers: accuracy by family, and costs beside those of both models alone.

use crate::cost::{Cost, Rates};
use crate::interval::Share;
use crate::sweep::{Measurement, Outcome};
use crate::work::Work;
use serde::Serialize;

/// One way of answering at one setting, with its costs.
#[derive(Clone, Debug, Serialize)]
pub struct Priced {
    /// The policy, or a model alone.
    pub name: String,
    /// The setting; none for a model alone.
    pub threshold: Option<f64>,
    /// Right answers.
    pub accuracy: Share,
    /// Costs of a question.
    pub cost: Cost,
}

/// A family's accuracy under one setting and under both models.
#[derive(Clone, Debug, Serialize)]
pub struct FamilyRow {
    /// The family; none for all questions.
    pub family: Option<String>,
    /// The SLM alone.
    pub slm: Share,
    /// The setting.
    pub routed: Share,
    /// The LLM alone.
    pub llm: Share,
    /// Tokens made by the LLM in the setting, 0 to 1.
    pub share: f64,
}

/// All questions first, then family by family; `chosen` are the setting's outcomes.
pub fn families(measurement: &Measurement, chosen: &[Outcome]) -> Vec<FamilyRow> {
    let row = |family: Option<&str>| {
        let questions = measurement.questions(family);
        let of = |list: &[Outcome]| accuracy(questions.iter().map(|&i| &list[i]));
        FamilyRow {
            family: family.map(Into::into),
            slm: of(&measurement.slm),
            routed: of(chosen),
            llm: of(&measurement.llm),
            share: Work::of(questions.iter().map(|&i| &chosen[i])).share(),
        }
    };
    std::iter::once(None).chain(measurement.family_names().into_iter().map(Some)).map(row).collect()
}

/// Right answers among outcomes.
pub fn accuracy<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Share {
    let (right, total) = outcomes.fold((0, 0), |(right, total), o| (right + u64::from(o.right), total + 1));
    Share::new(right, total)
}

/// SLM alone, LLM alone, the sweep `ours` at `setting`, then every other sweep at the setting whose share of remote
/// tokens is closest to that.
pub fn costs(measurement: &Measurement, rates: &Rates, ours: usize, setting: usize) -> Vec<Priced> {
    let priced = |name: &str, threshold: Option<f64>, outcomes: &[Outcome], work: Work| Priced {
        name: name.into(),
        threshold,
        accuracy: accuracy(outcomes.iter()),
        cost: rates.cost(&work),
    };
    let policy = |(i, setting): (usize, usize)| {
        let (sweep, outcomes) = (&measurement.sweeps[i], &measurement.sweeps[i].outcomes[setting]);
        priced(&sweep.policy, Some(sweep.thresholds[setting]), outcomes, Work::of(outcomes))
    };
    let share = Work::of(&measurement.sweeps[ours].outcomes[setting]).share();
    let closest = |i: usize| {
        let lists = &measurement.sweeps[i].outcomes;
        let distance: Vec<f64> = lists.iter().map(|list| (Work::of(list).share() - share).abs()).collect();
        (0..lists.len()).min_by(|&a, &b| distance[a].total_cmp(&distance[b])).map(|setting| (i, setting))
    };
    let others = (0..measurement.sweeps.len()).filter(|&i| i != ours).filter_map(closest);
    let models = [
        priced("SLM alone", None, &measurement.slm, Work::of_slm(&measurement.slm)),
        priced("LLM alone", None, &measurement.llm, Work::of_llm(&measurement.llm)),
    ];
    models.into_iter().chain([(ours, setting)].into_iter().chain(others).map(policy)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::{measurement, reading};

    #[test]
    fn costs_name_the_models_the_setting_and_the_others_at_its_share() {
        let costs = costs(&measurement(), &reading().rates, 1, 1);
        let rows: Vec<_> = costs.iter().map(|row| (row.name.as_str(), row.threshold, row.cost.calls)).collect();
        let expected = [("SLM alone", None, 0.0), ("LLM alone", None, 1.0), ("ours", Some(0.6), 2.0)];
        assert_eq!((&rows[..3], rows[3]), (&expected[..], ("other", Some(0.6), 2.0)));
        assert_eq!((costs[1].cost.sent, costs[2].cost.sent), (10.0, 30.0));
    }

    #[test]
    fn families_sum_to_all() {
        let measurement = measurement();
        let rows = families(&measurement, &measurement.sweeps[1].outcomes[1]);
        let hits: Vec<_> = rows.iter().map(|row| (row.slm.hits, row.routed.hits, row.llm.hits)).collect();
        assert_eq!(hits, [(8, 32, 32), (8, 20, 20), (0, 12, 12)]);
        assert!(rows.iter().all(|row| (row.share - 0.2).abs() < 1e-12));
    }
}
