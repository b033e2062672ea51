//! Charts as SVG: the share over time, the scores, and accuracy over share.

use crate::strings::measure as words;
use citer_chat::batch::Point;
use citer_chat::statistics::Statistics;
use citer_core::Mode;
use leptos::prelude::*;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 180.0;
/// Room for the axes.
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 22.0;
/// Parts of the score's scale.
const BINS: usize = 25;

fn x(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - 12.0)
}

fn y(share: f64) -> f64 {
    TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM)
}

/// The frame with marks at shares of the axis on the left.
fn axis(most: f64, label: fn(f64) -> String) -> impl IntoView {
    [0.0, 0.5, 1.0].map(|share| {
        view! {
            <line class="grid" x1=x(0.0) x2=x(1.0) y1=y(share) y2=y(share)></line>
            <text class="tick" x=LEFT - 6.0 y=y(share) + 4.0 text-anchor="end">{label(share * most)}</text>
        }
    })
}

/// The share of remote tokens, answer by answer and in all so far.
#[component]
pub fn Shares(statistics: Memo<Statistics>) -> impl IntoView {
    let chart = move || {
        let shares = statistics.with(Statistics::shares);
        let count = shares.len();
        let place = move |place: usize| if count < 2 { 0.5 } else { place as f64 / (count - 1) as f64 };
        let most = shares.iter().map(|(one, _)| *one).fold(0.05f64, f64::max).min(1.0);
        let dots = shares.iter().enumerate().map(|(at, (one, _))| {
            view! { <circle class="dot-remote" cx=x(place(at)) cy=y(one / most) r="3"></circle> }
        });
        let line: Vec<String> = shares
            .iter()
            .enumerate()
            .map(|(at, (_, all))| format!("{:.1},{:.1}", x(place(at)), y(all / most)))
            .collect();
        let last = shares.last().map_or(0.0, |(_, all)| *all);
        view! {
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=words::shares_label(count, last)>
                {axis(most, words::percent)}
                <polyline class="line-remote" points=line.join(" ")></polyline>
                {dots.collect_view()}
                <text class="tick" x=x(0.5) y=HEIGHT - 8.0 text-anchor="middle">{words::SHARES_AXIS}</text>
            </svg>
        }
    };
    view! { <figure class="chart" data-chart="shares"><figcaption>{words::SHARES}</figcaption>{chart}</figure> }
}

/// The scores of all tokens with a threshold that can be moved over them.
#[component]
pub fn Histogram(statistics: Memo<Statistics>) -> impl IntoView {
    let chat = expect_context::<crate::chat::Chat>();
    let moved = RwSignal::new(None::<f32>);
    let threshold = move || moved.get().unwrap_or_else(|| chat.threshold());
    let bars = move || {
        let bins = statistics.with(|statistics| statistics.histogram(BINS));
        let most = bins.iter().map(|bin| bin.total()).max().unwrap_or_default().max(1) as f64;
        // Few tokens beside many must still be seen, so heights grow with the logarithm.
        let height = |count: u64| (1.0 + count as f64).ln() / (1.0 + most).ln();
        let width = (x(1.0) - x(0.0)) / BINS as f64;
        bins.into_iter()
            .enumerate()
            .map(|(place, bin)| {
                let mut below = 0;
                let parts =
                    [("local", bin.local), ("agreed", bin.agreed), ("remote", bin.remote), ("forced", bin.forced)];
                parts
                    .into_iter()
                    .filter(|(_, count)| *count > 0)
                    .map(|(source, count)| {
                        let (from, to) = (height(below), height(below + count));
                        below += count;
                        view! {
                            <rect
                                data-source=source
                                x=x(0.0) + width * place as f64 + 0.5
                                y=y(to)
                                width=width - 1.0
                                height=(y(from) - y(to)).max(0.0)
                            ></rect>
                        }
                    })
                    .collect_view()
            })
            .collect_view()
    };
    let said = move || {
        let below = statistics.with(|statistics| statistics.below(threshold()));
        words::below(&crate::strings::threshold(threshold()), below)
    };
    view! {
        <figure class="chart" data-chart="histogram">
            <figcaption>{words::SCORES}</figcaption>
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=said>
                {bars}
                <line
                    class="threshold-line"
                    x1=move || x(f64::from(threshold()))
                    x2=move || x(f64::from(threshold()))
                    y1=TOP
                    y2=y(0.0)
                ></line>
                {[0.0, 0.5, 1.0].map(|at| view! {
                    <text class="tick" x=x(at) y=HEIGHT - 8.0 text-anchor="middle">{at.to_string()}</text>
                })}
            </svg>
            <label class="chart-threshold">
                {words::MOVE}
                <input
                    type="range"
                    id="histogram-threshold"
                    min="0"
                    max="1"
                    step="any"
                    prop:value=move || threshold().to_string()
                    on:input=move |event| moved.set(event_target_value(&event).parse().ok())
                />
            </label>
            <p role="status" id="histogram-words">{said}</p>
            <button
                type="button"
                class="button small"
                disabled=move || moved.get().is_none()
                on:click=move |_| chat.set_threshold(threshold())
            >
                {words::USE_THRESHOLD}
            </button>
        </figure>
    }
}

/// Accuracy over share, with intervals both ways.
#[component]
pub fn Curve(points: Signal<Vec<Point>>) -> impl IntoView {
    let marks = move || {
        let mut points = points.get();
        points.retain(|point| point.accuracy.total > 0);
        points.sort_by(|a, b| a.remote.value.total_cmp(&b.remote.value));
        let line: Vec<String> =
            points.iter().map(|p| format!("{:.1},{:.1}", x(p.remote.value), y(p.accuracy.value))).collect();
        let marks = points.into_iter().map(|point| {
            let (at, up) = (x(point.remote.value), y(point.accuracy.value));
            let name = match point.setting.mode {
                Mode::LocalOnly => "SLM".to_owned(),
                Mode::RemoteOnly => "LLM".to_owned(),
                Mode::Router => crate::strings::threshold(point.setting.threshold),
            };
            let (anchor, beside) = if at > WIDTH * 0.8 { ("end", -6.0) } else { ("start", 6.0) };
            view! {
                <line class="interval" x1=at x2=at y1=y(point.accuracy.low) y2=y(point.accuracy.high)></line>
                <line class="interval" x1=x(point.remote.low) x2=x(point.remote.high) y1=up y2=up></line>
                <circle class="dot-remote" cx=at cy=up r="4"></circle>
                <text class="tick" x=at + beside y=up - 6.0 text-anchor=anchor>{name}</text>
            }
        });
        view! { <polyline class="line-remote" points=line.join(" ")></polyline>{marks.collect_view()} }
    };
    view! {
        <figure class="chart" data-chart="curve">
            <figcaption>{words::CURVE}</figcaption>
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=words::CURVE_LABEL>
                {axis(1.0, words::percent)}
                {[0.0, 0.5, 1.0].map(|at| view! {
                    <text class="tick" x=x(at) y=HEIGHT - 8.0 text-anchor="middle">{words::percent(at)}</text>
                })}
                {marks}
            </svg>
        </figure>
    }
}
