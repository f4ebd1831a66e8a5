#!/usr/bin/env python3
"""The SPSA step of the peers, in PyTorch, on the batch that `samara bench step` measures.

    mezo.py MODEL.gguf [--tokens 512] [--examples 16]

Reads the name of what to run from standard input, one a line, and answers each with its milliseconds:

    mezo      the MeZO step as published (arXiv 2305.17333, Algorithm 1 and its repository's zo_step): float32, the
              sentences padded to the longest, the weights perturbed in place by torch.normal from a seed that is set
              again each time, two forwards of the whole model with the loss over the logits, the weights put back, the
              update drawn once more
    best      what PyTorch can do at best for the same: bfloat16, the sentences one after the other without padding
              (attention masked to each), signs instead of normals, drawn once in one call over one flat buffer, perturbed
              in one pass, restored and updated in one pass; logits of two options only
    forward   two plain bfloat16 forwards, without padding, logits of the last positions only: what no two-point step
              can pass
"""
import argparse
import os
import sys
import time

import published
import torch
from transformers.utils import logging

EPSILON = 1e-3
RATE = 1e-6
OPTIONS = [10, 11]


def made_up_sentences(tokens, examples, vocabulary):
    """Lists of token ids, as bench_step.c makes them."""
    def first(e):
        return e + (tokens - examples) * e * (3 * e + examples) // (4 * examples * examples)

    return [[(e * 7919 + t * 104729 + 17) % vocabulary for t in range(first(e + 1) - first(e))] for e in range(examples)]


class Padded:
    """[examples][longest], as tokenizers and collators make them; padding on the right."""

    def __init__(self, sentences):
        longest = max(map(len, sentences))
        self.inputs = {
            "input_ids": torch.tensor([s + [0] * (longest - len(s)) for s in sentences]),
            "attention_mask": torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for s in sentences]),
        }
        self.last = torch.tensor([len(s) - 1 for s in sentences])

    def last_of(self, x):
        return x[torch.arange(len(self.last)), self.last]


class Packed:
    """[1][all tokens]: each attends to its own sentence only."""

    def __init__(self, sentences):
        lengths = torch.tensor([len(s) for s in sentences])
        number = torch.repeat_interleave(torch.arange(len(sentences)), lengths)
        mask = (number[:, None] == number[None, :]).tril()
        self.inputs = {
            "input_ids": torch.tensor([sum(sentences, [])]),
            "position_ids": torch.cat([torch.arange(n) for n in lengths])[None],
            "attention_mask": mask[None, None],
        }
        self.last = lengths.cumsum(0) - 1

    def last_of(self, x):
        return x[0, self.last]


class Published:
    """published.MeZO on the made-up batch."""

    def __init__(self, path, sentences):
        self.model = published.load(path, torch.float32)
        self.peer = published.MeZO(self.model, EPSILON, RATE)
        self.batch = Padded(sentences)
        self.labels = torch.tensor([OPTIONS[e % 2] for e in range(len(sentences))])
        self.step_number = 0

    def loss(self):
        with torch.inference_mode():
            logits = self.model(**self.batch.inputs, use_cache=False).logits
            return torch.nn.functional.cross_entropy(self.batch.last_of(logits).float(), self.labels).item()

    def step(self):
        self.peer.step(self.loss, self.step_number)
        self.step_number += 1


class Best:
    def __init__(self, path, sentences):
        self.model = published.load(path, torch.bfloat16)
        self.batch = Packed(sentences)
        self.labels = torch.tensor([e % 2 for e in range(len(sentences))])
        parameters = list(self.model.parameters())
        count = sum(p.numel() for p in parameters)
        self.words = (count + 3) // 4
        self.flat = torch.empty(self.words * 4, dtype=torch.bfloat16)
        at = 0
        for p in parameters:
            place = self.flat[at:at + p.numel()].view(p.shape)
            place.copy_(p.data)
            p.data = place
            at += p.numel()
        self.bits = torch.empty(self.words, dtype=torch.int64)

    def draw(self):
        """+-1 in bfloat16: the sign from a random bit, the rest is that of 1."""
        self.bits.random_(-(2**63), None)
        halves = self.bits.view(torch.int16)
        halves.bitwise_and_(-0x8000).bitwise_or_(0x3F80)
        return halves.view(torch.bfloat16)

    def loss(self):
        hidden = self.model.model(**self.batch.inputs, use_cache=False).last_hidden_state
        logits = self.batch.last_of(hidden) @ self.model.lm_head.weight[OPTIONS].T
        return torch.nn.functional.cross_entropy(logits.float(), self.labels).item()

    def step(self):
        with torch.inference_mode():
            z = self.draw()
            self.flat.add_(z, alpha=EPSILON)
            plus = self.loss()
            self.flat.add_(z, alpha=-2 * EPSILON)
            minus = self.loss()
            self.flat.add_(z, alpha=EPSILON - RATE * (plus - minus) / (2 * EPSILON))


class Forward:
    def __init__(self, path, sentences):
        self.model = published.load(path, torch.bfloat16)
        self.batch = Packed(sentences)

    def step(self):
        with torch.inference_mode():
            for _ in range(2):
                self.model(**self.batch.inputs, use_cache=False, logits_to_keep=self.batch.last)


PEERS = {"mezo": Published, "best": Best, "forward": Forward}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--examples", type=int, default=16)
    asked = parser.parse_args()
    logging.set_verbosity_error()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    sentences = made_up_sentences(asked.tokens, asked.examples, 49152)
    peers = {name: peer(asked.model, sentences) for name, peer in PEERS.items()}
    for peer in peers.values():
        peer.step()
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        peer = peers[line.strip()]
        began = time.perf_counter()
        peer.step()
        print(f"{(time.perf_counter() - began) * 1e3:.3f}", flush=True)


if __name__ == "__main__":
    main()
