// Counts the WebGPU calls of a page and its workers by wrapping the methods of WebGPU's prototypes.

/** Runs in a page or a worker: wraps once and leaves the counts in `globalThis.gpuCallCounts`. */
export function install() {
  if (globalThis.gpuCallCounts) return;
  const counts = (globalThis.gpuCallCounts = { dispatches: 0, submits: 0, writes: 0, maps: 0, pipelines: 0, buffers: 0 });
  const wrapped = {
    dispatches: ['GPUComputePassEncoder', 'dispatchWorkgroups', 'dispatchWorkgroupsIndirect'],
    submits: ['GPUQueue', 'submit'],
    writes: ['GPUQueue', 'writeBuffer'],
    maps: ['GPUBuffer', 'mapAsync'],
    pipelines: ['GPUDevice', 'createComputePipeline', 'createComputePipelineAsync'],
    buffers: ['GPUDevice', 'createBuffer'],
  };
  for (const [name, [owner, ...methods]] of Object.entries(wrapped)) {
    for (const method of methods) {
      const original = globalThis[owner]?.prototype[method];
      if (!original) continue;
      globalThis[owner].prototype[method] = function (...values) {
        counts[name] += 1;
        return original.apply(this, values);
      };
    }
  }
}

/** The sum over a Playwright page and its workers. A worker that does not answer in a second (a waiting thread) counts nothing. */
export async function read(page) {
  const counts = () => globalThis.gpuCallCounts;
  const patience = () => new Promise((resolve) => setTimeout(resolve, 1000));
  const workers = page.workers().map((worker) => Promise.race([worker.evaluate(counts).catch(() => null), patience()]));
  const found = await Promise.all([page.evaluate(counts), ...workers]);
  const total = {};
  for (const each of found) for (const [name, count] of Object.entries(each ?? {})) total[name] = (total[name] ?? 0) + count;
  return total;
}
