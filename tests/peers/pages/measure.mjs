// What every peer's page does with its engine: load it, warm it up, time one greedy answer, and leave the result as JSON in
// <html data-bench> (or the message of an error in <html data-bench-error>).

/** Tokens of the warm-up answer: the first comes from prefill, the second makes the engine build what decoding needs. */
const WARM_UP = 2;

/**
 * @param {(settings: {model: string, prompt: number, decode: number, threads: number}) => Promise<Engine>} load
 *
 * An engine has `generate(prompt, count, onToken)`, which calls `onToken` when a token reaches the caller and resolves to a
 * record with what it knows: `ids`, the number of `tokens` where some may come without a call, or its own `prefill_tokens_per_s` and `decode_tokens_per_s`, which then replace the speeds
 * seen by the caller. Optional are `ids(prompt, count)`, an untimed second answer for an engine that cannot tell ids without
 * slowing down, and `about`, a record for the report.
 */
export async function measure(load) {
  const result = document.documentElement.dataset;
  try {
    result.bench = JSON.stringify(await run(load));
  } catch (error) {
    result.benchError = String(error?.stack ?? error);
  }
}

async function run(load) {
  const query = new URLSearchParams(location.search);
  const number = (name) => Number(query.get(name));
  const settings = { model: query.get('model'), prompt: number('prompt'), decode: number('decode'), threads: number('threads') };
  const prompt = query.get('ids').split(',').map(Number);
  const started = performance.now();
  const engine = await load(settings);
  const loaded = performance.now();

  const idle = await gpuCalls();
  await engine.generate(prompt, WARM_UP, () => {});
  const warm = await gpuCalls();
  const arrivals = [];
  const begun = performance.now();
  const answer = await engine.generate(prompt, settings.decode, () => arrivals.push(performance.now()));
  const done = await gpuCalls();
  const { tokens = arrivals.length, ...found } = answer;
  if (tokens !== settings.decode) throw new Error(`${tokens} tokens were decoded, ${settings.decode} were asked for`);

  const [first, last] = [arrivals[0], arrivals.at(-1)];
  const seen = {
    prefill_tokens_per_s: (1000 * prompt.length) / (first - begun),
    decode_tokens_per_s: (1000 * (tokens - 1)) / (last - first),
  };
  return {
    load_ms: loaded - started,
    warm_up_ms: begun - loaded,
    prompt_tokens: prompt.length,
    decoded_tokens: tokens,
    ...seen,
    seen_by_caller: seen,
    gpu_calls: calls(idle, warm, done, settings.decode),
    ...found,
    ids: found.ids ?? (await engine.ids?.(prompt, settings.decode)),
    about: engine.about,
  };
}

/** GPU calls of prefill and of one decoded token, from two answers of different length to the same prompt. */
function calls(idle, warm, done, decode) {
  const each = (name) => {
    const [short, long] = [warm[name] - idle[name], done[name] - warm[name]];
    const token = (long - short) / (decode - WARM_UP);
    return [name, { token, prefill: long - token * (decode - 1) }];
  };
  const steady = ['dispatches', 'submits', 'writes', 'maps'];
  const created = { pipelines: done.pipelines - warm.pipelines, buffers: done.buffers - warm.buffers };
  return { ...Object.fromEntries(steady.map(each)), created_after_warm_up: created };
}
