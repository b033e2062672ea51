//! Traces: they come back from JSON exactly, and damaged ones are refused with a reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scripted;

use citer_core::{trace::Part, *};
use scripted::*;
use serde_json::{Value, json};

/// A trace with every kind of source in it.
fn trace() -> (Trace, Vec<TokenEvent>) {
    let settings = Settings { mode: Mode::Router, threshold: 0.7, max_failures: 50, ..Settings::default() };
    for seed in 0.. {
        let mut local = ScriptedLocal::new(seed);
        let mut remote = ScriptedRemote::new(Script::Faulty(seed), seed);
        let (answer, seen) =
            run(&mut RoutedDecoder::new(), &mut local, &mut remote, &[9, 10], &settings, &StopFlag::default());
        let answer = answer.unwrap();
        let split: Split = answer.events.iter().collect();
        if [split.local, split.remote, split.agreed, split.forced].iter().all(|&count| count > 1) {
            return (Trace::new(&[9, 10], &settings, answer), seen);
        }
    }
    unreachable!("some seed has every source")
}

/// The error for the trace after `damage`.
fn refusal(damage: impl FnOnce(&mut Value)) -> TraceError {
    let mut json: Value = serde_json::from_str(&trace().0.to_json().unwrap()).unwrap();
    damage(&mut json);
    Trace::parse(&json.to_string()).unwrap_err()
}

fn contradiction(damage: impl FnOnce(&mut Value)) -> String {
    let error = refusal(damage);
    assert!(matches!(error, TraceError::Inconsistent(_)), "{error}");
    error.to_string()
}

#[test]
fn a_trace_replays_exactly_from_its_json() {
    let (mut trace, seen) = trace();
    trace.slm = Some(Part { name: "small".into(), hash: Some("ab12".into()) });
    trace.llm = Some(Part { name: "large".into(), hash: None });
    trace.seed = Some(u64::MAX);
    let back = Trace::parse(&trace.to_json().unwrap()).unwrap();
    assert_eq!(back, trace);
    assert!(back.replay().eq(&seen));
    assert_eq!(back.ids(), seen.iter().map(|event| event.id).collect::<Vec<_>>());
    assert_eq!(back.split(), seen.iter().collect());
    let bytes: Vec<u8> = back.ids().iter().filter(|&&id| id != END).flat_map(|&id| bytes_of(id)).collect();
    assert_eq!(back.text(), String::from_utf8_lossy(&bytes));
}

#[test]
fn other_versions_and_other_files_are_refused() {
    let error = refusal(|json| json["version"] = json!(2));
    assert!(matches!(error, TraceError::Version(2)));
    assert!(error.to_string().contains("version 2") && error.to_string().contains("version 1"));
    // A future version may have any shape; its number must still be what is reported.
    assert!(matches!(Trace::parse(r#"{"version":9,"steps":[]}"#), Err(TraceError::Version(9))));
    for text in ["", "{}", "[]", r#"{"version":1}"#, "hello"] {
        assert!(matches!(Trace::parse(text), Err(TraceError::Json(_))), "{text}");
    }
    let cut = trace().0.to_json().unwrap();
    assert!(matches!(Trace::parse(&cut[..cut.len() / 2]), Err(TraceError::Json(_))));
}

#[test]
fn contradictions_are_refused() {
    assert!(
        contradiction(|json| drop(json["events"].as_array_mut().unwrap().remove(1))).contains("event 1 has index 2")
    );
    contradiction(|json| json["events"].as_array_mut().unwrap().swap(0, 1));
    contradiction(|json| json["prompt"] = json!([]));
    contradiction(|json| json["settings"]["max_tokens"] = json!(2));
    contradiction(|json| json["settings"]["mode"] = json!("local-only"));
    contradiction(|json| json["settings"]["mode"] = json!("remote-only"));
    contradiction(|json| json["settings"]["threshold"] = json!(0.25));
    contradiction(|json| json["finish"] = json!("length"));
    contradiction(|json| (json["events"], json["finish"]) = (json!([]), json!("end")));
    let forced = |json: &mut Value| {
        let events = json["events"].as_array_mut().unwrap();
        let remote = events.iter_mut().find(|event| event["source"] == "remote").unwrap();
        remote["source"] = json!({"forced": "timeout"});
    };
    assert!(contradiction(forced).contains("remote candidates"));
    let relabelled = |json: &mut Value| {
        let events = json["events"].as_array_mut().unwrap();
        events
            .iter_mut()
            .filter(|event| event["source"] == "agreed")
            .for_each(|event| event["source"] = json!("local"));
    };
    assert!(contradiction(relabelled).contains("mode Router"));
}
