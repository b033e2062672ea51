// Escalations under load: every connection is a conversation that asks for one token again and again, as a routed decoder
// does. Prints JSON, and fails where a request was not answered as it should. `node load.mjs --help` lists the options.
import autocannon from "autocannon";
import { execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import http from "node:http";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    citer: { type: "string", default: "../../target/release/citer" },
    models: { type: "string", default: "../../web/models" },
    python: { type: "string" },
    gguf: { type: "string" },
    sessions: { type: "string", default: "1,4,16,64,256" },
    seconds: { type: "string", default: "10" },
    prompt: { type: "string", default: "60" },
    suffix: { type: "string", default: "20" },
    rounds: { type: "string", default: "1" },
    slots: { type: "string", default: "32" },
    threads: { type: "string", default: "1,2" },
    seed: { type: "string", default: "1" },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(`--citer PATH      the program (${options.citer})
--models FOLDER   the pair (${options.models})
--python PATH     Python with xllamacpp: measures llama.cpp too
--out FILE        writes the JSON there too
--gguf FILE       the same LLM for llama.cpp (citer convert web/models/llm FILE)
--sessions LIST   conversations at once (${options.sessions})
--seconds N       a measurement (${options.seconds}); --rounds N of each (${options.rounds}), in turns
--prompt N        tokens before the first escalation (${options.prompt})
--suffix N        new tokens an escalation (${options.suffix}; one remote token in twenty)
--slots N         sequences that both servers take at once (${options.slots})
--threads LIST    threads of llama.cpp, one measurement each (${options.threads})`);
  process.exit(0);
}
const number = (name) => Number(options[name]);
const [CONTEXT, VOCABULARY, BEGIN] = [256, 2000, 5];

/** Ids of no meaning, the same for a seed. */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return BEGIN + (state % (VOCABULARY - BEGIN));
  };
}

/** Starts a program that says where it listens. */
function start(command, args) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"] });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${command} ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const address = line.match(/listening on (http:\S+)/)?.[1];
      if (address) resolve({ child, address });
    });
  });
}

/** A conversation: its ids, and what it asks next. It begins again, with other ids, when it is long. */
class Conversation {
  constructor(seed, common) {
    this.next = random(seed);
    this.common = common;
    this.restart();
  }
  restart() {
    this.ids = [...this.common, ...Array.from({ length: number("prompt") - this.common.length }, this.next)];
    this.known = 0;
  }
  /** Takes the answer's token and makes some more, as an SLM would. */
  go(token) {
    this.known = this.ids.length;
    this.ids.push(token, ...Array.from({ length: number("suffix") - 1 }, this.next));
    if (this.ids.length > CONTEXT - 2) this.restart();
  }
}

const servers = {
  citer: {
    start: () =>
      start(options.citer, ["serve", "--listen", "127.0.0.1:0", "--models", options.models, "--batch", options.slots]),
    async open(address) {
      const answer = await fetch(`${address}/v1/sessions`, { method: "POST", body: "{}" });
      return `/v1/sessions/${(await answer.json()).session}/tokens`;
    },
    body: (talk) => ({ position: talk.known, ids: talk.ids.slice(talk.known), max_tokens: 1, logprobs: 5 }),
    token: (answer) => answer.ids[0],
  },
};
const llamacpp = (threads) => ({
    start: () => start(options.python, ["llamacpp.py", options.gguf, options.slots, String(CONTEXT), threads]),
    open: async () => "/v1/completions",
    body: (talk) => ({ prompt: talk.ids, max_tokens: 1, temperature: 0, logprobs: 5, cache_prompt: true }),
    token: () => BEGIN,
});
if (options.python && options.gguf) {
  for (const threads of options.threads.split(",")) servers[`llama.cpp, ${threads} threads`] = llamacpp(threads);
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
const round = (value) => (value === null ? null : Math.round(value * 1000) / 1000);

/** Escalations from all conversations, each waiting for its answer, with autocannon. */
async function withAutocannon(address, paths, talks, server, note) {
  let opened = 0;
  await autocannon({
    url: address,
    connections: talks.length,
    duration: number("seconds"),
    timeout: 60,
    setupClient(client) {
      const place = opened++;
      const headers = { "content-type": "application/json" };
      const ask = () => {
        const body = JSON.stringify(server.body(talks[place]));
        client.setRequests([{ method: "POST", path: paths[place], headers, body }]);
        return body.length;
      };
      let size = ask();
      client.on("body", (body) => (client.answer = body));
      client.on("response", (status, _length, time) => {
        note(status, time, size);
        talks[place].go(status === 200 ? server.token(JSON.parse(client.answer)) : BEGIN);
        size = ask();
      });
    },
  });
}

/** The same with Node's own client, which also keeps count where a server closes the connection after every answer. */
async function withNode(address, paths, talks, server, note) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
  const end = performance.now() + 1000 * number("seconds");
  const ask = (path, body) =>
    new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const request = http.request(address + path, { method: "POST", agent, headers }, (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("end", () => resolve([response.statusCode, Buffer.concat(parts)]));
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(body);
    });
  const converse = async (talk, place) => {
    while (performance.now() < end) {
      const body = JSON.stringify(server.body(talk));
      const begun = performance.now();
      const [status, answer] = await ask(paths[place], body).catch(() => [0, ""]);
      note(status, performance.now() - begun, body.length);
      talk.go(status === 200 ? server.token(JSON.parse(answer)) : BEGIN);
    }
  };
  await Promise.all(talks.map(converse));
  agent.destroy();
}

let measured = 0;

async function measure(name, tool, address, sessions, turn) {
  const server = servers[name];
  const common = Array.from({ length: 16 }, random(number("seed")));
  const paths = await Promise.all(Array.from({ length: sessions }, () => server.open(address)));
  // No conversation is held twice: a server would know all of it from the first time.
  measured++;
  const talks = paths.map((_, place) => new Conversation(number("seed") * 1000 + place + 1000003 * measured, common));
  const times = [];
  let [bytes, wrong] = [0, 0];
  const [before, begun] = [loadavg()[0], performance.now()];
  await (tool === "autocannon" ? withAutocannon : withNode)(address, paths, talks, server, (status, time, size) => {
    bytes += size;
    if (status === 200) times.push(time);
    else wrong++;
  });
  const seconds = (performance.now() - begun) / 1000;
  times.sort((a, b) => a - b);
  return {
    server: name, tool, sessions, round: turn, escalations_per_s: round(times.length / seconds),
    p50_ms: round(at(times, 0.5)), p95_ms: round(at(times, 0.95)), p99_ms: round(at(times, 0.99)),
    bytes_sent: Math.round(bytes / Math.max(1, times.length)), wrong, load_before: round(before),
  };
}

const names = Object.keys(servers);
const rows = [];
for (let turn = 0; turn < number("rounds"); turn++) {
  for (const name of names) {
    const { child, address } = await servers[name].start();
    await measure(name, "node", address, 4, 99 + turn);
    // autocannon counts wrongly where a server closes connections, as llama.cpp's does.
    for (const tool of name === "citer" ? ["node", "autocannon"] : ["node"]) {
      for (const sessions of options.sessions.split(",").map(Number)) {
        rows.push(await measure(name, tool, address, sessions, turn));
        console.error(JSON.stringify(rows.at(-1)));
      }
    }
    child.removeAllListeners("exit");
    child.kill();
  }
}
const settings = { ...options };
for (const name of ["citer", "models", "python", "gguf", "out", "help"]) delete settings[name];
/** What a program says about itself, or null. */
const told = (command, args) => (command ? execFileSync(command, args, { encoding: "utf8" }).trim() : null);
const environment = {
  cpu: cpus()[0].model, cores: cpus().length, memory_gb: Math.round(totalmem() / 2 ** 30),
  system: `${type()} ${release()}`, node: process.version, date: new Date().toISOString().slice(0, 10),
  citer: told(options.citer, ["--version"]),
  xllamacpp: told(options.python, ["-c", "import importlib.metadata as m; print(m.version('xllamacpp'))"]),
};
const report = JSON.stringify({ environment, settings, rows }, null, 1);
console.log(report);
if (options.out) writeFileSync(options.out, report + "\n");
// Every request of a conversation must be answered by our server; llama.cpp's is measured as it is.
const broken = rows.filter((row) => row.escalations_per_s === 0 || (row.server === "citer" && row.wrong > 0));
for (const row of broken) console.error(`not answered as it should: ${JSON.stringify(row)}`);
process.exit(broken.length > 0 ? 1 : 0);
