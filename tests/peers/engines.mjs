// The engines under comparison and the page that runs each.

const peer = (page, extra) => (query) => `/peers/pages/${page}.html?${new URLSearchParams({ ...query, ...extra })}`;

export const ENGINES = {
  citer: { url: (query) => `/bench.html?${new URLSearchParams(query)}`, model: 'gguf' },
  'transformers.js': { url: peer('transformers', { file: 'model' }), model: 'onnx', webgpu: true },
  'transformers.js-int8': { url: peer('transformers', { file: 'model_int8' }), model: 'onnx', webgpu: true },
  'wllama-webgpu': { url: peer('wllama', { device: 'webgpu' }), model: 'gguf', webgpu: true },
  'wllama-cpu': { url: peer('wllama', { device: 'cpu' }), model: 'gguf' },
};

export const OURS = 'citer';
