#!/usr/bin/env python3
"""Writes the network of a Q4_0 GGUF file (llama architecture) as the 4-bit ONNX model that transformers.js loads.

    python make_onnx.py MODEL.gguf FOLDER

FOLDER receives config.json, generation_config.json and the graph twice: onnx/model_q4.onnx with f32 activations, and
onnx/model_int8_q4.onnx, which allows 8-bit activations in matrix products (`accuracy_level` 4). The weights are the same numbers: a Q4_0 block
(scale x (nibble - 8), 32 values) is a MatMulNBits block with another order of nibbles, so nothing is quantised twice.
The graph has the operators of current 4-bit exports: MatMulNBits, GroupQueryAttention with its rotary embedding inside,
SkipSimplifiedLayerNormalization, GatherBlockQuantized for the embedding, and `num_logits_to_keep`.
"""

import json
import pathlib
import sys

import numpy
import onnx
from gguf import GGMLQuantizationType, GGUFReader
from onnx import TensorProto, helper, numpy_helper

BLOCK = 32
# By file name: the accuracy level of MatMulNBits. 0 leaves activations as they are, 4 allows 8 bits.
ACCURACY_LEVELS = {"model_q4.onnx": 0, "model_int8_q4.onnx": 4}
MICROSOFT = "com.microsoft"


class Network:
    """The shape and the tensors of a GGUF file."""

    def __init__(self, path):
        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items() if name.startswith(("general.", "llama."))}
        if fields.get("general.architecture") != "llama":
            raise SystemExit(f"{path}: only the llama architecture is written as ONNX, this is {fields.get('general.architecture')}")
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        self.hidden = fields["llama.embedding_length"]
        self.intermediate = fields["llama.feed_forward_length"]
        self.layers = fields["llama.block_count"]
        self.heads = fields["llama.attention.head_count"]
        self.kv_heads = fields["llama.attention.head_count_kv"]
        self.width = fields.get("llama.attention.key_length", self.hidden // self.heads)
        self.epsilon = fields["llama.attention.layer_norm_rms_epsilon"]
        self.theta = fields["llama.rope.freq_base"]
        self.positions = fields["llama.context_length"]
        self.vocabulary = int(self.tensors["token_embd.weight"].shape[1])

    def floats(self, name):
        tensor = self.tensors[name]
        if tensor.tensor_type != GGMLQuantizationType.F32:
            raise SystemExit(f"{name} is {tensor.tensor_type.name}, expected F32")
        return numpy.array(tensor.data, dtype=numpy.float32)

    def q4_0(self, name):
        """Scales [rows, blocks] as f32 and values 0..15 [rows, blocks, 32] of a Q4_0 matrix, rows in the file's order."""
        tensor = self.tensors[name]
        if tensor.tensor_type != GGMLQuantizationType.Q4_0:
            raise SystemExit(f"{name} is {tensor.tensor_type.name}, expected Q4_0")
        columns, rows = (int(size) for size in tensor.shape)
        blocks = numpy.array(tensor.data).reshape(rows, columns // BLOCK, 18)
        scales = numpy.ascontiguousarray(blocks[..., :2]).view(numpy.float16)[..., 0].astype(numpy.float32)
        return scales, numpy.concatenate([blocks[..., 2:] & 15, blocks[..., 2:] >> 4], axis=-1)

    def rotated(self, name, heads):
        """A query or key matrix with the two halves of a head apart; the file holds the rotated pairs side by side."""
        scales, values = self.q4_0(name)
        order = numpy.arange(heads * self.width).reshape(heads, self.width // 2, 2).swapaxes(1, 2).reshape(-1)
        return scales[order], values[order]


class Graph:
    """Nodes and initializers of the ONNX graph under construction."""

    def __init__(self, accuracy_level):
        self.accuracy_level = accuracy_level
        self.nodes, self.initializers = [], []

    def constant(self, name, values):
        self.initializers.append(numpy_helper.from_array(numpy.ascontiguousarray(values), name))
        return name

    def node(self, kind, inputs, outputs, domain="", **attributes):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0] + "/" + kind, domain=domain, **attributes))
        return outputs[0]

    def linear(self, name, inputs, matrix):
        scales, values = matrix
        rows, blocks, _ = values.shape
        packed = values[..., 0::2] | values[..., 1::2] << 4
        return self.node(
            "MatMulNBits", [inputs, self.constant(name + ".weight", packed), self.constant(name + ".scales", scales.reshape(-1))],
            name, MICROSOFT, K=blocks * BLOCK, N=rows, bits=4, block_size=BLOCK, accuracy_level=self.accuracy_level)

    def embedding(self, name, ids, matrix):
        scales, values = matrix
        packed = (values[..., 0::2] | values[..., 1::2] << 4).reshape(values.shape[0], -1)
        return self.node(
            "GatherBlockQuantized", [self.constant(name + ".weight", packed), ids, self.constant(name + ".scales", scales)],
            name, MICROSOFT, bits=4, block_size=BLOCK, gather_axis=0, quantize_axis=1)


def last_positions(graph, hidden):
    """The last `num_logits_to_keep` positions of the hidden states, all of them for 0."""
    start = graph.node("Neg", ["num_logits_to_keep"], "keep.negative")
    start = graph.node("Reshape", [start, graph.constant("one", numpy.array([1], numpy.int64))], "keep.start")
    end = graph.constant("keep.end", numpy.array([numpy.iinfo(numpy.int64).max], numpy.int64))
    return graph.node("Slice", [hidden, start, end, "one"], "hidden.kept")


def build(network, accuracy_level):
    """The model with that accuracy level of its matrix products."""
    graph = Graph(accuracy_level)
    width, epsilon = network.width, network.epsilon
    angles = numpy.outer(numpy.arange(network.positions), network.theta ** (-numpy.arange(0, width, 2) / width))
    cosines = graph.constant("rope.cos", numpy.cos(angles).astype(numpy.float32))
    sines = graph.constant("rope.sin", numpy.sin(angles).astype(numpy.float32))

    one = graph.constant("attention.one", numpy.array([1], numpy.int64))
    length = graph.node("ReduceSum", ["attention_mask", one], "attention.sum", keepdims=1)
    length = graph.node("Sub", [length, one], "attention.last")
    last = graph.node("Cast", [length], "attention.last32", to=TensorProto.INT32)
    total = graph.node("Shape", ["attention_mask"], "attention.shape")
    total = graph.node("Gather", [total, graph.constant("attention.axis", numpy.array(1, numpy.int64))], "attention.total", axis=0)
    total = graph.node("Cast", [total], "attention.total32", to=TensorProto.INT32)

    embedding = network.q4_0("token_embd.weight")
    residual = graph.embedding("embedding", "input_ids", embedding)
    added = None

    def norm(name):
        nonlocal residual
        weight = graph.constant(name + ".weight", network.floats(name + ".weight"))
        if added is None:
            return graph.node("SimplifiedLayerNormalization", [residual, weight], name, axis=-1, epsilon=epsilon, stash_type=1)
        output, previous, residual = name, residual, name + ".residual"
        graph.node("SkipSimplifiedLayerNormalization", [previous, added, weight], [output, "", "", residual], MICROSOFT, epsilon=epsilon)
        return output

    cache_inputs, cache_outputs = [], []
    for index in range(network.layers):
        part = f"blk.{index}."
        normed = norm(part + "attn_norm")
        query = graph.linear(part + "query", normed, network.rotated(part + "attn_q.weight", network.heads))
        key = graph.linear(part + "key", normed, network.rotated(part + "attn_k.weight", network.kv_heads))
        value = graph.linear(part + "value", normed, network.q4_0(part + "attn_v.weight"))
        past = [f"past_key_values.{index}.{kind}" for kind in ("key", "value")]
        present = [f"present.{index}.{kind}" for kind in ("key", "value")]
        mixed = graph.node(
            "GroupQueryAttention", [query, key, value, *past, last, total, cosines, sines], [part + "attention", *present], MICROSOFT,
            num_heads=network.heads, kv_num_heads=network.kv_heads, scale=width ** -0.5, do_rotary=1, rotary_interleaved=0)
        added = graph.linear(part + "output", mixed, network.q4_0(part + "attn_output.weight"))
        normed = norm(part + "ffn_norm")
        gate = graph.linear(part + "gate", normed, network.q4_0(part + "ffn_gate.weight"))
        up = graph.linear(part + "up", normed, network.q4_0(part + "ffn_up.weight"))
        sigmoid = graph.node("Sigmoid", [gate], part + "sigmoid")
        swish = graph.node("Mul", [gate, sigmoid], part + "swish")
        product = graph.node("Mul", [swish, up], part + "product")
        added = graph.linear(part + "down", product, network.q4_0(part + "ffn_down.weight"))
        cache_inputs += past
        cache_outputs += present

    final = last_positions(graph, norm("output_norm"))
    head = network.q4_0("output.weight") if "output.weight" in network.tensors else embedding
    graph.linear("logits", final, head)

    def described(names, kind, *shape):
        return [helper.make_tensor_value_info(name, kind, list(shape)) for name in names]

    cache = ("batch_size", network.kv_heads, "past_sequence_length", width)
    inputs = (described(["input_ids"], TensorProto.INT64, "batch_size", "sequence_length")
              + described(["attention_mask"], TensorProto.INT64, "batch_size", "total_sequence_length")
              + described(["num_logits_to_keep"], TensorProto.INT64)
              + described(cache_inputs, TensorProto.FLOAT, *cache))
    outputs = (described(["logits"], TensorProto.FLOAT, "batch_size", "kept", network.vocabulary)
               + described(cache_outputs, TensorProto.FLOAT, "batch_size", network.kv_heads, "total_sequence_length", width))
    return helper.make_model(
        helper.make_graph(graph.nodes, "decoder", inputs, outputs, graph.initializers),
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)], ir_version=10)


def config(network):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": network.hidden,
        "intermediate_size": network.intermediate, "num_hidden_layers": network.layers, "num_attention_heads": network.heads,
        "num_key_value_heads": network.kv_heads, "head_dim": network.width, "vocab_size": network.vocabulary,
        "max_position_embeddings": network.positions, "rope_theta": network.theta, "rms_norm_eps": network.epsilon,
        "tie_word_embeddings": "output.weight" not in network.tensors,
    }


def main(source, folder):
    network = Network(source)
    folder = pathlib.Path(folder)
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    for name, level in ACCURACY_LEVELS.items():
        onnx.save(build(network, level), folder / "onnx" / name)
    (folder / "generation_config.json").write_text("{}\n")
    # Last: its presence says that the folder is whole.
    (folder / "config.json").write_text(json.dumps(config(network), indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
