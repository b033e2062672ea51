// Starts the engine: the program for WebGPU where the browser has an adapter for it, otherwise the one for the processor,
// which is fetched only then.
"use strict";

const WEBGPU = "citer-worker";
const PROCESSOR = "citer-worker-cpu";

async function hasAdapter() {
  try {
    return Boolean(await navigator.gpu?.requestAdapter());
  } catch {
    return false;
  }
}

async function start() {
  // The page asks for the processor where WebGPU failed.
  const asked = new URLSearchParams(location.search).get("device") === "processor";
  const program = !asked && (await hasAdapter()) ? WEBGPU : PROCESSOR;
  try {
    importScripts(`./${program}.js`);
    await wasm_bindgen({ module_or_path: `./${program}_bg.wasm` });
  } catch (error) {
    const words = `the engine's program cannot be loaded (${error?.message ?? error}): check the connection and restart it`;
    postMessage(JSON.stringify({ type: "failed", answer: null, error: words }));
  }
}

start();
