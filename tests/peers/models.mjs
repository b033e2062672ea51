// The synthetic model in both forms: written once by `citer synth` (GGUF) and make_onnx.py (ONNX, from that GGUF).

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';

const REQUIREMENTS = 'install tests/peers/requirements.txt and name that Python with --python';

/** Resolves the two paths of the model, writing what is missing into `folder`. */
export function models({ model, onnx, folder, shape, weights, citer, python }) {
  const gguf = model ?? path.join(folder, `${shape}-q4_0-${weights}.gguf`);
  if (!existsSync(gguf)) {
    if (model) throw new Error(`--model: ${model} does not exist`);
    mkdirSync(folder, { recursive: true });
    command(citer, ['synth', shape, gguf, '--format', 'gguf', '--dtype', 'q4_0', '--seed', String(weights)],
      'build it with `cargo build --release` or name it with --citer');
  }
  const exported = onnx ?? gguf.replace(/\.gguf$/, '') + '-onnx';
  if (!existsSync(path.join(exported, 'config.json'))) {
    command(python, [path.join(import.meta.dirname, 'make_onnx.py'), gguf, exported], REQUIREMENTS);
  }
  return { model: path.resolve(gguf), onnx: path.resolve(exported) };
}

/** The greedy answer to `ids` by a forward pass in numpy: what every engine should say. */
export function reference({ model, python, decode }, ids) {
  return JSON.parse(command(python, [path.join(import.meta.dirname, 'greedy.py'), model, ids.join(','), String(decode)], REQUIREMENTS));
}

function command(program, values, advice) {
  console.error([program, ...values].join(' '));
  const { error, status, stdout } = spawnSync(program, values, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  if (error || status !== 0) throw new Error(`${program} failed (${error?.message ?? `status ${status}`}): ${advice}`);
  return stdout;
}
