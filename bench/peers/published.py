"""The MeZO step as published, in PyTorch, and how PyTorch gets the model that ours reads.

    model = published.load("model.gguf", torch.float32)
    peer = published.MeZO(model, epsilon=1e-3, rate=1e-6)
    peer.step(loss, seed)                   # loss() is called twice, between the perturbations

zo_step, zo_perturb_parameters and zo_update of the MeZO repository (arXiv 2305.17333, Algorithm 1), with SGD and without
weight decay: float32, every weight moved by torch.normal from a seed that is set again each time.
"""
import os

import torch
from transformers import AutoModelForCausalLM


def load(path, dtype):
    folder, name = os.path.split(os.path.abspath(path))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=dtype)
    return model.to(dtype).eval()


class MeZO:
    def __init__(self, model, epsilon, rate):
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.epsilon = epsilon
        self.rate = rate

    def draw(self, seed):
        """Each parameter with its part of the direction: the same ones for the same seed."""
        torch.manual_seed(seed)
        for p in self.parameters:
            yield p, torch.normal(mean=0, std=1, size=p.data.size(), device=p.data.device, dtype=p.data.dtype)

    def perturb(self, seed, scale):
        for p, z in self.draw(seed):
            p.data = p.data + scale * z * self.epsilon

    def update(self, seed, scalar):
        for p, z in self.draw(seed):
            p.data = p.data - self.rate * (scalar * z)

    def step(self, loss, seed):
        self.perturb(seed, 1)
        plus = loss()
        self.perturb(seed, -2)
        minus = loss()
        self.perturb(seed, 1)
        self.update(seed, (plus - minus) / (2 * self.epsilon))
