"""Accuracy of an exported folder on a tsv of the film-reviews task, by transformers alone.

    python tests/python/score_in_transformers.py out/demo/model path/to/test.tsv [out/demo/summary.json]

Needs torch and transformers. With a summary it also says how far samara's own figure is, and fails beyond 0.5 points.
"""

import csv
import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    folder, data = sys.argv[1:3]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    options = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (" terrible", " great")]
    assert all(len(tokens) == 1 for tokens in options)
    right = total = 0
    with open(data, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            tokens = tokenizer(row["text"] + " It was", add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                logits = model(torch.tensor([tokens])).logits[0, -1]
            right += int(int(logits[options[1][0]] > logits[options[0][0]]) == int(row["label"]))
            total += 1
    print("transformers: %d of %d right, %.1f %%" % (right, total, 100 * right / total))
    if len(sys.argv) > 3:
        ours = json.load(open(sys.argv[3]))["final_accuracy"]
        print("samara: %.1f %%, %.2f points apart" % (100 * ours, 100 * abs(ours - right / total)))
        return abs(ours - right / total) > 0.005
    return 0


sys.exit(main())
