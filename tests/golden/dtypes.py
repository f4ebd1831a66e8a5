"""Writes libs/model/files/dtype_golden.h: random blocks of every type and the float32 bits that the gguf package reads.

    python tests/golden/dtypes.py > libs/model/files/dtype_golden.h        (needs: pip install gguf numpy)
"""
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize

# type -> byte positions of its float16 fields, which must be finite
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "F16": [0], "BF16": [], "F32": [],
}
BLOCKS = 2


def words(values, per_line, form):
    rows = [values[i:i + per_line] for i in range(0, len(values), per_line)]
    return ",\n".join("    " + ", ".join(form % v for v in row) for row in rows)


def main():
    random = np.random.default_rng(20240229)
    print("/* Made by tests/golden/dtypes.py from the gguf package; do not edit. */\n/* clang-format off */")
    print("#ifndef SAM_MODEL_DTYPE_GOLDEN_H\n#define SAM_MODEL_DTYPE_GOLDEN_H\n\n#include <stdint.h>\n")
    for name, halves in HALVES.items():
        count = 16 if name in ("F16", "BF16", "F32") else BLOCKS
        block = GGML_QUANT_SIZES[T[name]][1]
        raw = random.integers(0, 256, (count, block), dtype=np.uint8)
        for at in halves:
            raw[:, at:at + 2] = random.normal(0, 0.05, (count, 1)).astype(np.float16).view(np.uint8)
        if name in ("BF16", "F32"):
            raw = random.normal(0, 1, (count, 1)).astype(np.float32).view(np.uint8)[:, 4 - block:].copy()
        values = dequantize(raw.reshape(1, -1), T[name]).astype(np.float32).reshape(-1)
        print(f"static const uint8_t GOLDEN_{name}_BYTES[] = {{\n{words(raw.reshape(-1), 22, '%d')}}};")
        print(f"static const uint32_t GOLDEN_{name}_FLOATS[] = {{\n{words(values.view(np.uint32), 9, '0x%x')}}};\n")
    print("#endif")


main()
