#!/usr/bin/env python3
"""Writes a GGUF file of the shape of Llama 3 8B, with a vocabulary of its size and no weights, to time how it is opened.

    bench/large_model.py /tmp/8b.gguf
    build/release/bin/samara doctor --model /tmp/8b.gguf       # twice: the second time the digest is remembered

The weights are Q4_0 zeros that take no room on the disk: 4.5 GB, of which 20 MB are there.
"""

import argparse
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "integration"))
from tiny_model import ALIGNMENT, F32, I32, STRING, U32, array, entry, padded, text  # noqa: E402

HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, BLOCKS, CONTEXT, VOCABULARY = 4096, 14336, 32, 8, 32, 8192, 128256
SPECIAL = 256
TYPE_F32, TYPE_Q4_0 = 0, 2
BLOCK_VALUES, BLOCK_BYTES = 32, 18  # of Q4_0


def bytes_as_letters():
    """The alphabet of byte-level BPE (GPT-2): printable bytes stand for themselves, the others for U+0100 and up."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]


def vocabulary():
    """Tokens, and the merges that make them: pairs of earlier tokens, at random."""
    rng = random.Random(1)
    tokens, merges = bytes_as_letters(), []
    known = set(tokens)
    while len(tokens) < VOCABULARY - SPECIAL:
        left, right = rng.choice(tokens), rng.choice(tokens)
        if len(left + right) <= 16 and left + right not in known:
            known.add(left + right)
            tokens.append(left + right)
            merges.append(f"{left} {right}")
    return tokens + [f"<|special_{number}|>" for number in range(SPECIAL)], merges


def metadata(tokens, merges):
    number = lambda key, value: entry(key, U32, struct.pack("<I", value))
    real = lambda key, value: entry(key, F32, struct.pack("<f", value))
    kinds = [1] * (VOCABULARY - SPECIAL) + [3] * SPECIAL
    return [
        entry("general.architecture", STRING, text("llama")),
        number("llama.context_length", CONTEXT),
        number("llama.embedding_length", HIDDEN),
        number("llama.block_count", BLOCKS),
        number("llama.feed_forward_length", INTERMEDIATE),
        number("llama.attention.head_count", HEADS),
        number("llama.attention.head_count_kv", KV_HEADS),
        number("llama.rope.dimension_count", HIDDEN // HEADS),
        real("llama.rope.freq_base", 500000.0),
        real("llama.attention.layer_norm_rms_epsilon", 1e-5),
        entry("tokenizer.ggml.model", STRING, text("gpt2")),
        entry("tokenizer.ggml.pre", STRING, text("llama-bpe")),
        array("tokenizer.ggml.tokens", STRING, [text(token) for token in tokens]),
        array("tokenizer.ggml.token_type", I32, [struct.pack("<i", kind) for kind in kinds]),
        array("tokenizer.ggml.merges", STRING, [text(merge) for merge in merges]),
        number("tokenizer.ggml.bos_token_id", VOCABULARY - SPECIAL),
        number("tokenizer.ggml.eos_token_id", VOCABULARY - SPECIAL + 1),
    ]


def tensors():
    """(name, rows, columns); rows 0: a vector."""
    kv = HIDDEN // HEADS * KV_HEADS
    yield "token_embd.weight", VOCABULARY, HIDDEN
    for block in range(BLOCKS):
        for name, rows, columns in (("attn_norm", 0, HIDDEN), ("attn_q", HIDDEN, HIDDEN), ("attn_k", kv, HIDDEN),
                                    ("attn_v", kv, HIDDEN), ("attn_output", HIDDEN, HIDDEN), ("ffn_norm", 0, HIDDEN),
                                    ("ffn_gate", INTERMEDIATE, HIDDEN), ("ffn_up", INTERMEDIATE, HIDDEN),
                                    ("ffn_down", HIDDEN, INTERMEDIATE)):
            yield f"blk.{block}.{name}.weight", rows, columns
    yield "output_norm.weight", 0, HIDDEN
    yield "output.weight", VOCABULARY, HIDDEN


def size_of(rows, columns):
    size = 4 * columns if rows == 0 else rows * columns // BLOCK_VALUES * BLOCK_BYTES
    return size + -size % ALIGNMENT


def write(path):
    entries, infos, offset = metadata(*vocabulary()), [], 0
    for name, rows, columns in tensors():
        shape, kind = ([columns], TYPE_F32) if rows == 0 else ([columns, rows], TYPE_Q4_0)
        infos.append(text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) +
                     struct.pack("<IQ", kind, offset))
        offset += size_of(rows, columns)
    head = padded(b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries)) + b"".join(entries) + b"".join(infos))
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + offset)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    write(parser.parse_args().path)


if __name__ == "__main__":
    main()
