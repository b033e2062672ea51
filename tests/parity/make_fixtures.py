#!/usr/bin/env python3
"""Writes the parity fixtures: small random Llama models with what Hugging Face transformers makes of them.

    pip install torch transformers==4.46.3 safetensors tokenizers
    python tests/parity/make_fixtures.py

Each folder under tests/parity/ is a pair's folder without an LLM: slm/, router/, tokenizer.json and expected.json,
which holds the prompt's text and ids, and of every greedy step the id, the logits and the router's score. Weights are
rounded to F16 before the run, so both sides compute with the same numbers in f32.
"""

import hashlib
import json
import pathlib

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

CONTROL = ["<|end|>", "<|user|>", "<|assistant|>"]
PROMPT = "How many bytes?"
STEPS = 24


def byte_tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: index for index, token in enumerate(CONTROL + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    return tokenizer


def write(folder, seed, **shape):
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer()
    vocab = tokenizer.get_vocab_size()
    config = LlamaConfig(
        vocab_size=vocab, max_position_embeddings=96, rms_norm_eps=1e-5, initializer_range=0.25,
        bos_token_id=None, eos_token_id=None, attention_bias=False, **shape,
    )
    model = LlamaForCausalLM(config).eval()
    # Only the parameters: halving the whole model would also round the rotary embedding's frequencies.
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    ids = [tokenizer.token_to_id("<|user|>")] + tokenizer.encode(PROMPT).ids + [tokenizer.token_to_id("<|assistant|>")]
    prompt, made, rows, scores = list(ids), [], [], []
    width = config.hidden_size
    router = {
        "router.hidden.weight": torch.randn(width, 2 * width) / width**0.5,
        "router.hidden.bias": torch.randn(2 * width) * 0.1,
        "router.out.weight": torch.randn(2 * width, 1) / width**0.5,
        "router.out.bias": torch.randn(1) * 0.1,
    }
    router = {name: value.half() for name, value in router.items()}
    part = {name.removeprefix("router."): value.float() for name, value in router.items()}
    with torch.no_grad():
        for _ in range(STEPS):
            hidden = model.model(torch.tensor([ids])).last_hidden_state[0, -1]
            logits = model.lm_head(hidden)
            inner = torch.relu(hidden @ part["hidden.weight"] + part["hidden.bias"])
            scores.append(round(float(torch.sigmoid(inner @ part["out.weight"] + part["out.bias"])), 6))
            rows.append([round(float(value), 6) for value in logits])
            made.append(int(logits.argmax()))
            ids.append(made[-1])
    slm = folder / "slm"
    slm.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(slm, safe_serialization=True)
    (slm / "generation_config.json").unlink(missing_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "router").mkdir(exist_ok=True)
    save_file(router, folder / "router" / "router.safetensors")
    sha256 = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
    card = {"slm_sha256": sha256(slm / "model.safetensors"), "llm_sha256": "", "threshold": 0.5, "validation_share": 0.0,
            "tokenizer_sha256": sha256(folder / "tokenizer.json"), "seed": seed}
    (folder / "router" / "router.json").write_text(json.dumps(card, indent=2) + "\n")
    expected = {"prompt": PROMPT, "prompt_ids": prompt, "ids": made, "scores": scores, "logits": rows}
    (folder / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


here = pathlib.Path(__file__).parent
write(here / "untied", 1, hidden_size=40, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4,
      num_key_value_heads=2, head_dim=16, tie_word_embeddings=False, rope_theta=10000.0)
write(here / "tied", 2, hidden_size=48, intermediate_size=72, num_hidden_layers=2, num_attention_heads=6,
      num_key_value_heads=6, tie_word_embeddings=True, rope_theta=500000.0)
