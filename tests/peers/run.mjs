#!/usr/bin/env node
// Runs Citer's engine, transformers.js and wllama in turn on the same synthetic model in the same browser and prints JSON.

import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { flags, visit } from './browser.mjs';
import { ENGINES, OURS, ourPrompt } from './engines.mjs';
import { models, reference } from './models.mjs';
import { promptIds } from './pages/prompt.mjs';
import { summary } from './report.mjs';
import { serve } from './server.mjs';

const HERE = import.meta.dirname;
const REPOSITORY = path.join(HERE, '../..');
const HELP = `node run.mjs [options]

  --shape NAME      shape of the synthetic model (smollm2-135m)
  --weights N       seed of its weights (1)
  --folder FOLDER   where the model's files are kept (target/peers)
  --citer FILE      the program that writes the GGUF file (target/release/citer)
  --python FILE     a Python with requirements.txt, writes the ONNX file (python3)
  --model FILE      a GGUF file of your own (llama architecture, matrices in Q4_0)
  --onnx FOLDER     what make_onnx.py made of it
  --dist FOLDER     Citer's built pages with bench.html (default: dist of this repository)
  --prompt N        prompt tokens (128)
  --decode N        decoded tokens, at least 3 (32)
  --rounds N        rounds; every engine runs once in each (3)
  --engines LIST    names with commas (${Object.keys(ENGINES).join(',')})
  --adapter NAME    WebGPU adapter of Chromium, such as swiftshader (default: the real GPU)
  --threads N       threads for wllama (all cores)
  --flag FLAG       one more flag for Chromium; may be given again
  --timeout S       seconds for one engine (900)
  --seed N          seed of the prompt (1)
  --no-reference    leave out the answer that ids are compared with: it takes long for a long prompt
  --verbose         also print the pages' consoles to stderr

$CHROME names the browser (/usr/bin/chromium).`;

const DEFAULTS = {
  shape: 'smollm2-135m', weights: '1', folder: path.join(REPOSITORY, 'target/peers'), citer: path.join(REPOSITORY, 'target/release/citer'),
  python: 'python3', dist: path.join(REPOSITORY, 'dist'), prompt: '128', decode: '32', rounds: '3', timeout: '900', seed: '1',
};

function options() {
  const text = { type: 'string' };
  const { values } = parseArgs({
    options: {
      shape: text, weights: text, folder: text, citer: text, python: text, model: text, onnx: text, dist: text, prompt: text, decode: text, rounds: text, engines: text, adapter: text, threads: text,
      timeout: text, seed: text, flag: { type: 'string', multiple: true }, 'no-reference': { type: 'boolean' }, verbose: { type: 'boolean' }, help: { type: 'boolean' },
    },
  });
  if (values.help) fail(HELP, 0);
  const given = { ...DEFAULTS, threads: String(os.availableParallelism()), ...values };
  for (const name of ['prompt', 'decode', 'rounds', 'timeout', 'seed', 'threads', 'weights']) {
    given[name] = Number(given[name]);
    if (!Number.isInteger(given[name]) || given[name] < 1) fail(`--${name} takes a whole number above 0`, 2);
  }
  if (given.decode < 3) fail('--decode must be at least 3: two lengths of an answer are compared', 2);
  const engines = given.engines?.split(',') ?? Object.keys(ENGINES);
  for (const name of engines) if (!ENGINES[name]) fail(`no engine "${name}"; there are ${Object.keys(ENGINES).join(', ')}`, 2);
  return { ...given, ...models(given), engines, flags: given.flag ?? [], chrome: process.env.CHROME ?? '/usr/bin/chromium' };
}

function fail(message, status) {
  console.error(message);
  process.exit(status);
}

async function measure(name, origin, settings) {
  const engine = ENGINES[name];
  if (name === OURS && !existsSync(path.join(settings.dist, 'bench.html'))) return { error: 'not built' };
  const model = engine.model === 'gguf' ? settings.model : settings.onnx;
  const query = {
    model: `${origin}/peers/models/${engine.model}/${path.basename(model)}`, prompt: settings.prompt, decode: settings.decode,
    threads: settings.threads, ids: settings.ids.join(','),
  };
  try {
    const { result: report, ...where } = await visit(origin + engine.url(query), settings);
    const result = engine.read?.(report) ?? report;
    if (engine.webgpu && !result.gpu_calls.dispatches.token) return { error: withoutGpu(where.adapter), ...where };
    return { ...result, ...where };
  } catch (error) {
    return { error: error.message };
  }
}

function withoutGpu(adapter) {
  if (!adapter) return 'no WebGPU adapter';
  return adapter.features.includes('shader-f16') ? 'ran on the CPU' : 'ran on the CPU: the adapter has no shader-f16';
}

function packageVersion(name) {
  return JSON.parse(readFileSync(path.join(HERE, 'node_modules', name, 'package.json'), 'utf8')).version;
}

function environment(settings, runs) {
  const { browser, adapter = null } = Object.values(runs).flat().find((run) => run.browser) ?? {};
  for (const run of Object.values(runs).flat()) {
    delete run.browser;
    delete run.adapter;
  }
  return {
    date: new Date().toISOString(), browser, adapter, flags: flags(settings),
    cpu: os.cpus()[0].model, cores: os.availableParallelism(), memory_gb: Math.round(os.totalmem() / 2 ** 30),
    load_average: os.loadavg(), system: `${os.type()} ${os.release()}`, node: process.version,
    peers: Object.fromEntries(['@huggingface/transformers', 'onnxruntime-web', '@wllama/wllama'].map((name) => [name, packageVersion(name)])),
    model: path.basename(settings.model), prompt_tokens: settings.prompt, decoded_tokens: settings.decode, rounds: settings.rounds,
    wllama_threads: settings.threads, seed: settings.seed,
  };
}

async function main() {
  const settings = options();
  settings.ids = promptIds(settings.prompt, settings.seed);
  const expected = settings['no-reference'] ? null : {
    peers: reference(settings, settings.ids), [OURS]: reference(settings, ourPrompt(settings.prompt)),
  };
  const server = await serve([
    ['/peers/pages/', path.join(HERE, 'pages')],
    ['/peers/npm/', path.join(HERE, 'node_modules')],
    ['/peers/models/gguf/', path.dirname(settings.model)],
    ['/peers/models/onnx/', path.dirname(settings.onnx)],
    ['/', path.resolve(settings.dist)],
  ]);
  const runs = Object.fromEntries(settings.engines.map((name) => [name, []]));
  const report = () => console.log(JSON.stringify({ environment: environment(settings, runs), ...summary(runs, expected), runs }, null, 2));
  for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143]]) {
    // Playwright closes the browser when the process ends.
    process.once(signal, () => {
      report();
      process.exit(status);
    });
  }
  for (let round = 1; round <= settings.rounds; round += 1) {
    for (const name of settings.engines) {
      const run = await measure(name, server.origin, settings);
      const speeds = run.error ?? `prefill ${run.prefill_tokens_per_s.toFixed(2)}, decode ${run.decode_tokens_per_s.toFixed(2)} tokens/s`;
      console.error(`round ${round}/${settings.rounds} ${name}: ${speeds.split('\n')[0]}`);
      runs[name].push(run);
    }
  }
  server.close();
  report();
}

await main().catch((error) => fail(error.message, 1));
