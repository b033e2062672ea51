//! The results of an evaluation in files: JSON with everything, CSV with one row a policy and threshold, plots as SVG
//! and one HTML page.

use crate::calibrate::Bin;
use crate::cost::Cost;
use crate::error::TrainError;
use crate::interval::Share;
use crate::page::page;
use crate::plot::{AXES, Class, classes, curves, reliability};
use crate::rounds::Round;
use crate::store;
use crate::summary::{Reading, Summary};
use crate::sweep::{Measurement, Outcome};
use crate::work::Work;
use serde::Serialize;
use std::path::Path;

/// Everything a report is made from.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// The command that makes this report again.
    pub command: String,
    /// What it ran on and with, as (name, value).
    pub environment: Vec<(String, String)>,
    /// How the measurement is read.
    pub reading: Reading,
    /// Calibration of the router's score.
    pub reliability: Vec<Bin>,
    /// The rounds of the training, for comparison.
    pub rounds: Vec<Round>,
    /// Classes of tokens with the share that was routed.
    pub classes: Vec<Class>,
    /// The measurement. Last, because it is long.
    pub measurement: Measurement,
}

/// A plot: its name in files, what it shows, and its SVG.
pub struct Plot {
    /// Lower-case file name without ending.
    pub name: String,
    /// For people who do not see it, and below it.
    pub caption: String,
    /// The drawing.
    pub svg: String,
}

#[derive(Serialize)]
struct Document<'a> {
    summary: &'a Summary,
    results: &'a Results,
}

impl Results {
    /// Writes `results.json`, `results.csv`, `results.html` and the plots into `folder`.
    pub fn write(&self, folder: &Path) -> Result<Summary, TrainError> {
        let summary = Summary::new(&self.measurement, &self.reading)?;
        let plots = self.plots(&summary)?;
        let json = serde_json::to_string(&Document { summary: &summary, results: self })
            .map_err(|e| TrainError::Settings(format!("the results have no JSON form: {e}")))?;
        std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        let write = |name: &str, text: &str| store::write(&folder.join(name), text.as_bytes());
        write("results.json", &json)?;
        write("results.csv", &self.csv())?;
        write("results.html", &page(self, &summary, &plots))?;
        for plot in &plots {
            write(&format!("{}.svg", plot.name), &plot.svg)?;
        }
        Ok(summary)
    }

    /// All plots; those of calibration and classes only where these were measured.
    pub fn plots(&self, summary: &Summary) -> Result<Vec<Plot>, TrainError> {
        let ours = &self.reading.policy;
        let plot = |name: &str, caption: &str, svg| Plot { name: name.into(), caption: caption.into(), svg };
        let (rates, max) = (&self.reading.rates, self.reading.max_share);
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let all = std::iter::once((None, &summary.curves));
        let families = summary.family_curves.iter().map(|(family, lines)| (Some(family), lines));
        let mut plots = Vec::new();
        for (family, lines) in all.chain(families) {
            let heading = family.map_or("All questions".into(), |family| format!("Family: {family}"));
            let ending: String =
                family.map_or(String::new(), |family| format!("-{family}")).chars().map(letter).collect();
            for axis in &AXES {
                let caption = format!("Accuracy against {} ({}); bars are 95 % intervals.", axis.name, axis.unit);
                let most = if axis.closed { 100.0 } else { axis.reach(lines, ours, max, rates) };
                let svg = curves(&heading, lines, ours, (axis, rates), most)?;
                plots.push(plot(&format!("{}{ending}", axis.file), &caption, svg));
                if axis.closed && family.is_none() && max < 1.0 {
                    let heading = format!("{heading}, up to {:.0} % remote tokens", 100.0 * max);
                    let svg = curves(&heading, lines, ours, (axis, rates), 100.0 * max)?;
                    plots.push(plot("curves-limited", &caption, svg));
                }
            }
        }
        if !self.reliability.is_empty() {
            let caption = "How often the SLM's token was good enough, by the router's score; numbers are states.";
            plots.push(plot("reliability", caption, reliability("Calibration of the router", &self.reliability)?));
        }
        if !self.classes.is_empty() {
            let caption = "Which tokens the router sends to the LLM; bars are 95 % intervals.";
            plots.push(plot("classes", caption, classes("Routed tokens by class", &self.classes)?));
        }
        Ok(plots)
    }

    /// One row a policy and threshold, both models first; costs are means over questions.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "policy,threshold,questions,right,accuracy,accuracy_low,accuracy_high,remote_share,tokens,calls,\
             tokens_sent_stateless,tokens_sent_session,tokens_cached,bytes_stateless,bytes_session,\
             usd_stateless,usd_stateless_cached,usd_session,gigabytes_read,seconds,answers_decoded_anew\n",
        );
        let mut row = |policy: &str, threshold: Option<f64>, outcomes: &[Outcome], work: Work, anew: Option<u64>| {
            let right = outcomes.iter().filter(|o| o.right).count() as u64;
            let accuracy = Share::new(right, outcomes.len() as u64);
            let Cost { share, tokens, calls, sent, suffix, cached, .. } = self.reading.rates.cost(&work);
            let Cost { bytes_stateless, bytes_session, usd_stateless, .. } = self.reading.rates.cost(&work);
            let Cost { usd_cached, usd_session, gigabytes, seconds, .. } = self.reading.rates.cost(&work);
            let numbers = [accuracy.value, accuracy.low, accuracy.high, share, tokens, calls, sent, suffix, cached];
            let costs = [bytes_stateless, bytes_session, usd_stateless, usd_cached, usd_session, gigabytes, seconds];
            let numbers: Vec<String> = numbers.iter().chain(&costs).map(f64::to_string).collect();
            let threshold = threshold.map_or(String::new(), |t| t.to_string());
            let (numbers, anew) = (numbers.join(","), anew.map_or(String::new(), |count| count.to_string()));
            text += &format!("{},{threshold},{},{right},{numbers},{anew}\n", field(policy), accuracy.total);
        };
        let Measurement { slm, llm, sweeps, .. } = &self.measurement;
        row("SLM alone", None, slm, Work::of_slm(slm), None);
        row("LLM alone", None, llm, Work::of_llm(llm), None);
        for sweep in sweeps {
            for (setting, (threshold, outcomes)) in sweep.thresholds.iter().zip(&sweep.outcomes).enumerate() {
                let anew = sweep.diverged.get(setting).copied();
                row(&sweep.policy, Some(*threshold), outcomes, Work::of(outcomes), anew);
            }
        }
        text
    }
}

/// A text field of CSV (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::summary::tests::{measurement, reading};

    pub(crate) fn results() -> Results {
        Results {
            command: "citer eval --seed 1 > \"a & b\"".into(),
            environment: vec![("processor".into(), "<script>alert(1)</script>".into())],
            reading: reading(),
            rounds: Vec::new(),
            reliability: vec![Bin { score: 0.5, share: 5.0 / 9.0, count: 9 }],
            classes: vec![Class { name: "numbers".into(), routed: Share::new(3, 9) }],
            measurement: measurement(),
        }
    }

    #[test]
    fn the_table_has_a_row_for_every_setting_and_quotes_names() {
        let mut results = results();
        results.measurement.sweeps[0].policy = "a, \"b\"".into();
        let csv = results.csv();
        let lines: Vec<&str> = csv.lines().collect();
        let columns = lines[0].split(',').count();
        assert!(lines.len() == 1 + 2 + 4 && lines[6].split(',').count() == columns, "{csv}");
        assert!(lines[3].starts_with("\"a, \"\"b\"\"\",0.3,40,12,0.3,"), "{}", lines[3]);
        assert!(lines[1].starts_with("SLM alone,,40,8,0.2,") && lines[6].starts_with("ours,0.6,40,32,0.8,"), "{csv}");
        assert!(lines[6].ends_with(",7") && lines[1].ends_with(','), "seven answers of 40 left the record: {csv}");
    }

    #[test]
    fn all_files_are_written_and_the_json_holds_the_measurement() {
        let folder = std::env::temp_dir().join(format!("citer-results-{}", std::process::id()));
        results().write(&folder).unwrap();
        let names = ["results.csv", "results.html", "curves-limited.svg", "classes.svg", "reliability.svg"];
        assert!(names.iter().all(|name| folder.join(name).is_file()));
        for cost in ["curves", "gigabytes", "seconds", "usd"] {
            let of = |family: &str| folder.join(format!("{cost}{family}.svg"));
            assert!(["", "-word", "-science"].iter().all(|family| of(family).is_file()), "{cost}");
        }
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("results.json")).unwrap()).unwrap();
        let stored: Measurement = serde_json::from_value(json["results"]["measurement"].clone()).unwrap();
        assert_eq!(stored, results().measurement);
        assert!(json["summary"]["standings"][1]["area"]["low"].is_f64(), "{}", json["summary"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
