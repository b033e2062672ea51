//! Policies at equal accuracy and at equal cost, in every cost and not in the share of remote tokens alone: as CITER's
//! paper compares, whose cost is the data moved while decoding.

use crate::compare::share_at_target;
use crate::cost::{Cost, Rates};
use crate::curve::Curve;
use crate::setting::accuracy;
use crate::sweep::{Measurement, Sweep};
use crate::work::Work;
use serde::Serialize;

/// One policy beside the recommended one. Between measured settings lines are straight.
#[derive(Clone, Debug, Serialize)]
pub struct Equal {
    /// The policy.
    pub policy: String,
    /// Its costs where it reaches 95 % of the LLM's accuracy; none where no measured setting does.
    pub at_target: Option<Cost>,
    /// Its accuracy where it moves as many gigabytes as the recommended setting of the recommended policy.
    pub at_gigabytes: Option<f64>,
    /// Its accuracy where it costs as many US dollars, without a session.
    pub at_usd: Option<f64>,
    /// Its accuracy where an answer takes as long.
    pub at_seconds: Option<f64>,
}

/// The SLM alone and the settings of a policy, by rising share: costs with accuracies.
fn settings(measurement: &Measurement, rates: &Rates, sweep: &Sweep) -> Vec<(Cost, f64)> {
    let mut all: Vec<(Cost, f64)> =
        vec![(rates.cost(&Work::of_slm(&measurement.slm)), accuracy(measurement.slm.iter()).value)];
    let measured = sweep.outcomes.iter().map(|list| (rates.cost(&Work::of(list)), accuracy(list.iter()).value));
    all.extend(measured);
    all.sort_by(|a, b| a.0.share.total_cmp(&b.0.share));
    all
}

/// The costs at a share, between neighbouring settings; none beyond the last one.
fn at_share(settings: &[(Cost, f64)], share: f64) -> Option<Cost> {
    let after = settings.iter().position(|(cost, _)| cost.share >= share)?;
    let (b, a) = (&settings[after].0, &settings[after.saturating_sub(1)].0);
    let part = if b.share > a.share { (share - a.share) / (b.share - a.share) } else { 1.0 };
    Some(a.mixed(b, part))
}

/// The accuracy where a cost first reaches `value`; none where no setting costs as much.
fn accuracy_at(settings: &[(Cost, f64)], cost: impl Fn(&Cost) -> f64, value: f64) -> Option<f64> {
    let after = settings.iter().position(|(c, _)| cost(c) >= value)?;
    let (b, a) = (&settings[after], &settings[after.saturating_sub(1)]);
    let span = cost(&b.0) - cost(&a.0);
    let part = if span > 0.0 { (value - cost(&a.0)) / span } else { 1.0 };
    Some(a.1 + part * (b.1 - a.1))
}

/// All policies beside the setting `chosen` of the sweep `ours`.
pub fn equal(measurement: &Measurement, rates: &Rates, ours: usize, chosen: usize) -> Vec<Equal> {
    let reference = rates.cost(&Work::of(&measurement.sweeps[ours].outcomes[chosen]));
    let all: Vec<usize> = measurement.questions(None);
    let one = |sweep: &Sweep| {
        let settings = settings(measurement, rates, sweep);
        let share = share_at_target(&Curve::new(measurement, sweep, &all).line());
        Equal {
            policy: sweep.policy.clone(),
            at_target: share.and_then(|share| at_share(&settings, share)),
            at_gigabytes: accuracy_at(&settings, |c| c.gigabytes, reference.gigabytes),
            at_usd: accuracy_at(&settings, |c| c.usd_stateless, reference.usd_stateless),
            at_seconds: accuracy_at(&settings, |c| c.seconds, reference.seconds),
        }
    };
    measurement.sweeps.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::{measurement, reading};

    #[test]
    fn costs_and_accuracies_lie_on_straight_lines_between_settings() {
        let (measurement, rates) = (measurement(), reading().rates);
        let equal = equal(&measurement, &rates, 1, 1);
        // Ours reaches 0.76 at a share of 0.19: nine tenths of the way from one call to two.
        let at = equal[1].at_target.unwrap();
        assert!((at.share - 0.19).abs() < 1e-9 && (at.calls - 1.9).abs() < 1e-9, "{at:?}");
        assert!((at.bytes_stateless - (0.1 * 596.0 + 0.9 * 1192.0)).abs() < 1e-6, "{at:?}");
        assert!(equal[0].at_target.is_none(), "the other one never gets there in a measured setting");
        // At the cost of its own setting a policy has the accuracy of that setting.
        assert!((equal[1].at_usd.unwrap() - 0.8).abs() < 1e-9 && (equal[1].at_gigabytes.unwrap() - 0.8).abs() < 1e-9);
        assert!((equal[1].at_seconds.unwrap() - 0.8).abs() < 1e-9);
        assert!((equal[0].at_usd.unwrap() - 0.5).abs() < 1e-9 && (equal[0].at_seconds.unwrap() - 0.5).abs() < 1e-9);
    }
}
