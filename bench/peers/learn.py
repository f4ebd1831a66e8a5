#!/usr/bin/env python3
"""MeZO as published, in PyTorch, learning the task that ours learns: how its dev loss falls with the seconds.

    learn.py MODEL.gguf --task task.json --train train.tsv --dev dev.tsv [--lr 3e-5] [--until-loss 0.45] ...

Every --every steps one JSON object on a line of its own: step, seconds, loss, accuracy and auc, all of dev. The first
one is step 0, before training. Seconds are those of training alone: the clock stands still while the model is loaded and
while dev is evaluated. Ends at --until-loss, --max-seconds or --max-steps, whichever comes first, and with a loss of
null where the weights have blown up.

The loss is ours (libs/train/objectives/choice.c): cross entropy over the options, each with the sum of its tokens' log
probabilities. An example whose options have one token each is one sequence, for the model has read all of it then;
MeZO's own code would run it once for each option. Minibatches are drawn as published, one shuffled epoch after the other,
or with --balanced with equal labels, as ours are.
"""
import argparse
import csv
import json
import math
import os
import random
import sys
import time
from typing import NamedTuple

import published
import torch
from transformers import AutoTokenizer
from transformers.utils import logging

EVALUATION_BATCH = 32


class Example(NamedTuple):
    prefix: list  # tokens
    options: list  # of lists of tokens
    label: int


# ---- data ----


def read_rows(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_examples(path, task, tokenizer):
    """The text before the options and each option by itself, as docs/formats/task.md has it."""
    examples = []
    for row in read_rows(path):
        prefix = tokenizer(task["template"].format_map(row)).input_ids
        options = [tokenizer(o.format_map(row), add_special_tokens=False).input_ids for o in task["options"]]
        label = row[task["label"]]
        examples.append(Example(prefix, options, int(task["labels"][label] if "labels" in task else label)))
    return examples


def plain_batches(examples, size, rng):
    """One shuffled epoch after the other."""
    waiting = []
    while True:
        while len(waiting) < size:
            waiting += rng.sample(examples, len(examples))
        yield waiting[:size]
        waiting = waiting[size:]


def balanced_batches(examples, size, rng):
    """As many of each label, each label one shuffled epoch after the other."""
    labels = sorted({example.label for example in examples})
    share = size // len(labels)
    sources = [plain_batches([e for e in examples if e.label == label], share, rng) for label in labels]
    while True:
        yield [example for source in sources for example in next(source)]


# ---- loss ----


class Batch:
    """Padded sequences, and where in them which option's tokens are scored. Equal sequences stand there once."""

    def __init__(self, examples):
        rows = {}
        row_of, position, token, owner = [], [], [], []
        self.options = len(examples[0].options)
        for number, example in enumerate(examples):
            for option, tokens in enumerate(example.options):
                sequence = tuple(example.prefix + tokens[:-1])
                row = rows.setdefault((number, sequence), len(rows))
                for t, one in enumerate(tokens):
                    row_of.append(row)
                    position.append(len(example.prefix) - 1 + t)
                    token.append(one)
                    owner.append(number * self.options + option)
        longest = max(len(sequence) for _, sequence in rows)
        self.ids = torch.tensor([list(s) + [0] * (longest - len(s)) for _, s in rows])
        self.mask = torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for _, s in rows])
        self.at = (torch.tensor(row_of), torch.tensor(position))
        self.token, self.owner = torch.tensor(token), torch.tensor(owner)
        self.labels = torch.tensor([example.label for example in examples])

    def scores(self, logits):
        """[examples][options], from the logits at self.at."""
        each = torch.log_softmax(logits.float(), dim=-1)[torch.arange(len(self.token)), self.token]
        sums = torch.zeros(len(self.labels) * self.options).index_add(0, self.owner, each)
        return sums.view(-1, self.options)


def published_loss(model, batch):
    """With the logits of every position, as the published code has them."""
    with torch.inference_mode():
        logits = model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits
        return torch.nn.functional.cross_entropy(batch.scores(logits[batch.at]), batch.labels).item()


# ---- evaluation ----


def area_under_roc(margins, positive):
    """The share of (positive, negative) pairs in the right order, a tie counting half."""
    order = sorted(range(len(margins)), key=lambda i: margins[i])
    ranks, at = 0.0, 0
    while at < len(order):
        end = at
        while end < len(order) and margins[order[end]] == margins[order[at]]:
            end += 1
        ranks += (at + 1 + end) / 2 * sum(positive[i] for i in order[at:end])
        at = end
    ones = sum(positive)
    pairs = ones * (len(order) - ones)
    return (ranks - ones * (ones + 1) / 2) / pairs if pairs > 0 else math.nan


class Judge:
    """Evaluates dev with the model's weights: blocks in `dtype`, the head in float32 and on scored positions only."""

    def __init__(self, model, path, examples, dtype):
        self.model = model
        self.twin = model if dtype == torch.float32 else published.load(path, dtype)
        ordered = sorted(examples, key=lambda example: len(example.prefix))  # little padding
        starts = range(0, len(ordered), EVALUATION_BATCH)
        self.batches = [Batch(ordered[s : s + EVALUATION_BATCH]) for s in starts]

    def scores(self, batch):
        states = self.twin.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).last_hidden_state
        return batch.scores(self.model.lm_head(states[batch.at].float()))

    def judge(self):
        with torch.inference_mode():
            if self.twin is not self.model:
                for mine, theirs in zip(self.twin.parameters(), self.model.parameters(), strict=True):
                    mine.data.copy_(theirs.data)
            scores = torch.cat([self.scores(batch) for batch in self.batches])
        labels = torch.cat([batch.labels for batch in self.batches])
        loss = torch.nn.functional.cross_entropy(scores, labels).item()
        found = {"loss": loss if math.isfinite(loss) else None,
                 "accuracy": (scores.argmax(dim=1) == labels).float().mean().item(), "auc": None}
        if scores.shape[1] == 2 and math.isfinite(loss):
            found["auc"] = area_under_roc((scores[:, 1] - scores[:, 0]).tolist(), labels.tolist())
        return found


# ---- learning ----


def learn(asked, model, batches, judge):
    peer = published.MeZO(model, asked.epsilon, asked.lr)
    rng = random.Random(asked.seed)
    step, seconds = 0, 0.0
    while True:
        over = step == asked.max_steps or seconds >= asked.max_seconds
        if over or step % asked.every == 0:
            found = judge.judge()
            print(json.dumps({"step": step, "seconds": round(seconds, 3), **found}), flush=True)
            if over or found["loss"] is None or found["loss"] <= asked.until_loss:
                return
        began = time.perf_counter()
        batch = Batch(next(batches))
        peer.step(lambda: published_loss(model, batch), rng.randrange(10**9))
        seconds += time.perf_counter() - began
        step += 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("--task", required=True)
    parser.add_argument("--train", required=True, help=".tsv with a header")
    parser.add_argument("--dev", required=True, help=".tsv with a header")
    parser.add_argument("--lr", type=float, default=3e-5, help="learning rate (3e-5)")
    parser.add_argument("--epsilon", type=float, default=1e-3, help="size of a perturbation (1e-3)")
    parser.add_argument("--batch", type=int, default=16, help="examples of a minibatch (16)")
    parser.add_argument("--balanced", action="store_true", help="equal labels in each minibatch")
    parser.add_argument("--seed", type=int, default=1, help="of directions and minibatches (1)")
    parser.add_argument("--every", type=int, default=10, help="steps between evaluations of dev (10)")
    parser.add_argument("--evaluate-in", choices=["bf16", "f32"], default="bf16", help="blocks only (bf16)")
    parser.add_argument("--until-loss", type=float, default=-math.inf, help="of dev")
    parser.add_argument("--max-seconds", type=float, default=math.inf, help="of training")
    parser.add_argument("--max-steps", type=int, default=-1)
    return parser.parse_args()


def main():
    asked = arguments()
    logging.set_verbosity_error()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with open(asked.task, encoding="utf-8") as file:
        task = json.load(file)
    folder, name = os.path.split(os.path.abspath(asked.model))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name, split_special_tokens=True)
    train, dev = (read_examples(path, task, tokenizer) for path in (asked.train, asked.dev))
    model = published.load(asked.model, torch.float32)
    judge = Judge(model, asked.model, dev, torch.bfloat16 if asked.evaluate_in == "bf16" else torch.float32)
    draw = balanced_batches if asked.balanced else plain_batches
    learn(asked, model, draw(train, asked.batch, random.Random(f"minibatches {asked.seed}")), judge)


if __name__ == "__main__":
    sys.exit(main())
