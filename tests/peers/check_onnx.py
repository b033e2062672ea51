#!/usr/bin/env python3
"""Checks make_onnx.py: the ONNX model of a GGUF file against a forward pass written out in numpy, on the CPU.

    python check_onnx.py MODEL.gguf [LENGTH [DECODED]]

A prompt of LENGTH seeded ids is read at once, then DECODED greedy tokens one at a time through the key and value inputs, with
f32 activations. Prints the largest difference of a logit, as a share of the largest logit, and both greedy sequences as JSON;
leaves with status 1 when the sequences differ or the difference is above the bound.
"""

import json
import sys

import numpy
import onnxruntime

from make_onnx import Network, build

BOUND = 1e-4


def matrix(network, name):
    scales, values = network.q4_0(name)
    return (scales[..., None] * (values.astype(numpy.float32) - 8)).reshape(values.shape[0], -1)


def normed(network, name, values):
    return values / numpy.sqrt((values ** 2).mean(-1, keepdims=True) + network.epsilon) * network.floats(name)


def turned(network, values):
    """Rotary embedding of [positions, heads, width]; a pair is two neighbours, as the GGUF file has them."""
    width = network.width
    angles = numpy.outer(numpy.arange(len(values)), network.theta ** (-numpy.arange(0, width, 2) / width))[:, None, :]
    even, odd = values[..., 0::2], values[..., 1::2]
    cosine, sine = numpy.cos(angles), numpy.sin(angles)
    return numpy.stack([even * cosine - odd * sine, odd * cosine + even * sine], -1).reshape(values.shape)


def attended(network, query, key, value):
    positions = len(query)
    repeats = network.heads // network.kv_heads
    key, value = key.repeat(repeats, 1), value.repeat(repeats, 1)
    scores = numpy.einsum("qhd,khd->hqk", query, key) / numpy.sqrt(network.width)
    scores = numpy.where(numpy.tri(positions, dtype=bool), scores, -numpy.inf)
    shares = numpy.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return numpy.einsum("hqk,khd->qhd", shares, value).reshape(positions, -1)


class Reference:
    """The whole network in numpy, the whole sequence anew at every call."""

    def __init__(self, network):
        self.network = network
        self.weights = {name: matrix(network, name) for name, tensor in network.tensors.items() if len(tensor.shape) == 2}

    def logits(self, ids):
        network, weights = self.network, self.weights
        hidden = weights["token_embd.weight"][ids]
        for index in range(network.layers):
            part = f"blk.{index}."
            inputs = normed(network, part + "attn_norm.weight", hidden)
            query, key, value = (
                (inputs @ weights[f"{part}attn_{kind}.weight"].T).reshape(len(ids), -1, network.width) for kind in "qkv")
            mixed = attended(network, turned(network, query), turned(network, key), value)
            hidden = hidden + mixed @ weights[part + "attn_output.weight"].T
            inputs = normed(network, part + "ffn_norm.weight", hidden)
            gate, up = (inputs @ weights[f"{part}ffn_{kind}.weight"].T for kind in ("gate", "up"))
            hidden = hidden + (gate / (1 + numpy.exp(-gate)) * up) @ weights[part + "ffn_down.weight"].T
        head = weights.get("output.weight", weights["token_embd.weight"])
        return normed(network, "output_norm.weight", hidden[-1]) @ head.T


class Exported:
    """The ONNX model with its cache, fed only the new ids."""

    def __init__(self, network):
        model = build(network, accuracy_level=0).SerializeToString()
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        empty = numpy.zeros((1, network.kv_heads, 0, network.width), numpy.float32)
        self.cache = {name.name: empty for name in self.session.get_inputs() if name.name.startswith("past_key_values.")}
        self.length = 0

    def logits(self, ids):
        self.length += len(ids)
        outputs = self.session.run(None, {
            "input_ids": numpy.array([ids], numpy.int64), "attention_mask": numpy.ones((1, self.length), numpy.int64),
            "num_logits_to_keep": numpy.array(1, numpy.int64), **self.cache})
        self.cache = dict(zip(self.cache, outputs[1:], strict=True))
        return outputs[0][0, -1]


def main(source, length=12, decoded=6):
    network = Network(source)
    reference, exported = Reference(network), Exported(network)
    ids = numpy.random.default_rng(7).integers(network.vocabulary, size=int(length)).tolist()
    new, worst, greedy, greedy_onnx = ids, 0.0, [], []
    for _ in range(int(decoded)):
        expected, actual = reference.logits(ids), exported.logits(new)
        worst = max(worst, float(numpy.abs(expected - actual).max() / numpy.abs(expected).max()))
        greedy.append(int(expected.argmax()))
        greedy_onnx.append(int(actual.argmax()))
        new = [greedy[-1]]
        ids = ids + new
    print(json.dumps({"largest_relative_difference": worst, "greedy_numpy": greedy, "greedy_onnx": greedy_onnx}))
    return 0 if greedy == greedy_onnx and worst <= BOUND else 1


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        raise SystemExit(__doc__)
    sys.exit(main(*sys.argv[1:]))
