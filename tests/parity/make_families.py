#!/usr/bin/env python3
"""Writes the family fixtures: small random models of every supported family with the logits of Hugging Face transformers.

    pip install torch transformers==4.53.3 'numpy<2' safetensors
    python tests/parity/make_families.py

Each folder under tests/parity/families/ is a model folder as `save_pretrained` writes it (one of them in shards) with
expected.safetensors: `ids` [tokens] and `logits` [tokens, vocab] of one pass over them. Every parameter, norms and biases
too, is random, so that none can be left out unnoticed; all are rounded to F16 before the pass, so both sides compute with
the same numbers in f32.
"""

import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

TOKENS = 48
LLAMA, QWEN2, QWEN3 = (LlamaConfig, LlamaForCausalLM), (Qwen2Config, Qwen2ForCausalLM), (Qwen3Config, Qwen3ForCausalLM)


def random_model(family, seed, **shape):
    torch.manual_seed(seed)
    make_config, make_model = family
    settings = dict(vocab_size=101, num_hidden_layers=2, intermediate_size=44, max_position_embeddings=64,
                    bos_token_id=None, eos_token_id=None, initializer_range=0.25)
    model = make_model(make_config(**(settings | shape))).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            parameter.data = 1 + 0.3 * torch.randn_like(parameter)
        elif name.endswith(".bias"):
            parameter.data = 0.5 * torch.randn_like(parameter)
        # Only the parameters: halving the whole model would also round the rotary embedding's frequencies.
        parameter.data = parameter.data.half().float()
    return model


def logits_of(model):
    ids = torch.randint(0, model.config.vocab_size, (TOKENS,))
    with torch.no_grad():
        return ids, model(ids[None]).logits[0].float()


def write(name, family, seed, shards=None, **shape):
    folder = pathlib.Path(__file__).parent / "families" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = random_model(family, seed, **shape)
    ids, logits = logits_of(model)
    model.half().save_pretrained(folder, **({"max_shard_size": shards} if shards else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file({"ids": ids, "logits": logits.contiguous()}, folder / "expected.safetensors")
    print(f"{name}: {sum(path.stat().st_size for path in folder.iterdir())} bytes, logits up to {logits.abs().max():.2f}")


def write_all():
    write("llama_biases", LLAMA, 11, hidden_size=32, num_attention_heads=6, num_key_value_heads=3, head_dim=12,
          attention_bias=True, rms_norm_eps=1e-3)
    write("llama_linear", LLAMA, 12, hidden_size=32, num_attention_heads=2, num_key_value_heads=2,
          rope_scaling={"rope_type": "linear", "factor": 4.0})
    write("llama3", LLAMA, 13, hidden_size=36, num_attention_heads=7, num_key_value_heads=1, head_dim=10,
          tie_word_embeddings=True, rope_theta=500000.0,
          rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                        "original_max_position_embeddings": 32})
    write("smollm2", LLAMA, 14, hidden_size=36, num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True,
          rope_theta=100000.0)
    write("qwen2", QWEN2, 15, hidden_size=28, num_attention_heads=14, num_key_value_heads=2, tie_word_embeddings=True,
          rope_theta=1000000.0, use_sliding_window=False)
    write("qwen2_yarn", QWEN2, 16, hidden_size=32, num_attention_heads=4, num_key_value_heads=4, rope_theta=10000.0,
          rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16})
    write("qwen3", QWEN3, 17, hidden_size=36, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
          tie_word_embeddings=True, rope_theta=1000000.0)
    write("qwen3_sharded", QWEN3, 18, shards="16KB", hidden_size=32, num_attention_heads=3, num_key_value_heads=3,
          head_dim=8, attention_bias=True, rope_theta=10000.0)


if __name__ == "__main__":
    write_all()
