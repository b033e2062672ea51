//! The report as one HTML page without any other file: tables, plots and how to make it again.

use crate::compare::SHARES;
use crate::cost::Cost;
use crate::html::{escape, figure, interval, percent, short, table};
use crate::results::{Plot, Results};
use crate::setting::Priced;
use crate::summary::Summary;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1c1c;--paper:#fff;--rule:#d0d0d0;--soft:#f3f3f3}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#161616;--rule:#444;--soft:#222}}\
body{margin:0 auto;padding:1rem;max-width:72rem;font:16px/1.5 system-ui,sans-serif;\
color:var(--ink);background:var(--paper)}\
h1,h2{line-height:1.2}h2{margin-top:2.5rem}\
div.wide{overflow-x:auto}\
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}\
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--rule);text-align:right;vertical-align:top;white-space:pre}\
th:first-child,td:first-child{text-align:left}thead th{vertical-align:bottom;white-space:normal}\
tr.ours{font-weight:600;background:var(--soft)}\
figure{margin:1.5rem 0}figure svg{width:100%;height:auto;background:#fff;border-radius:.4rem}\
figcaption,p.note{font-size:.9rem;opacity:.85}\
pre{padding:.7rem;background:var(--soft);overflow-x:auto}";

/// The page.
pub fn page(results: &Results, summary: &Summary, plots: &[Plot]) -> String {
    let reading = &results.reading;
    let chosen = summary.costs.get(2).and_then(|row| row.threshold).unwrap_or(reading.threshold);
    let figures: String = plots.iter().map(|plot| figure(&plot.name, &plot.caption, &plot.svg)).collect();
    let environment: Vec<Vec<String>> =
        results.environment.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
    let body = [
        format!(
            "<h1>Evaluation of routed answers</h1><p>{} questions. Recommended: {} at threshold {}. Intervals are 95 \
             %: Wilson for accuracies of one setting, else a bootstrap over questions, paired between policies.</p>",
            results.measurement.families.len(),
            escape(&reading.policy),
            short(chosen),
        ),
        format!("<h2>Accuracy</h2>{}", families(summary)),
        format!("<h2>Policies</h2>{}", standings(results, summary)),
        format!("<h2>{} against the others</h2>{}", escape(&reading.policy), comparisons(results, summary)),
        format!("<h2>Costs of a question</h2>{}", costs(results, summary)),
        format!("<h2>At equal accuracy and at equal cost</h2>{}", equal(results, summary)),
        format!("<h2>Rounds of the training</h2>{}", rounds(results)),
        format!("<h2>How the thresholds were swept</h2>{}", swept(results)),
        format!("<h2>Plots</h2>{figures}"),
        format!("<h2>Environment</h2>{}", table(&["", "value"], &environment, "")),
        format!("<h2>Make it again</h2><pre>{}</pre>", escape(&results.command)),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Evaluation of routed answers</title><style>{STYLE}</style></head>\n<body>\n{}\n</body></html>\n",
        body.join("\n")
    )
}

fn families(summary: &Summary) -> String {
    let rows = summary.families.iter().map(|row| {
        let name = row.family.as_deref().unwrap_or("all");
        vec![name.into(), row.slm.to_string(), row.routed.to_string(), row.llm.to_string(), percent(row.share)]
    });
    table(&["family", "SLM alone", "routed", "LLM alone", "remote tokens"], &rows.collect::<Vec<_>>(), "all")
}

fn standings(results: &Results, summary: &Summary) -> String {
    let limited = format!("area up to {:.0} % share", 100.0 * results.reading.max_share);
    let at = SHARES.map(|share| format!("accuracy at {:.0} % share", 100.0 * share));
    let head = ["policy", "area, all shares", &limited, &at[0], &at[1], &at[2], "share at 95 % of the LLM's accuracy"];
    let rows = summary.standings.iter().map(|s| {
        let cells = [&s.area, &s.limited_area].into_iter().chain(&s.accuracy_at).chain([&s.share_at_target]);
        std::iter::once(s.policy.clone()).chain(cells.map(interval)).collect::<Vec<_>>()
    });
    let note = "<p class=\"note\">An area is the mean accuracy over its shares. Between measured settings lines are \
                straight; a share at an accuracy is the smallest one that reaches it.</p>";
    table(&head, &rows.collect::<Vec<_>>(), &results.reading.policy) + note
}

fn comparisons(results: &Results, summary: &Summary) -> String {
    let limited = format!("area up to {:.0} % share", 100.0 * results.reading.max_share);
    let at = SHARES.map(|share| format!("accuracy at {:.0} % share", 100.0 * share));
    let saved = ["remote share saved at 95 % of the LLM's accuracy", "saved on the mean", "saved at most"];
    let head = ["against", "area, all shares", &limited, &at[0], &at[1], &at[2], saved[0], saved[1], saved[2]];
    let rows = summary.comparisons.iter().map(|c| {
        let cells = [&c.area, &c.limited_area].into_iter().chain(&c.gains).chain([&c.saved, &c.mean_saved]);
        let most = c.most_saved.map_or("-".into(), percent);
        std::iter::once(c.against.clone()).chain(cells.map(interval)).chain([most]).collect::<Vec<_>>()
    });
    let note = "<p class=\"note\">Areas and accuracies are differences in percentage points. Saved on the mean and at \
                most: over ten levels of accuracy between SLM and LLM. A maximum of noisy figures lies too high.</p>";
    table(&head, &rows.collect::<Vec<_>>(), "") + note
}

fn costs(results: &Results, summary: &Summary) -> String {
    let traffic = [
        "policy",
        "threshold",
        "right answers",
        "remote tokens",
        "calls",
        "tokens sent, stateless",
        "tokens sent, session; computed with a prefix cache",
        "tokens cached",
        "kB, stateless",
        "kB, session",
    ];
    let bill = [
        "policy",
        "USD a 1,000 questions, stateless",
        "USD, stateless with prefix cache",
        "USD, session",
        "GB read from memory",
        "seconds",
    ];
    let traffic_rows = summary.costs.iter().map(|Priced { name, threshold, accuracy, cost }| {
        let words = [name.clone(), threshold.map_or("-".into(), short), accuracy.to_string(), percent(cost.share)];
        let bytes = [cost.bytes_stateless, cost.bytes_session].map(|bytes| bytes / 1e3);
        let numbers = [cost.calls, cost.sent, cost.suffix, cost.cached].into_iter().chain(bytes);
        words.into_iter().chain(numbers.map(short)).collect()
    });
    let bill_rows = summary.costs.iter().map(|Priced { name, cost, .. }| {
        let usd = [cost.usd_stateless, cost.usd_cached, cost.usd_session].map(|usd| 1e3 * usd);
        let numbers = usd.into_iter().chain([cost.gigabytes, cost.seconds]);
        std::iter::once(name.clone()).chain(numbers.map(short)).collect()
    });
    let (traffic_rows, bill_rows): (Vec<Vec<String>>, Vec<Vec<String>>) = (traffic_rows.collect(), bill_rows.collect());
    let (rates, ours) = (&results.reading.rates, &results.reading.policy);
    let note = format!(
        "<p class=\"note\">Means over questions; other policies stand at the setting whose share is closest to the \
         recommended one. Decoding only, prompts not counted in memory and time. At {} ms a round trip, {} ms a token \
         of the SLM and {} ms of the LLM, routing is faster than an LLM that streams below {} remote tokens. At {}, {} \
         and {} USD a million prompt, cached and output tokens, routing through a stateless API without prefix cache \
         is cheaper than the LLM alone below {}. The network takes {} bytes a call and {} a token.</p>",
        short(rates.times.round_trip),
        short(rates.times.slm),
        short(rates.times.llm),
        percent(summary.break_even_time),
        short(rates.prices.prompt),
        short(rates.prices.cached),
        short(rates.prices.output),
        percent(summary.break_even_usd),
        short(rates.wire.call),
        short(rates.wire.token),
    );
    format!("{}<p></p>{}{note}", table(&traffic, &traffic_rows, ours), table(&bill, &bill_rows, ours))
}

fn equal(results: &Results, summary: &Summary) -> String {
    let head = [
        "policy",
        "remote tokens at 95 % of the LLM's accuracy",
        "calls",
        "kB, stateless",
        "USD a 1,000 questions, stateless",
        "GB read from memory",
        "seconds",
        "accuracy at the recommended setting's GB",
        "accuracy at its USD",
        "accuracy at its seconds",
    ];
    let rows = summary.equal.iter().map(|row| {
        let cell = |value: &dyn Fn(&Cost) -> String| row.at_target.as_ref().map_or("-".into(), value);
        let costs = [
            cell(&|c| percent(c.share)),
            cell(&|c| short(c.calls)),
            cell(&|c| short(c.bytes_stateless / 1e3)),
            cell(&|c| short(1e3 * c.usd_stateless)),
            cell(&|c| short(c.gigabytes)),
            cell(&|c| short(c.seconds)),
        ];
        let accuracies = [row.at_gigabytes, row.at_usd, row.at_seconds].map(|value| value.map_or("-".into(), percent));
        std::iter::once(row.policy.clone()).chain(costs).chain(accuracies).collect::<Vec<_>>()
    });
    table(&head, &rows.collect::<Vec<_>>(), &results.reading.policy)
}

fn rounds(results: &Results) -> String {
    let head = [
        "round",
        "gold states",
        "mixed states",
        "settled by the shortcut",
        "saved by neither",
        "held-back loss",
        "area on validation",
        "calibration",
        "calibration error",
    ];
    let rows = results.rounds.iter().map(|round| {
        let labels = &round.labels;
        vec![
            round.number.to_string(),
            labels.gold.to_string(),
            labels.mixed.to_string(),
            percent(labels.shortcut as f64 / labels.gold.max(1) as f64),
            labels.lost.to_string(),
            short(round.loss),
            percent(round.area),
            round.calibration.clone(),
            format!("{:.4}", round.calibration_error[1]),
        ]
    });
    table(&head, &rows.collect::<Vec<_>>(), "")
}

fn swept(results: &Results) -> String {
    let questions = results.measurement.families.len() as f64;
    let rows = results.measurement.sweeps.iter().filter(|sweep| !sweep.diverged.is_empty()).map(|sweep| {
        let answers = questions * sweep.diverged.len() as f64;
        let diverged = sweep.diverged.iter().sum::<u64>() as f64;
        vec![sweep.policy.clone(), short(answers), percent(1.0 - diverged / answers), percent(diverged / answers)]
    });
    let note = "<p class=\"note\">Both models' own answers are recorded once. An answer that follows them to its end is \
                read off the record; where it leaves them, decoding goes on with the models from there. Either way the \
                answer is exact. The CSV counts them setting by setting.</p>";
    let head = ["policy", "answers over all thresholds", "read off the record", "decoded anew from where they diverge"];
    table(&head, &rows.collect::<Vec<_>>(), "") + note
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::results;

    fn html() -> String {
        let mut results = results();
        results.measurement.sweeps[0].policy = "<i>other</i>".into();
        let summary = Summary::new(&results.measurement, &results.reading).unwrap();
        let plots = results.plots(&summary).unwrap();
        page(&results, &summary, &plots)
    }

    #[test]
    fn no_text_of_a_run_becomes_markup() {
        let html = html();
        assert!(!html.contains("<script") && !html.contains("<i>"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(html.contains("citer eval --seed 1 &gt; &quot;a &amp; b&quot;"));
    }

    #[test]
    fn the_page_needs_nothing_else_and_shows_the_figures() {
        let html = html();
        let addresses = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!addresses.contains("http") && !html.contains("src=") && !html.contains("url("));
        assert_eq!(html.matches("<svg").count(), 15, "four costs of all and of two families, and three plots more");
        assert!(html.contains("80.0 % (65.2-89.5)"), "32 of 40 by Wilson");
        assert!(
            html.contains("prefers-color-scheme:dark") && html.contains("<td>5.9 %") || html.contains("below 5.9 %")
        );
    }
}
