// The engines under comparison and the page that runs each.

const peer = (page, extra) => (query) => `/peers/pages/${page}.html?${new URLSearchParams({ ...query, ...extra })}`;

export const OURS = 'citer';

/** `webgpu`: a peer that must use the GPU. `read`: a page's own report in the words of this comparison. */
export const ENGINES = {
  [OURS]: {
    model: 'gguf',
    url: ({ model, prompt, decode }) => `/bench.html?${new URLSearchParams({ model, contexts: prompt, decode })}`,
    read: ours,
  },
  'transformers.js': { url: peer('transformers', { file: 'model' }), model: 'onnx', webgpu: true },
  'transformers.js-int8': { url: peer('transformers', { file: 'model_int8' }), model: 'onnx', webgpu: true },
  'wllama-webgpu': { url: peer('wllama', { device: 'webgpu' }), model: 'gguf', webgpu: true },
  'wllama-cpu': { url: peer('wllama', { device: 'cpu' }), model: 'gguf' },
};

/** The prompt that our benchmark page makes by itself; ids beyond the vocabulary start again at 0. */
export const ourPrompt = (length) => Array.from({ length }, (_, index) => index * 7919 + 13);

function ours({ environment, model, speeds: [speed], load_ms, dispatches_per_token, read_back_ms, ids, ...rest }) {
  if (!speed) throw new Error('the page measured no context: see its console with --verbose');
  const { prefill_tokens_per_s, decode_tokens_per_s, single_tokens_per_s } = speed;
  return {
    prefill_tokens_per_s, decode_tokens_per_s, load_ms, ids,
    gpu_calls: { dispatches: { token: dispatches_per_token } },
    about: { ...environment, ...model, single_tokens_per_s, read_back_ms, variants: rest.variants },
  };
}
