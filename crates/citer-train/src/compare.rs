//! One policy against another, as CITER's paper (arXiv 2502.01976) compares: remote share saved at equal accuracy,
//! accuracy won at equal share.

use crate::bootstrap::{Bootstrap, Interval};
use crate::curve::Line;
use serde::Serialize;

/// Part of the LLM's accuracy at which shares are compared.
pub const TARGET: f64 = 0.95;

/// Shares at which accuracies are read.
pub const SHARES: [f64; 3] = [0.05, 0.10, 0.20];

/// How a policy does against another one, with paired intervals. Differences are policy minus other.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The policy.
    pub policy: String,
    /// The other one.
    pub against: String,
    /// Difference of the areas over all shares (accuracy, 0 to 1).
    pub area: Option<Interval>,
    /// Difference of the areas up to the report's largest share.
    pub limited_area: Option<Interval>,
    /// Difference of the accuracies at each of [`SHARES`].
    pub gains: Vec<Option<Interval>>,
    /// Part of the other's remote share saved at [`TARGET`] of the LLM's accuracy; negative where more is spent.
    pub saved: Option<Interval>,
    /// The same for ten levels from a tenth of the gap between SLM and LLM to all of it: one minus the sum of the
    /// policy's shares over the sum of the other's.
    pub mean_saved: Option<Interval>,
    /// The largest part saved at one of these levels, the "up to" of papers. A maximum of noisy values lies too high.
    pub most_saved: Option<f64>,
}

impl Comparison {
    /// Compares the policies with the indices `a` and `b`; areas are also taken up to `max_share`.
    pub fn new(bootstrap: &Bootstrap, names: &[String], (a, b): (usize, usize), max_share: f64) -> Self {
        let name = |i: usize| names.get(i).cloned().unwrap_or_default();
        let area = |max: f64| bootstrap.interval(move |lines| Some(lines.get(a)?.area(max) - lines.get(b)?.area(max)));
        let gain = |share: f64| {
            bootstrap.interval(move |lines| Some(lines.get(a)?.accuracy_at(share) - lines.get(b)?.accuracy_at(share)))
        };
        Self {
            policy: name(a),
            against: name(b),
            area: area(1.0),
            limited_area: area(max_share),
            gains: SHARES.map(gain).into(),
            saved: bootstrap.interval(|lines| saved_at_target(lines.get(a)?, lines.get(b)?)),
            mean_saved: bootstrap.interval(|lines| mean_saved(lines.get(a)?, lines.get(b)?)),
            most_saved: bootstrap.interval(|lines| most_saved(lines.get(a)?, lines.get(b)?)).map(|most| most.value),
        }
    }
}

/// The share at which a line reaches [`TARGET`] of its LLM's accuracy.
pub fn share_at_target(line: &Line) -> Option<f64> {
    line.share_at(TARGET * line.last())
}

/// One minus the quotient of shares at [`TARGET`]; none where the SLM alone reaches it.
fn saved_at_target(a: &Line, b: &Line) -> Option<f64> {
    part_saved(share_at_target(a)?, share_at_target(b)?)
}

fn part_saved(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| 1.0 - a / b)
}

/// The shares of both lines at the ten levels of accuracy; none where the LLM is no better than the SLM.
fn shares_at_levels(a: &Line, b: &Line) -> Option<Vec<(f64, f64)>> {
    let (slm, gap) = (a.first(), a.last() - a.first());
    // Level ten is the LLM's accuracy itself, not a sum that rounding could lift above it.
    let level = |i: u32| if i == 10 { a.last() } else { slm + gap * f64::from(i) / 10.0 };
    (gap > 0.0).then(|| (1..=10).filter_map(|i| Some((a.share_at(level(i))?, b.share_at(level(i))?))).collect())
}

fn mean_saved(a: &Line, b: &Line) -> Option<f64> {
    let (a, b) = shares_at_levels(a, b)?.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    part_saved(a, b)
}

fn most_saved(a: &Line, b: &Line) -> Option<f64> {
    shares_at_levels(a, b)?.iter().filter_map(|pair| part_saved(pair.0, pair.1)).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(share: f64, accuracy: f64) -> Line {
        Line::new((0.2, 0.6), vec![(share, accuracy)])
    }

    #[test]
    fn savings_equal_quotients_worked_out_by_hand() {
        // 0.95 * 0.6 = 0.57 is reached at 0.1 * 0.37 / 0.4 = 0.0925 and at 0.2 * 0.37 / 0.4 = 0.185.
        let (a, b) = (line(0.1, 0.6), line(0.2, 0.6));
        assert!((share_at_target(&a).unwrap() - 0.0925).abs() < 1e-12);
        assert!((saved_at_target(&a, &b).unwrap() - 0.5).abs() < 1e-12);
        assert!((saved_at_target(&b, &a).unwrap() + 1.0).abs() < 1e-12, "twice the share: minus 100 %");
        assert!((mean_saved(&a, &b).unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_most_and_the_mean_differ_where_curves_bend() {
        // The chord reaches level i at share i / 10; the other one at i / 50 up to 5, then at 0.1 + (i - 5) * 0.18.
        let (bent, chord) = (line(0.1, 0.4), line(0.5, 0.4));
        assert!((most_saved(&bent, &chord).unwrap() - 0.8).abs() < 1e-12);
        let sum = (0.02 + 0.04 + 0.06 + 0.08 + 0.10) + (0.28 + 0.46 + 0.64 + 0.82 + 1.0);
        assert!((mean_saved(&bent, &chord).unwrap() - (1.0 - sum / 5.5)).abs() < 1e-12);
    }

    #[test]
    fn without_a_gap_there_is_nothing_to_save() {
        let flat = Line::new((0.6, 0.6), Vec::new());
        assert_eq!((saved_at_target(&flat, &flat), mean_saved(&flat, &flat)), (None, None));
    }
}
