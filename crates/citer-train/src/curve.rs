//! Accuracy against the share of remote tokens, with the work behind every point: the curve of a policy, its area and its
//! readings.

use crate::interval::Share;
use crate::sweep::{Measurement, Outcome, Sweep};
use crate::work::Work;
use serde::Serialize;

/// One setting of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The threshold; none for a model alone.
    pub threshold: Option<f64>,
    /// Tokens made by the LLM over all tokens of all answers, 0 to 1.
    pub share: f64,
    /// Right answers, with the Wilson interval at 95 %.
    pub accuracy: Share,
    /// What models and network did.
    pub work: Work,
}

/// A policy's points from the SLM alone (share 0) to the LLM alone (share 1), by rising share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// The policy.
    pub policy: String,
    /// At least the two ends.
    pub points: Vec<Point>,
}

impl Curve {
    /// The curve over the questions with the indices in `questions`.
    pub fn new(measurement: &Measurement, sweep: &Sweep, questions: &[usize]) -> Self {
        let chosen = |outcomes: &[Outcome]| questions.iter().map(|&i| outcomes[i]).collect::<Vec<_>>();
        let point = |outcomes: &[Outcome], threshold: Option<f64>, work: Work| {
            let right = outcomes.iter().filter(|o| o.right).count() as u64;
            Point { threshold, share: work.share(), accuracy: Share::new(right, questions.len() as u64), work }
        };
        let settings = sweep.outcomes.iter().zip(&sweep.thresholds).map(|(outcomes, threshold)| {
            let outcomes = chosen(outcomes);
            point(&outcomes, Some(*threshold), Work::of(&outcomes))
        });
        let mut points: Vec<Point> = settings.collect();
        points.sort_by(|a, b| a.share.total_cmp(&b.share));
        let [slm, llm] = [&measurement.slm, &measurement.llm].map(|outcomes| chosen(outcomes));
        points.insert(0, Point { share: 0.0, ..point(&slm, None, Work::of_slm(&slm)) });
        points.push(Point { share: 1.0, ..point(&llm, None, Work::of_llm(&llm)) });
        Self { policy: sweep.policy.clone(), points }
    }

    /// The curve as a line.
    pub fn line(&self) -> Line {
        let end = |point: Option<&Point>| point.map_or(0.0, |p| p.accuracy.value);
        let settings = self.points.iter().filter(|p| p.threshold.is_some());
        let ends = (end(self.points.first()), end(self.points.last()));
        Line::new(ends, settings.map(|p| (p.share, p.accuracy.value)).collect())
    }
}

/// A polyline of (share, accuracy) from share 0 to share 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Line(Vec<(f64, f64)>);

impl Line {
    /// From the accuracies of SLM and LLM alone and a policy's (share, accuracy) points in any order. Points with the
    /// same share become one with their mean accuracy; a point at share 0 or 1 is a model alone and adds nothing.
    pub fn new(ends: (f64, f64), mut points: Vec<(f64, f64)>) -> Self {
        points.retain(|point| point.0 > 0.0 && point.0 < 1.0);
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let same = points.chunk_by(|a, b| a.0 == b.0);
        let knots = same.map(|same| (same[0].0, same.iter().map(|p| p.1).sum::<f64>() / same.len() as f64));
        Self([(0.0, ends.0)].into_iter().chain(knots).chain([(1.0, ends.1)]).collect())
    }

    /// The corners, by rising share.
    pub fn knots(&self) -> &[(f64, f64)] {
        &self.0
    }

    /// Accuracy at the left end: the SLM alone.
    pub fn first(&self) -> f64 {
        self.0.first().map_or(0.0, |knot| knot.1)
    }

    /// Accuracy at the right end: the LLM alone.
    pub fn last(&self) -> f64 {
        self.0.last().map_or(0.0, |knot| knot.1)
    }

    /// The accuracy at a share, interpolated linearly between measured settings; beyond an end, that end's.
    pub fn accuracy_at(&self, share: f64) -> f64 {
        let after = self.0.partition_point(|knot| knot.0 < share);
        match (after.checked_sub(1).and_then(|i| self.0.get(i)), self.0.get(after)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (share - a.0) / (b.0 - a.0),
            (None, Some(_)) => self.first(),
            _ => self.last(),
        }
    }

    /// The smallest share at which the line reaches `accuracy`; none where it never does.
    pub fn share_at(&self, accuracy: f64) -> Option<f64> {
        if self.first() >= accuracy {
            return self.0.first().map(|knot| knot.0);
        }
        let crossing = |pair: &&[(f64, f64)]| pair[0].1 < accuracy && pair[1].1 >= accuracy;
        let pair = self.0.windows(2).find(crossing)?;
        let (a, b) = (pair[0], pair[1]);
        Some(a.0 + (b.0 - a.0) * (accuracy - a.1) / (b.1 - a.1))
    }

    /// The area under the line over shares 0 to `max_share` by the trapezoid rule, divided by `max_share`: the mean
    /// accuracy over that range, so that areas over different ranges read alike. The accuracy at 0 when `max_share`
    /// is 0.
    pub fn area(&self, max_share: f64) -> f64 {
        if max_share <= 0.0 {
            return self.first();
        }
        let inside = self.0.iter().copied().filter(|knot| knot.0 < max_share);
        let knots: Vec<(f64, f64)> = inside.chain([(max_share, self.accuracy_at(max_share))]).collect();
        let trapezoid = |pair: &[(f64, f64)]| (pair[1].0 - pair[0].0) * 0.5 * (pair[0].1 + pair[1].1);
        knots.windows(2).map(trapezoid).sum::<f64>() / max_share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line::new((0.2, 0.6), vec![(0.4, 0.4), (0.1, 0.5)])
    }

    #[test]
    fn areas_equal_trapezoids_added_by_hand() {
        // 0.1 * 0.35 + 0.3 * 0.45 + 0.6 * 0.5 = 0.47
        assert!((line().area(1.0) - 0.47).abs() < 1e-12);
        // Cut in the middle of a piece: 0.1 * 0.35 + 0.15 * (0.5 + 0.45) / 2 = 0.10625, over 0.25.
        assert!((line().area(0.25) - 0.10625 / 0.25).abs() < 1e-12);
        assert_eq!(line().area(0.0), 0.2);
    }

    #[test]
    fn readings_interpolate_and_find_the_first_crossing() {
        let line = line();
        assert!((line.accuracy_at(0.05) - 0.35).abs() < 1e-12 && (line.accuracy_at(0.7) - 0.5).abs() < 1e-12);
        assert_eq!((line.accuracy_at(0.0), line.accuracy_at(1.0), line.accuracy_at(2.0)), (0.2, 0.6, 0.6));
        // 0.45 is crossed at 1/12, then again at 0.25 (downwards) and 0.55.
        assert!((line.share_at(0.45).unwrap() - 0.25 / 3.0).abs() < 1e-12);
        assert_eq!((line.share_at(0.1), line.share_at(0.61)), (Some(0.0), None));
    }

    #[test]
    fn settings_of_equal_share_count_once_and_never_replace_a_model_alone() {
        let line = Line::new((0.2, 0.6), vec![(0.0, 0.9), (1.0, 0.1), (0.5, 0.3), (0.5, 0.5)]);
        assert_eq!(line.knots(), [(0.0, 0.2), (0.5, 0.4), (1.0, 0.6)]);
        assert_eq!(line.accuracy_at(0.5), 0.4);
    }

    #[test]
    fn a_curve_weighs_the_share_by_tokens_and_has_both_ends() {
        let outcome = |right, tokens, remote| Outcome { right, tokens, remote, ..Outcome::default() };
        let sweep = Sweep {
            policy: "router".into(),
            thresholds: vec![0.5],
            outcomes: vec![vec![outcome(true, 30, 1), outcome(false, 10, 3), outcome(true, 9, 9)]],
            diverged: Vec::new(),
        };
        let measurement = Measurement {
            families: vec!["a".into(), "a".into(), "b".into()],
            slm: vec![outcome(false, 1, 0); 3],
            llm: vec![outcome(true, 1, 1); 3],
            sweeps: vec![sweep],
        };
        let curve = Curve::new(&measurement, &measurement.sweeps[0], &[0, 1]);
        let points: Vec<_> = curve.points.iter().map(|p| (p.threshold, p.share, p.accuracy.value)).collect();
        assert_eq!(points, [(None, 0.0, 0.0), (Some(0.5), 0.1, 0.5), (None, 1.0, 1.0)]);
        assert_eq!(curve.points[1].accuracy.total, 2);
    }
}
