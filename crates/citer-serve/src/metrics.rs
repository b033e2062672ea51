//! Metrics for Prometheus: `GET /metrics`.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use std::time::Duration;

/// What a finished request was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    path: String,
    status: u16,
}

/// All counters and their registry.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Outcome, Counter>,
    escalations: Counter,
    prompt: Counter,
    cached: Counter,
    generated: Counter,
    queue: Histogram,
    first: Histogram,
    between: Histogram,
    pub running: Gauge,
    pub sessions: Gauge,
    pub blocks: Gauge,
}

/// From 0.1 ms to 26 s.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(1e-4, 2.0, 18))
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("citer");
        let metrics = Self {
            requests: Family::default(),
            escalations: Counter::default(),
            prompt: Counter::default(),
            cached: Counter::default(),
            generated: Counter::default(),
            queue: times(),
            first: times(),
            between: times(),
            running: Gauge::default(),
            sessions: Gauge::default(),
            blocks: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests answered, by path and status", metrics.requests.clone());
        registry.register("escalations", "Requests for one token", metrics.escalations.clone());
        registry.register("prompt_tokens", "Prompt tokens, cached ones included", metrics.prompt.clone());
        registry.register("cached_tokens", "Prompt tokens that were not computed again", metrics.cached.clone());
        registry.register("generated_tokens", "Generated tokens", metrics.generated.clone());
        let seconds = |registry: &mut Registry, name: &str, help: &str, metric: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
        };
        seconds(&mut registry, "queue", "Time from a request to its turn", &metrics.queue);
        seconds(&mut registry, "time_to_first_token", "Time from a request to its first token", &metrics.first);
        seconds(&mut registry, "inter_token", "Time from one token to the next", &metrics.between);
        registry.register("running", "Generations under way", metrics.running.clone());
        registry.register("sessions", "Sessions held", metrics.sessions.clone());
        registry.register("cache_blocks", "Blocks of keys and values kept", metrics.blocks.clone());
        Self { registry, ..metrics }
    }

    /// A request was answered.
    pub fn answered(&self, path: &str, status: u16) {
        self.requests.get_or_create(&Outcome { path: path.into(), status }).inc();
    }

    /// A generation has its turn.
    pub fn started(&self, prompt: usize, cached: usize, queued: Duration, one: bool) {
        self.prompt.inc_by(prompt as u64);
        self.cached.inc_by(cached as u64);
        self.queue.observe(queued.as_secs_f64());
        self.escalations.inc_by(u64::from(one));
    }

    /// A token came, `time` after the request or after the one before.
    pub fn token(&self, is_first: bool, time: Duration) {
        self.generated.inc();
        let histogram = if is_first { &self.first } else { &self.between };
        histogram.observe(time.as_secs_f64());
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.answered("/v1/completions", 200);
        metrics.started(10, 7, Duration::from_millis(3), true);
        metrics.token(true, Duration::from_millis(5));
        metrics.token(false, Duration::from_millis(1));
        let text = metrics.text();
        for line in [
            "citer_requests_total{path=\"/v1/completions\",status=\"200\"} 1",
            "citer_escalations_total 1",
            "citer_prompt_tokens_total 10",
            "citer_cached_tokens_total 7",
            "citer_generated_tokens_total 2",
            "citer_time_to_first_token_seconds_count 1",
            "citer_inter_token_seconds_count 1",
            "citer_queue_seconds_sum 0.003",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }
}
