"""Do transformers and the gguf package read what Samara exports?

    python tests/python/check_export.py FOLDER GGUF [BASE_GGUF]

FOLDER: an export as safetensors (f32); GGUF: an export as f16 of the same weights. With BASE_GGUF, of which both are
the unchanged export: the tensors must also equal, to the bit, what transformers itself reads from it.
Needs: gguf, numpy, torch, transformers; for BASE_GGUF also accelerate. Exit status 1 and a line for each difference.
"""
import json
import os
import sys

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from transformers import AutoModelForCausalLM, AutoTokenizer

FAILED = []


def check(holds, sentence):
    if not holds:
        FAILED.append(sentence)
        print("FAILED:", sentence)


def gguf_names(config):
    names = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
             "output.weight": "lm_head.weight"}
    inside = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
              "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
              "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    for block in range(config.num_hidden_layers):
        for gguf, hf in inside.items():
            for kind in ("weight", "bias"):
                names[f"blk.{block}.{gguf}.{kind}"] = f"model.layers.{block}.{hf}.{kind}"
    return names


def interleave(weight, heads):
    """Rows as llama.cpp's converter orders them for its RoPE."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def check_gguf(path, state, config):
    names = gguf_names(config)
    reader = GGUFReader(path)
    seen = set()
    for tensor in reader.tensors:
        hf = names.get(tensor.name)
        if hf is None or hf not in state:
            check(False, f"{path}: no such tensor in the model: {tensor.name}")
            continue
        seen.add(hf)
        expected = state[hf].numpy()
        if config.model_type == "llama" and hf.endswith(("q_proj.weight", "k_proj.weight")):
            heads = config.num_attention_heads if "q_proj" in hf else config.num_key_value_heads
            expected = interleave(expected, heads)
        if expected.ndim == 2:
            expected = expected.astype(np.float16).astype(np.float32)
        values = dequantize(tensor.data, tensor.tensor_type).reshape(expected.shape)
        check(np.array_equal(values.view(np.uint32), expected.view(np.uint32)), f"{path}: {tensor.name} differs")
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    check(seen == set(state) - tied, f"{path}: missing {sorted(set(state) - tied - seen)[:3]}")
    print(f"{path}: {len(seen)} tensors equal the folder's, rounded to f16")


def check_base(path, state, config):
    base = AutoModelForCausalLM.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path),
                                                dtype=torch.float32)
    theirs = base.state_dict()
    check(set(theirs) == set(state), "the names of transformers' own reading of the base differ")
    for name, values in theirs.items():
        equal = np.array_equal(values.numpy().view(np.uint32), state[name].numpy().view(np.uint32))
        check(equal, f"{name} is not what transformers reads from the base")
    check(np.float32(config.rms_norm_eps) == np.float32(base.config.rms_norm_eps), "config rms_norm_eps differs")
    for name in ("hidden_size", "num_key_value_heads", "vocab_size", "max_position_embeddings", "rope_parameters"):
        ours, theirs_value = getattr(config, name), getattr(base.config, name)
        check(ours == theirs_value, f"config {name} is {ours}, transformers reads {theirs_value}")
    print(f"{path}: {len(theirs)} tensors equal what transformers reads from it")


def check_words(folder, model, untuned):
    """A model that speaks English, and was not tuned to say something else, knows this one; others give finite logits."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(tokens).logits[0, -1]
    check(bool(torch.isfinite(logits).all()), "logits are not finite")
    word = tokenizer.decode([int(logits.argmax())])
    print(f'{folder}: "The capital of France is" -> {word!r} (tokens {tokens[0].tolist()})')
    if untuned and model.config.hidden_size >= 512:
        check(word == " Paris", f"the capital of France is {word!r}")


def main():
    folder, gguf = sys.argv[1:3]
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    model.eval()
    check(not any(report.values()), f"loading the folder reports {report}")
    state = model.state_dict()
    print(f"{folder}: {len(state)} tensors, theta {json.dumps(getattr(model.config, 'rope_parameters', None))}")
    check_gguf(gguf, state, model.config)
    if len(sys.argv) > 3:
        check_base(sys.argv[3], state, model.config)
    if os.path.exists(os.path.join(folder, "tokenizer.json")):
        check_words(folder, model, untuned=len(sys.argv) > 3)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
