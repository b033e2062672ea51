"""llama.cpp's server over a GGUF file: `python llamacpp.py MODEL.gguf SLOTS CONTEXT`. Ends when its input ends."""

import sys

import xllamacpp

model, slots, context = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params = xllamacpp.CommonParams()
params.model.path = model
params.n_parallel = slots
params.n_ctx = slots * context
params.kv_unified = False
params.cont_batching = True
params.cache_prompt = True
params.cpuparams.n_threads = 2
params.cpuparams_batch.n_threads = 2
params.port = 0
params.verbosity = 0
params.warmup = True
server = xllamacpp.Server(params)
print("listening on", server.listening_address, flush=True)
sys.stdin.read()
