// Numbers out of the rounds: median, smallest and largest, and the ratio of ours to the best peer.

import { ENGINES, OURS } from './engines.mjs';

const SPEEDS = ['prefill_tokens_per_s', 'decode_tokens_per_s', 'load_ms'];

export function summary(runs, expected) {
  const engines = Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, engine(list)]));
  const webgpu = Object.fromEntries(Object.entries(runs).filter(([name]) => name === OURS || ENGINES[name].webgpu));
  return { engines, ratios: { all: ratios(runs), webgpu: ratios(webgpu) }, ids: agreement(runs, expected) };
}

function engine(list) {
  const measured = list.filter((run) => !run.error);
  if (!measured.length) return { error: list[0]?.error ?? 'not run' };
  const errors = list.flatMap((run) => run.error ?? []);
  const { ids, gpu_calls, about } = measured.at(-1);
  return { ...Object.fromEntries(SPEEDS.map((name) => [name, spread(measured.map((run) => run[name]))])), gpu_calls, ids, about, ...(errors.length ? { errors } : {}) };
}

function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1), runs: sorted.length };
}

const ratios = (runs) => ({ decode: ratio(runs, 'decode_tokens_per_s'), prefill: ratio(runs, 'prefill_tokens_per_s') });

/** Ours over the fastest peer of the same round, so that a busy machine slows both. */
function ratio(runs, name) {
  const ours = runs[OURS] ?? [];
  const peers = Object.entries(runs).filter(([engine]) => engine !== OURS);
  const rounds = ours.flatMap((run, round) => {
    const best = peers.map(([engine, list]) => ({ engine, speed: list[round]?.[name] ?? 0 })).sort((a, b) => b.speed - a.speed)[0];
    return run[name] && best?.speed ? [{ value: run[name] / best.speed, against: best.engine }] : [];
  });
  if (!rounds.length) return null;
  return { ...spread(rounds.map(({ value }) => value)), against: [...new Set(rounds.map(({ against }) => against))] };
}

/** How many greedy ids from the start are those of the reference, in the first run that tells its ids. */
function agreement(runs, expected) {
  if (!expected) return null;
  const equal = Object.entries(runs).flatMap(([name, list]) => {
    const ids = list.find((run) => run.ids)?.ids;
    if (!ids) return [];
    const reference = expected[name] ?? expected.peers;
    const differs = reference.findIndex((id, position) => id !== ids[position]);
    return [[name, differs < 0 ? reference.length : differs]];
  });
  return { reference: expected, equal: Object.fromEntries(equal) };
}
