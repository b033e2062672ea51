//! An engine of another kind: a worker that says the tokens it was given, so that a test of the page knows what comes and when.

use serde_json::json;
use std::{fs, path::Path};

const SCRIPT: &str = r#"
const say = message => postMessage(JSON.stringify(message));
let stopped = false;
const pause = ms => new Promise(done => setTimeout(done, ms));
async function answer({ answer, turns, settings }) {
  stopped = false;
  const events = [];
  const begun = performance.now();
  for (const [index, text] of TOKENS.entries()) {
    // Timers of a worker are coarse: what is late is made up for.
    const ahead = begun + index * EVERY_MS - performance.now();
    if (ahead > 4) await pause(ahead);
    if (stopped) break;
    const critical = settings.mode === 'router' && index % 8 === 7;
    const score = critical ? settings.threshold / 2 : 1;
    const local = [{ id: index, probability: 0.75 }, { id: index + 1, probability: 0.125 }];
    const event = { index, id: index, text, source: critical ? 'remote' : 'local', score, threshold: settings.threshold, local,
      remote: critical ? local : [], compute_ms: 100, wait_ms: critical ? 2 : 0, hidden_ms: 0, server_ms: 0, bytes_sent: critical ? 90 : 0,
      bytes_received: critical ? 60 : 0, tokens_sent: critical ? 8 : 0, tokens_cached: 0 };
    events.push(event);
    say({ type: 'token', answer, event, local_text: [text, '?'], remote_text: critical ? [text, '?'] : [] });
  }
  const finish = stopped ? 'stopped' : 'end';
  say({ type: 'finished', answer, finish, trace: { version: 1, prompt: [1], settings, events, finish } });
}
onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.type === 'load') {
    say({ type: 'ready', model: 'scripted', parameters: 1, adapter: 'none', threshold: 0.5, load_ms: 1, context: 100000,
      end_token: 4294967295, has_router: true, memory: 1 });
    say({ type: 'server', available: true, detail: 'scripted', servers: [] });
  } else if (message.type === 'answer') {
    answer(message);
  } else if (message.type === 'stop') {
    stopped = true;
  } else if (message.type === 'bench') {
    const speeds = [{ context: 16, prefill_tokens_per_s: 9, decode_tokens_per_s: 3, single_tokens_per_s: 2 }];
    say({ type: 'bench', report: JSON.stringify({ model: { name: 'scripted' }, environment: { adapter: 'none' }, speeds }) });
  }
};
say({ type: 'started' });
"#;

/// Puts it into a copy of the page: every answer is `tokens`, one each `every_ms` milliseconds.
pub fn put(site: &Path, tokens: &[String], every_ms: f64) {
    let script = format!("const TOKENS = {};\nconst EVERY_MS = {every_ms};\n{SCRIPT}", json!(tokens));
    fs::write(site.join("citer-engine.js"), script).unwrap();
}
