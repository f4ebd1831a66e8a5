"""Golden logits of SmolLM2-135M-Instruct by transformers in float32, for libs/model/smollm2_test.c.

    python tests/golden/smollm2_logits.py path/to/SmolLM2-135M-Instruct.Q4_1.gguf > tests/golden/smollm2_logits.json

Needs torch, transformers and gguf. Each case: token numbers, and for some positions the logits of some next tokens
(the twenty likeliest and a fixed spread over the vocabulary).
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = [
    "The capital of France is",
    "the acting is superb , and the story never lets go . It was",
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. " * 6,
]


def main():
    folder, name = os.path.split(os.path.abspath(sys.argv[1]))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    cases = []
    for text in TEXTS:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logits = model(torch.tensor([tokens])).logits[0]
        positions = []
        for at in sorted({0, len(tokens) // 2, len(tokens) - 1}):
            ids = sorted(set(logits[at].topk(20).indices.tolist()) | set(range(0, logits.shape[1], 1501)))
            positions.append({
                "at": at,
                "ids": ids,
                "logits": [round(logits[at, i].item(), 6) for i in ids],
                "log_total": round(logits[at].logsumexp(0).item(), 6),
            })
        cases.append({"text": text, "tokens": tokens, "positions": positions})
    json.dump({"cases": cases}, sys.stdout, separators=(",", ":"))
    print()


main()
