#!/usr/bin/env python3
"""The SPSA step of the peers, in PyTorch, on the batch that `samara bench step` measures.

    mezo.py MODEL.gguf [--tokens 512] [--examples 16]

Reads the name of what to run from standard input, one a line, and answers each with its milliseconds:

    mezo      the MeZO step as published (arXiv 2305.17333, Algorithm 1 and its repository's zo_step): float32, the
              weights perturbed in place by torch.normal from a seed that is set again each time, two forwards of
              the whole model with the loss over the logits, the weights put back, the update drawn once more
    best      what PyTorch can do at best for the same: bfloat16, signs instead of normals, drawn once in one call over
              one flat buffer, perturbed in one pass, restored and updated in one pass; logits of two options only
    forward   two plain bfloat16 forwards, logits of the last position: what no two-point step can pass

All sentences have the same length, so nothing is padded: with real sentences the published step also computes padding.
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


def made_up_batch(tokens, examples, vocabulary):
    """[examples][tokens / examples], as bench_step.c makes it."""
    length = tokens // examples
    return torch.tensor([[(e * 7919 + t * 104729 + 17) % vocabulary for t in range(length)] for e in range(examples)])


class Published:
    """published.MeZO on the made-up batch."""

    def __init__(self, path, ids):
        self.model = published.load(path, torch.float32)
        self.peer = published.MeZO(self.model, EPSILON, RATE)
        self.ids = ids
        self.labels = torch.tensor([OPTIONS[e % 2] for e in range(len(ids))])
        self.step_number = 0

    def loss(self):
        with torch.inference_mode():
            logits = self.model(input_ids=self.ids, use_cache=False).logits
            return torch.nn.functional.cross_entropy(logits[:, -1].float(), self.labels).item()

    def step(self):
        self.peer.step(self.loss, self.step_number)
        self.step_number += 1


class Best:
    def __init__(self, path, ids):
        self.model = published.load(path, torch.bfloat16)
        self.ids = ids
        self.labels = torch.tensor([e % 2 for e in range(len(ids))])
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
        hidden = self.model.model(input_ids=self.ids, use_cache=False).last_hidden_state[:, -1]
        logits = hidden @ self.model.lm_head.weight[OPTIONS].T
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
    def __init__(self, path, ids):
        self.model = published.load(path, torch.bfloat16)
        self.ids = ids

    def step(self):
        with torch.inference_mode():
            for _ in range(2):
                self.model(input_ids=self.ids, use_cache=False, logits_to_keep=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--examples", type=int, default=16)
    asked = parser.parse_args()
    logging.set_verbosity_error()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    ids = made_up_batch(asked.tokens, asked.examples, 49152)
    peers = {"mezo": Published(asked.model, ids), "best": Best(asked.model, ids), "forward": Forward(asked.model, ids)}
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
