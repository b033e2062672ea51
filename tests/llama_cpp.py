"""Serves a GGUF file with llama.cpp at a free port until the program that started it is gone.

Usage: python llama_cpp.py MODEL.gguf NAME   (needs `pip install xllamacpp`)
"""

import os
import sys
import time

import xllamacpp


def main(model, name):
    settings = xllamacpp.CommonParams()
    settings.model.path = model
    settings.model_alias = {name}
    settings.n_parallel = 1
    settings.warmup = False
    settings.verbosity = 0
    settings.port = 0
    server = xllamacpp.Server(settings)
    print(f"listening on {server.listening_address}", flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)


if __name__ == "__main__":
    main(*sys.argv[1:])
