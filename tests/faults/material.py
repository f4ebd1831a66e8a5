"""Model, data and manifest that all schedules share: tiny, made on the spot, the same everywhere.

    material = Material(folder)
    material.manifest("faults 7")        # canonical bytes
    material.digest                      # of the state that an undisturbed run reaches; set by run.py
"""

import hashlib
import json
import pathlib
import sys

import schedule as plan

HERE = pathlib.Path(__file__).resolve().parent
EXACT = HERE.parent / "exact"
sys.path.insert(0, str(HERE.parent / "integration"))
import stage  # noqa: E402  (data and task of the integration tests)
import tiny_model  # noqa: E402


class Material:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.model, self.train, self.dev = folder / "tiny.gguf", folder / "train.tsv", folder / "dev.tsv"
        self.digests = {}  # of the state that a run with that lag leads to
        self.clock = None  # the library of machine.Clock
        if not self.dev.exists():
            tiny_model.write(self.model, seed=1)
            stage.write_data(self.train, 80, 1)
            stage.write_data(self.dev, 40, 2)

    def manifest(self, name, quorum=None, verify_rate=None, signed=False, lag=0):
        values = {
            "format": "samara-run/2", "name": name, "mode": "sync", "objective": "choice", "estimator": "two-point",
            "base": digest_of(self.model), "data": {"dev": digest_of(self.dev), "train": digest_of(self.train)},
            "task": stage.TASK, "seed": "7", "rounds": str(plan.ROUNDS), "slots": plan.SLOTS, "probes": plan.PROBES,
            "batch": 4, "balance": True, "epsilon": {"log2": -9, "units": 1}, "quantum_log2": -8,
            "directions": {"family": "sketch", "log2_k": 10}, "eta_log2": -30,
            "trainable": {"blocks": [0, 2], "embeddings": False, "final_norm": False, "norms": True},
            "rate": "1200000", "schedule": {"floor": 0, "horizon": "400", "kind": "inverse", "warmup": "0"},
            "scale": {"kind": "running", "shift": 6}, "guard": {"clip": 1024, "kind": "clip"},
            "evaluation": {"chunks": plan.CHUNKS, "every": plan.EVERY}, "lease_ms": plan.LEASE_MS}
        if quorum:
            values["quorum"] = quorum
        if verify_rate:
            values["verify_rate"] = verify_rate
        if signed:
            values["signed"] = True
        if lag:
            values["lag"] = lag
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(path):
    return hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest()
