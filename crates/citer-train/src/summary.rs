//! The figures of an evaluation: areas, readings, comparisons and costs, from a measurement.

use crate::bootstrap::{Bootstrap, Interval, RESAMPLES};
use crate::compare::{Comparison, SHARES, share_at_target};
use crate::cost::Rates;
use crate::curve::Curve;
use crate::equal::{Equal, equal};
use crate::error::TrainError;
use crate::setting::{self, FamilyRow, Priced};
use crate::sweep::{Measurement, Outcome};
use serde::{Deserialize, Serialize};

/// How a measurement is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The policy the product uses; the others are compared with it.
    pub policy: String,
    /// Its recommended threshold; the setting measured closest to it counts.
    pub threshold: f64,
    /// The largest share of remote tokens that matters, 0 to 1: areas are also taken up to it.
    pub max_share: f64,
    /// What costs are computed with.
    pub rates: Rates,
    /// Seed of the bootstrap.
    pub seed: u64,
}

/// One policy's curve in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The policy.
    pub policy: String,
    /// Area under the curve over all shares: a mean accuracy, 0 to 1.
    pub area: Option<Interval>,
    /// The same up to [`Reading::max_share`].
    pub limited_area: Option<Interval>,
    /// Accuracy at each of [`SHARES`].
    pub accuracy_at: Vec<Option<Interval>>,
    /// Share at which 95 % of the LLM's accuracy is reached.
    pub share_at_target: Option<Interval>,
}

/// All figures.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// All questions: a curve a policy.
    pub curves: Vec<Curve>,
    /// The same a family.
    pub family_curves: Vec<(String, Vec<Curve>)>,
    /// Areas and readings a policy.
    pub standings: Vec<Standing>,
    /// The recommended policy against every other one.
    pub comparisons: Vec<Comparison>,
    /// All questions, then family by family.
    pub families: Vec<FamilyRow>,
    /// SLM alone, LLM alone, the recommended setting, then every other policy at the setting whose share is closest.
    pub costs: Vec<Priced>,
    /// All policies at equal accuracy and at equal cost.
    pub equal: Vec<Equal>,
    /// Remote share below which routing is faster than an LLM that streams, 0 to 1.
    pub break_even_time: f64,
    /// Remote share below which routing through a stateless API costs less than the LLM alone, 0 to 1.
    pub break_even_usd: f64,
}

impl Summary {
    /// Checks the measurement and computes everything.
    pub fn new(measurement: &Measurement, reading: &Reading) -> Result<Self, TrainError> {
        measurement.check()?;
        if !(reading.max_share > 0.0 && reading.max_share <= 1.0) {
            return Err(TrainError::Settings(format!("the largest share is {}, not in 0 to 1", reading.max_share)));
        }
        let missing = || TrainError::Settings(format!("{} was not measured", reading.policy));
        let names: Vec<String> = measurement.sweeps.iter().map(|sweep| sweep.policy.clone()).collect();
        let ours = names.iter().position(|name| *name == reading.policy).ok_or_else(missing)?;
        let chosen = measurement.sweeps[ours].nearest(reading.threshold).ok_or_else(missing)?;

        let all = measurement.questions(None);
        let curves = |questions: &[usize]| -> Vec<Curve> {
            measurement.sweeps.iter().map(|sweep| Curve::new(measurement, sweep, questions)).collect()
        };
        let families = measurement.family_names();
        let bootstrap = Bootstrap::new(measurement, &all, RESAMPLES, reading.seed)?;
        let standing = |(i, policy): (usize, &String)| Standing {
            policy: policy.clone(),
            area: bootstrap.interval(|lines| Some(lines.get(i)?.area(1.0))),
            limited_area: bootstrap.interval(|lines| Some(lines.get(i)?.area(reading.max_share))),
            accuracy_at: SHARES.map(|s| bootstrap.interval(|lines| Some(lines.get(i)?.accuracy_at(s)))).into(),
            share_at_target: bootstrap.interval(|lines| share_at_target(lines.get(i)?)),
        };
        let compare = |i| Comparison::new(&bootstrap, &names, (ours, i), reading.max_share);
        let [prompt, answer] = [|o: &Outcome| o.prompt, |o: &Outcome| o.tokens]
            .map(|count| measurement.llm.iter().map(|o| f64::from(count(o))).sum::<f64>() / all.len() as f64);
        Ok(Self {
            curves: curves(&all),
            family_curves: families.iter().map(|f| (f.to_string(), curves(&measurement.questions(Some(f))))).collect(),
            standings: names.iter().enumerate().map(standing).collect(),
            comparisons: (0..names.len()).filter(|&i| i != ours).map(compare).collect(),
            families: setting::families(measurement, &measurement.sweeps[ours].outcomes[chosen]),
            costs: setting::costs(measurement, &reading.rates, ours, chosen),
            equal: equal(measurement, &reading.rates, ours, chosen),
            break_even_time: reading.rates.times.break_even_share(),
            break_even_usd: reading.rates.prices.break_even_share(prompt, answer),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cost::{Prices, Reads, Times, Wire};
    use crate::sweep::Sweep;

    /// 40 questions of two families; the SLM answers 8, the LLM 32, `ours` 16 and 32 at 10 and 20 %, `other` 12 and 20.
    pub(crate) fn measurement() -> Measurement {
        let list = |right: usize, remote: u32| -> Vec<Outcome> {
            let sent = u64::from(remote) * 15;
            let outcome = |i| Outcome { right: i < right, tokens: 10, remote, prompt: 10, sent, suffix: sent.min(19) };
            (0..40).map(outcome).collect()
        };
        let sweep = |policy: &str, low, high| Sweep {
            policy: policy.into(),
            thresholds: vec![0.3, 0.6],
            outcomes: vec![list(low, 1), list(high, 2)],
            diverged: vec![3, 7],
        };
        Measurement {
            families: (0..40).map(|i| if i < 20 { "word" } else { "science" }.into()).collect(),
            slm: list(8, 0),
            llm: list(32, 10),
            sweeps: vec![sweep("other", 12, 20), sweep("ours", 16, 32)],
        }
    }

    pub(crate) fn reading() -> Reading {
        Reading {
            policy: "ours".into(),
            threshold: 0.61,
            max_share: 0.2,
            rates: Rates {
                wire: Wire { call: 500.0, token: 6.0 },
                prices: Prices { prompt: 2.0, cached: 0.5, output: 10.0 },
                slm: Reads { weights: 1e6, position: 1e3 },
                llm: Reads { weights: 1e8, position: 1e5 },
                times: Times { round_trip: 65.0, slm: 15.0, llm: 20.0 },
            },
            seed: 1,
        }
    }

    #[test]
    fn figures_equal_those_worked_out_by_hand() {
        let summary = Summary::new(&measurement(), &reading()).unwrap();
        let ours = &summary.standings[1];
        // 0.1 * 0.3 + 0.1 * 0.6 over 0.2; all shares: 0.09 + 0.8 * 0.8.
        assert!((ours.limited_area.unwrap().value - 0.45).abs() < 1e-9);
        assert!((ours.area.unwrap().value - 0.73).abs() < 1e-9);
        assert!((ours.accuracy_at[1].unwrap().value - 0.4).abs() < 1e-9);
        // 0.76 lies at 0.1 + 0.1 * 0.36 / 0.4 for ours, at 0.2 + 0.8 * 0.26 / 0.3 for the other.
        let (a, b) = (0.19, 0.2 + 0.8 * 0.26 / 0.3);
        assert!((ours.share_at_target.unwrap().value - a).abs() < 1e-9);
        let comparison = &summary.comparisons[0];
        assert_eq!((comparison.policy.as_str(), comparison.against.as_str()), ("ours", "other"));
        assert!((comparison.saved.unwrap().value - (1.0 - a / b)).abs() < 1e-9);
        assert!((comparison.gains[2].unwrap().value - 0.3).abs() < 1e-9);
    }

    #[test]
    fn a_reading_that_does_not_fit_is_refused() {
        let refused = |reading| Summary::new(&measurement(), &reading).is_err();
        assert!(refused(Reading { policy: "nobody".into(), ..reading() }));
        assert!(
            refused(Reading { max_share: 0.0, ..reading() }) && refused(Reading { max_share: f64::NAN, ..reading() })
        );
    }
}
