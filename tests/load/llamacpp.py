"""llama.cpp's server over a GGUF file: `python llamacpp.py MODEL.gguf SLOTS CONTEXT THREADS`. Ends when its input ends."""

import sys

import xllamacpp

model, (slots, context, threads) = sys.argv[1], map(int, sys.argv[2:5])
params = xllamacpp.CommonParams()
params.model.path = model
params.n_parallel = slots
params.n_ctx = slots * context
params.kv_unified = False
params.cont_batching = True
params.cache_prompt = True
params.cpuparams.n_threads = threads
params.cpuparams_batch.n_threads = threads
params.port = 0
params.verbosity = 0
params.warmup = True
server = xllamacpp.Server(params)
print("listening on", server.listening_address, flush=True)
sys.stdin.read()
