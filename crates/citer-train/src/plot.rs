//! The plots of an evaluation, as SVG on white: accuracy against a cost, calibration, routed classes of tokens.

use crate::calibrate::{Bin, expected_error};
use crate::canvas::{Canvas, FAINT, Failure, INK, LABEL, Look, axes, line, mark, svg, text, whisker};
use crate::cost::{Cost, Rates};
use crate::curve::{Curve, Point};
use crate::error::TrainError;
use crate::interval::Share;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use serde::{Deserialize, Serialize};

/// A class of tokens with the share of it that was routed to the LLM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// What the tokens are.
    pub name: String,
    /// How many of how many were routed.
    pub routed: Share,
}

/// A cost of a question, along which curves are drawn.
#[derive(Clone, Copy)]
pub struct Axis {
    /// First part of the plots' file names.
    pub file: &'static str,
    /// What it is.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its value, in that unit.
    pub of: fn(&Cost) -> f64,
    /// Whether all lines end in the LLM alone, as over the share. By other costs it may be cheaper than settings just below
    /// it, and no line leads there.
    pub closed: bool,
}

/// The share of remote tokens.
pub const SHARE: Axis = Axis {
    file: "curves",
    name: "tokens made by the LLM",
    unit: "% of all tokens",
    of: |cost| 100.0 * cost.share,
    closed: true,
};

/// All costs along which curves are drawn: the share, the paper's cost, latency, money.
pub const AXES: [Axis; 4] = [
    SHARE,
    Axis {
        file: "gigabytes",
        name: "read from memory for an answer",
        unit: "GB",
        of: |cost| cost.gigabytes,
        closed: false,
    },
    Axis { file: "seconds", name: "time of an answer", unit: "s", of: |cost| cost.seconds, closed: false },
    Axis {
        file: "usd",
        name: "1,000 answers, without a session",
        unit: "US dollars",
        of: |cost| 1e3 * cost.usd_stateless,
        closed: false,
    },
];

impl Axis {
    /// How far to draw: to the LLM alone, and to the settings of `policy` that make at most `share` of the tokens remote.
    pub fn reach(&self, curves: &[Curve], policy: &str, share: f64, rates: &Rates) -> f64 {
        let shown = |curve: &&Curve| curve.policy == policy;
        let points = curves.iter().filter(shown).flat_map(|curve| &curve.points);
        let within = points.filter(|point| point.share <= share || point.share == 1.0);
        let most = within.map(|point| self.at(point, rates)).fold(0.0, f64::max);
        if most > 0.0 { most } else { 1.0 }
    }

    fn at(&self, point: &Point, rates: &Rates) -> f64 {
        (self.of)(&rates.cost(&point.work))
    }

    /// A policy's line over costs up to `most`, from the SLM alone over its settings by rising share.
    fn line(&self, curve: &Curve, rates: &Rates, most: f64) -> Vec<(f64, f64)> {
        let setting = |point: &&Point| point.threshold.is_none() || (point.share > 0.0 && point.share < 1.0);
        let count = curve.points.len().saturating_sub(usize::from(!self.closed));
        let points = curve.points[..count].iter().filter(setting);
        let mut line: Vec<(f64, f64)> = Vec::new();
        for (x, y) in points.map(|point| (self.at(point, rates), point.accuracy.value)) {
            if x <= most {
                line.push((x, y));
                continue;
            }
            if let Some(before) = line.last().copied() {
                line.push((most, before.1 + (y - before.1) * (most - before.0) / (x - before.0)));
            }
            break;
        }
        line
    }
}

const SIZE: (u32, u32) = (1500, 860);
/// Pixels for the legend.
const LEGEND: i32 = 400;

fn title(canvas: &Canvas<'_>, words: &str) -> Result<(), Failure> {
    text(canvas, (24, 36), HPos::Left, 34, words)
}

/// Accuracy over a cost up to `most`. The models alone are points of all curves, and are also drawn as level lines; the
/// curve named `highlight` is bold and shows 95 % intervals.
pub fn curves(
    heading: &str,
    curves: &[Curve],
    highlight: &str,
    (axis, rates): (&Axis, &Rates),
    most: f64,
) -> Result<String, TrainError> {
    let shown = |curve: &Curve| axis.line(curve, rates, most);
    let inside = |point: &&Point| axis.at(point, rates) <= most;
    let ends = curves.first().and_then(|curve| Some((curve.points.first()?.accuracy, curve.points.last()?.accuracy)));
    let (slm, llm) = ends.unwrap_or((Share::new(0, 0), Share::new(0, 0)));
    let bold = |curve: &Curve| curve.policy == highlight;
    let mut reach: Vec<f64> = curves.iter().flat_map(&shown).map(|knot| knot.1).collect();
    reach.extend([slm.low, slm.high, llm.value]);
    for point in curves.iter().filter(|c| bold(c)).flat_map(|c| &c.points).filter(inside) {
        reach.extend([point.accuracy.low, point.accuracy.high]);
    }
    let low = (reach.iter().copied().fold(1.0, f64::min) * 20.0 - 0.2).floor().max(0.0) * 5.0;
    let high = (reach.iter().copied().fold(0.0, f64::max) * 20.0 + 0.2).ceil().min(20.0) * 5.0;
    svg(SIZE, |canvas| {
        title(canvas, heading)?;
        let words = format!("{} ({})", axis.name, axis.unit);
        let place = axes(canvas, (110, LEGEND), (0.0..most, &words), (low..high, Some("right answers (%)")))?;
        let place = |cost: f64, accuracy: f64| place(cost, 100.0 * accuracy);
        for (name, end) in [("SLM alone", slm), ("LLM alone", llm)] {
            let right = place(most, end.value);
            canvas.draw(&PathElement::new(vec![place(0.0, end.value), right], FAINT.stroke_width(2)))?;
            text(canvas, (right.0 + 12, right.1), HPos::Left, LABEL - 3, name)?;
        }
        // The bold one last, on top of the others.
        let mut order: Vec<usize> = (0..curves.len()).collect();
        order.sort_by_key(|&i| bold(&curves[i]));
        for i in order {
            let (curve, look) = (&curves[i], Look::of(i));
            let points = shown(curve).iter().map(|knot| place(knot.0, knot.1)).collect();
            line(canvas, points, look, if bold(curve) { 5 } else { 3 })?;
            for point in curve.points.iter().filter(inside) {
                let cost = axis.at(point, rates);
                let (x, y) = place(cost, point.accuracy.value);
                if bold(curve) {
                    let ends = [point.accuracy.low, point.accuracy.high].map(|value| place(cost, value));
                    whisker(canvas, ends[0], ends[1], look.colour)?;
                }
                if point.threshold.is_some() {
                    mark(canvas, (x, y), look)?;
                } else {
                    canvas.draw(&Rectangle::new([(x - 5, y - 5), (x + 6, y + 6)], INK.filled()))?;
                }
            }
        }
        for (i, curve) in curves.iter().enumerate() {
            // Below the names of the level lines when these are at the top.
            let (x, y) = (SIZE.0 as i32 - LEGEND + 150, 330 + 44 * i as i32);
            line(canvas, vec![(x, y), (x + 70, y)], Look::of(i), if bold(curve) { 5 } else { 3 })?;
            mark(canvas, (x + 35, y), Look::of(i))?;
            text(canvas, (x + 84, y), HPos::Left, LABEL - 3, &curve.policy)?;
        }
        Ok(())
    })
}

/// Share right over mean score by bin; on the diagonal a score is a probability. Numbers are states a bin.
pub fn reliability(heading: &str, bins: &[Bin]) -> Result<String, TrainError> {
    svg((1000, 860), |canvas| {
        let error = format!(" (calibration error {:.2} %)", 100.0 * expected_error(bins));
        let error = if bins.is_empty() { "" } else { &error };
        title(canvas, &format!("{heading}{error}"))?;
        let x = (0.0..100.0, "mean score of the bin (%)");
        let place = axes(canvas, (110, 60), x, (0.0..100.0, Some("SLM's token good enough (%)")))?;
        let place = |score: f64, right: f64| place(100.0 * score, 100.0 * right);
        let diagonal = vec![place(0.0, 0.0), place(1.0, 1.0)];
        canvas.draw(&DashedPathElement::new(diagonal, 12, 10, FAINT.stroke_width(3)))?;
        let look = Look::of(0);
        line(canvas, bins.iter().map(|bin| place(bin.score, bin.share)).collect(), look, 3)?;
        for bin in bins {
            let right = Share::new((bin.share * bin.count as f64).round() as u64, bin.count as u64);
            let at = place(bin.score, bin.share);
            whisker(canvas, place(bin.score, right.low), place(bin.score, right.high), look.colour)?;
            mark(canvas, at, look)?;
            text(canvas, (at.0 + 12, at.1 + 22), HPos::Left, LABEL - 7, &bin.count.to_string())?;
        }
        Ok(())
    })
}

/// One bar a class: the share of its tokens that was routed, with its 95 % interval and counts.
pub fn classes(heading: &str, classes: &[Class]) -> Result<String, TrainError> {
    let row = 56;
    let most = classes.iter().map(|class| class.routed.high).fold(0.0, f64::max);
    let most = (most * 10.0).ceil().clamp(1.0, 10.0) * 10.0;
    svg((1500, 180 + row * classes.len().max(1) as u32), |canvas| {
        title(canvas, heading)?;
        let rows = classes.len().max(1) as f64;
        let x = (0.0..most, "routed to the LLM (% of the class)");
        let place = axes(canvas, (380, 220), x, (0.0..rows, None))?;
        for (i, class) in classes.iter().enumerate() {
            let (middle, share) = (rows - 0.5 - i as f64, class.routed);
            let (from, to) = (place(0.0, middle + 0.34), place(100.0 * share.value, middle - 0.34));
            canvas.draw(&Rectangle::new([from, to], Look::of(0).colour.filled()))?;
            let (low, high) = (place(100.0 * share.low, middle), place(100.0 * share.high, middle));
            whisker(canvas, low, high, INK)?;
            text(canvas, (from.0 - 14, low.1), HPos::Right, LABEL, &class.name)?;
            let count = format!("{} of {}", share.hits, share.total);
            text(canvas, (high.0.max(to.0) + 14, low.1), HPos::Left, LABEL - 5, &count)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::reading;
    use crate::work::Work;

    /// 100 questions with answers of 20 tokens after prompts of 10.
    fn curve(policy: &str) -> Curve {
        let work = |remote: u64, calls: u64, sent: u64| Work {
            questions: 100,
            tokens: 2000,
            remote,
            calls,
            sent,
            slm_steps: if calls == 100 { 0 } else { 2000 },
            ..Work::default()
        };
        let point = |threshold, right, work: Work| {
            let (share, accuracy) = (work.share(), Share::new(right, 100));
            Point { threshold, share, accuracy, work }
        };
        let points = vec![
            point(None, 20, work(0, 0, 0)),
            point(Some(0.5), 50, work(300, 300, 4500)),
            point(None, 60, work(2000, 100, 1000)),
        ];
        Curve { policy: policy.into(), points }
    }

    fn plot(curves_of: &[Curve], axis: &Axis, most: f64) -> String {
        curves("All questions", curves_of, "router", (axis, &reading().rates), most).unwrap()
    }

    #[test]
    fn curves_name_policies_and_axes_and_need_no_font_or_other_file() {
        let svg = plot(&[curve("router"), curve("a <b>")], &SHARE, 100.0);
        let axis = "tokens made by the LLM (% of all tokens)";
        for words in ["All questions", "router", "a &lt;b&gt;", "SLM alone", "LLM alone", axis] {
            assert!(svg.contains(words), "{words} is missing in {svg}");
        }
        assert!(svg.starts_with("<svg") && !svg.contains("href") && !svg.contains("<image") && !svg.contains("NaN"));
    }

    #[test]
    fn a_limited_plot_stays_inside_its_axes() {
        for axis in AXES {
            let most = 0.5 * axis.reach(&[curve("router")], "router", 0.2, &reading().rates);
            let svg = plot(&[curve("router")], &axis, most);
            let xs = svg.split("points=\"").skip(1).filter_map(|part| part.split('"').next());
            let largest =
                xs.flat_map(|points| points.split_whitespace()).filter_map(|p| p.split(',').next()?.parse().ok());
            // The legend begins right of the axes; nothing of a curve may lie beyond it.
            assert!(largest.fold(0, i32::max) <= SIZE.0 as i32 - LEGEND + 150 + 70, "{svg}");
            assert!(!svg.contains("NaN") && svg.contains(axis.unit));
        }
    }

    #[test]
    fn lines_lead_to_the_llm_over_the_share_alone_and_are_cut_where_the_axis_ends() {
        let (curve, rates) = (curve("router"), reading().rates);
        assert_eq!(SHARE.line(&curve, &rates, 100.0), [(0.0, 0.2), (15.0, 0.5), (100.0, 0.6)]);
        let cut = SHARE.line(&curve, &rates, 7.5);
        assert!(cut.len() == 2 && cut[1].0 == 7.5 && (cut[1].1 - 0.35).abs() < 1e-9, "{cut:?}");
        // 20 tokens of 15 ms; 3 calls of 65 + 20 ms more. The LLM alone: 65 + 20 * 20 ms.
        let seconds = AXES[2];
        let line = seconds.line(&curve, &rates, 10.0);
        let expected = [(0.3, 0.2), (0.555, 0.5)];
        assert!(line.len() == 2 && line.iter().zip(expected).all(|(a, b)| (a.0 - b.0).abs() < 1e-9), "{line:?}");
        assert!((seconds.reach(std::slice::from_ref(&curve), "router", 0.1, &rates) - 0.465).abs() < 1e-9);
        assert!((seconds.reach(&[curve], "router", 0.2, &rates) - 0.555).abs() < 1e-9);
    }

    #[test]
    fn plots_without_data_are_still_plots() {
        for axis in AXES {
            let most = axis.reach(&[], "", 1.0, &reading().rates);
            assert!(plot(&[], &axis, most).starts_with("<svg"));
        }
        assert!(reliability("none", &[]).unwrap().starts_with("<svg"));
        assert!(classes("none", &[]).unwrap().starts_with("<svg"));
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        let class = |hits| Class { name: "numbers".into(), routed: Share::new(hits, 1000) };
        let width = |hits| -> i32 {
            let svg = classes("c", &[class(hits), class(980)]).unwrap();
            let bar = svg.split("<rect").find(|rect| rect.contains("#0072B2")).unwrap();
            bar.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        assert!((width(800) - 2 * width(400)).abs() <= 1, "{} and {}", width(800), width(400));
    }
}
