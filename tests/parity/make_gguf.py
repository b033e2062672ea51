#!/usr/bin/env python3
"""Writes the GGUF fixtures: small random models as llama.cpp's converter would store them, and blocks of every format.

    pip install torch transformers==4.53.3 'numpy<2' safetensors gguf
    python tests/parity/make_gguf.py

tests/parity/gguf/NAME.gguf is a model and NAME.safetensors holds `ids` and the `logits` of Hugging Face transformers with
the weights that the file's formats leave: reading a quantised file adds no error of its own. blocks.gguf holds random
blocks of every format and blocks.safetensors their values by the gguf package.
"""

import math
import pathlib

import numpy
import torch
from gguf import GGMLQuantizationType as Type, GGUFWriter, RopeScalingType, quants
from safetensors.torch import save_file

from make_families import LLAMA, QWEN2, QWEN3, logits_of, random_model

FOLDER = pathlib.Path(__file__).parent / "gguf"
PARTS = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def renamed(name):
    if not name.startswith("model.layers."):
        return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                "lm_head.weight": "output.weight"}[name]
    layer, rest = name.removeprefix("model.layers.").split(".", 1)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{PARTS[part]}.{kind}"


def interleaved(values, heads):
    """The rows of a rotated pair side by side, as llama.cpp wants them for its llama architecture."""
    return values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def frequency_factors(config):
    scaling, width = config.rope_scaling, config.head_dim
    factors = []
    for index in range(0, width, 2):
        turns = scaling["original_max_position_embeddings"] * config.rope_theta ** (-index / width) / (2 * math.pi)
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        kept = min(max((turns - low) / (high - low), 0), 1)
        factors.append(1 / ((1 - kept) / scaling["factor"] + kept))
    return numpy.array(factors, dtype=numpy.float32)


def write(name, family, seed, formats, **shape):
    model = random_model(family, seed, **shape)
    config = model.config
    kind = config.model_type
    writer = GGUFWriter(FOLDER / f"{name}.gguf", kind)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(width)
    if width * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(width)
        writer.add_value_length(width)
    scaling = config.rope_scaling or {}
    if scaling.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", frequency_factors(config))
    elif scaling:
        writer.add_rope_scaling_type(RopeScalingType(scaling["rope_type"]))
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
    parameters = dict(model.named_parameters())
    for index, (long, parameter) in enumerate(parameters.items()):
        values = parameter.detach().numpy()
        # Every format is used; as in llama.cpp only matrices are stored in blocks.
        form = formats[index % len(formats)] if values.ndim == 2 else Type.F32
        if kind == "llama" and ".q_proj." in long:
            values = interleaved(values, config.num_attention_heads)
        if kind == "llama" and ".k_proj." in long:
            values = interleaved(values, config.num_key_value_heads)
        packed = quants.quantize(numpy.ascontiguousarray(values), form)
        writer.add_tensor(renamed(long), packed, raw_dtype=form)
        # What the format leaves of the values goes back into the model; blocks lie within rows, so their order is free.
        left = quants.dequantize(quants.quantize(parameter.detach().numpy(), form), form)
        parameter.data = torch.from_numpy(left.reshape(parameter.shape).copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    ids, logits = logits_of(model)
    save_file({"ids": ids, "logits": logits.contiguous()}, FOLDER / f"{name}.safetensors")


def write_blocks():
    random = numpy.random.default_rng(5)
    writer, values = GGUFWriter(FOLDER / "blocks.gguf", "llama"), {}
    # Bytes of a block and the places of its F16 scales: random bytes there would make infinities.
    blocks = {Type.Q4_0: (18, [0]), Type.Q5_0: (22, [0]), Type.Q8_0: (34, [0]), Type.Q4_K: (144, [0, 2]),
              Type.Q6_K: (210, [208])}
    for form in [Type.F32, Type.F16, Type.BF16, *blocks]:
        if form in blocks:
            size, places = blocks[form]
            packed = random.integers(0, 256, size=(6, size), dtype=numpy.uint8)
            for place in places:
                scale = random.normal(size=(len(packed), 1)).astype(numpy.float16)
                packed[:, place:place + 2] = scale.view(numpy.uint8)
        else:
            packed = quants.quantize(random.normal(size=(3, 32)).astype(numpy.float32), form)
        writer.add_tensor(form.name, packed, raw_dtype=form)
        values[form.name] = torch.from_numpy(quants.dequantize(packed, form).astype(numpy.float32).copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(values, FOLDER / "blocks.safetensors")


FOLDER.mkdir(exist_ok=True)
write_blocks()
write("llama", LLAMA, 21, [Type.F32, Type.F16, Type.BF16], hidden_size=36, num_attention_heads=4, num_key_value_heads=2,
      head_dim=12, attention_bias=True, rope_theta=500000.0, num_hidden_layers=1,
      rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 32})
write("qwen2", QWEN2, 22, [Type.Q8_0, Type.Q4_0], hidden_size=32, num_attention_heads=4, num_key_value_heads=2,
      intermediate_size=64, tie_word_embeddings=True,
      rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16})
write("qwen3", QWEN3, 23, [Type.Q5_0, Type.Q8_0], hidden_size=32, num_attention_heads=4, num_key_value_heads=1,
      head_dim=16, intermediate_size=64)
