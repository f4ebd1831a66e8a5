"""A language model small enough for tests: random weights, a vocabulary of bytes and letters, written as GGUF.

    tiny_model.write("tiny.gguf", seed=1)

Llama architecture, two blocks of 32 features, f32. The same seed gives the same file on every machine.
"""

import random
import struct

HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, BLOCKS, CONTEXT = 32, 64, 4, 2, 2, 128
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
ALIGNMENT = 32


def text(value):
    value = value.encode("utf-8")
    return struct.pack("<Q", len(value)) + value


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def array(key, kind, values):
    return entry(key, ARRAY, struct.pack("<IQ", kind, len(values)) + b"".join(values))


def vocabulary():
    """Tokens with their scores and types, as SentencePiece has them: 2 unknown, 3 control, 6 byte, 1 normal."""
    tokens = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    tokens += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    pieces = ["\u2581"] + [chr(code) for code in range(33, 127)] + ["\u2581great", "\u2581bad"]
    pieces += ["\u2581gr", "\u2581g", "ea", "eat", "\u2581b", "ad"]
    tokens += [(piece, -1.0 - number / 100 if len(piece) == 1 else -0.1 / len(piece), 1)
               for number, piece in enumerate(pieces)]
    return tokens


def metadata(tokens):
    number = lambda key, value: entry(key, U32, struct.pack("<I", value))
    return [
        entry("general.architecture", STRING, text("llama")),
        entry("general.name", STRING, text("tiny")),
        number("llama.context_length", CONTEXT),
        number("llama.embedding_length", HIDDEN),
        number("llama.block_count", BLOCKS),
        number("llama.feed_forward_length", INTERMEDIATE),
        number("llama.attention.head_count", HEADS),
        number("llama.attention.head_count_kv", KV_HEADS),
        number("llama.rope.dimension_count", HIDDEN // HEADS),
        entry("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
        entry("tokenizer.ggml.model", STRING, text("llama")),
        array("tokenizer.ggml.tokens", STRING, [text(token) for token, _, _ in tokens]),
        array("tokenizer.ggml.scores", F32, [struct.pack("<f", score) for _, score, _ in tokens]),
        array("tokenizer.ggml.token_type", I32, [struct.pack("<i", kind) for _, _, kind in tokens]),
        number("tokenizer.ggml.unknown_token_id", 0),
        number("tokenizer.ggml.bos_token_id", 1),
        number("tokenizer.ggml.eos_token_id", 2),
    ]


def tensors(vocabulary_size):
    """(name, rows, columns); rows 0: a vector."""
    kv = HIDDEN // HEADS * KV_HEADS
    yield "token_embd.weight", vocabulary_size, HIDDEN
    for block in range(BLOCKS):
        for name, rows, columns in (("attn_norm", 0, HIDDEN), ("attn_q", HIDDEN, HIDDEN), ("attn_k", kv, HIDDEN),
                                    ("attn_v", kv, HIDDEN), ("attn_output", HIDDEN, HIDDEN), ("ffn_norm", 0, HIDDEN),
                                    ("ffn_gate", INTERMEDIATE, HIDDEN), ("ffn_up", INTERMEDIATE, HIDDEN),
                                    ("ffn_down", HIDDEN, INTERMEDIATE)):
            yield f"blk.{block}.{name}.weight", rows, columns
    yield "output_norm.weight", 0, HIDDEN


def values(rng, rows, columns):
    if rows == 0:
        return struct.pack(f"<{columns}f", *[1.0] * columns)
    size = columns ** -0.5
    return struct.pack(f"<{rows * columns}f", *[rng.uniform(-2 * size, 2 * size) for _ in range(rows * columns)])


def padded(content):
    return content + bytes(-len(content) % ALIGNMENT)


def write(path, seed):
    rng = random.Random(seed)
    tokens = vocabulary()
    entries, infos, data = metadata(tokens), [], b""
    for name, rows, columns in tensors(len(tokens)):
        shape = [columns] if rows == 0 else [columns, rows]
        infos.append(text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) +
                     struct.pack("<IQ", 0, len(data)))
        data += padded(values(rng, rows, columns))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries)) + b"".join(entries) + b"".join(infos)
    with open(path, "wb") as file:
        file.write(padded(head) + data)
