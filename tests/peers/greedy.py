#!/usr/bin/env python3
"""Prints as JSON the greedy answer of a GGUF file's network by the numpy forward pass of check_onnx.py.

    python greedy.py MODEL.gguf ID,ID,... COUNT

Ids beyond the vocabulary start again at 0.
"""

import json
import sys

from check_onnx import Reference
from make_onnx import Network


def main(source, prompt, count):
    reference = Reference(Network(source))
    ids = [int(number) % reference.network.vocabulary for number in prompt.split(",")]
    answer = []
    for _ in range(int(count)):
        answer.append(int(reference.logits(ids + answer).argmax()))
    print(json.dumps(answer))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
