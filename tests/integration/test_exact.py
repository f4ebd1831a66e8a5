"""Any log leads the programs and the second implementation (tests/exact) to the same state and the same weights:
guards, scales, schedules, lag, epochs, families, places that nobody filled, records taken out. Needs $SAMARA_BIN."""

import json
import pathlib
import random
import struct
import sys
import unittest

import stage

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "exact"))
import samara_exact  # noqa: E402  (the second implementation of the exact zone)
import samara_formats  # noqa: E402  (and of the formats)

RUNS, ROUNDS, SLOTS, PROBES = 12, 14, 5, 2
PARAMETERS = 32  # the last norm, which the tiny model has as ones
FAMILIES = [{"family": "sketch", "log2_k": 6}, {"family": "rademacher", "log2_pool": 0},
            {"family": "gaussian", "log2_pool": 4}]


def random_manifest(rng, number, like):
    """Small steps of a run of its own, on the files of the run `like`."""
    rules = {"scale": [{"kind": "fixed", "rms": 1 << 17}, {"kind": "running", "shift": 2},
                       {"kind": "first", "window": 3}],
             "guard": [{"clip": 600, "kind": "clip"}, {"clip": 900, "kind": "trimmed", "trim": 64},
                       {"cap": 300, "clip": 1200, "kind": "median"}]}
    directions = dict(FAMILIES[number % len(FAMILIES)])
    if rng.random() < 0.75:
        directions["epoch_rounds"] = str(rng.randint(1, 6))
    manifest = {**like, "name": f"any {number}", "seed": str(rng.getrandbits(64)), "rounds": str(ROUNDS),
                "slots": SLOTS, "probes": PROBES, "directions": directions, "eta_log2": -30, "rate": str(1 << 22),
                "trainable": {"blocks": [0, 0], "embeddings": False, "final_norm": True, "norms": False},
                "schedule": {"floor": 9, "horizon": "10", "warmup": str(rng.randint(0, 3)),
                             "kind": rng.choice(("constant", "linear", "cosine", "inverse"))},
                "scale": rng.choice(rules["scale"]), "guard": rules["guard"][number // 3 % 3],
                "quorum": {"after_ms": 1000, "slots": 1}}
    lag = rng.randrange(4)
    return {**manifest, "lag": lag} if lag > 0 else manifest


def random_code(rng):
    return rng.choice((0x80, 0x00, 0x7F, 0xFF)) if rng.random() < 0.1 else rng.randrange(40, 72) | rng.choice((0, 128))


def random_rounds(rng):
    empty = rng.randrange(3, ROUNDS)
    return [[samara_formats.LogRecord(r, place, rng.randint(1, 4), 1, rng.choice((-1, rng.randint(0, 900))),
                                      bytes(random_code(rng) for _ in range(PROBES)))
             for place in range(SLOTS) if rng.random() < 0.8 and r != empty] for r in range(ROUNDS)]


def log_of(manifest, rounds):
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    out, chain = b"SAMLOG2\n" + struct.pack("<I", len(text)) + text, samara_formats.digest(text)
    for r, records in enumerate(rounds):
        encoded = samara_formats.encode_round(chain, r, 1700000000000 + r, records)
        out, chain = out + struct.pack("<I", len(encoded)) + encoded, encoded[-32:]
    return out


def weights_of(folder):
    """The last norm of an exported model, as bits."""
    content = (pathlib.Path(folder) / "model.safetensors").read_bytes()
    length, = struct.unpack_from("<Q", content)
    tensor = json.loads(content[8:8 + length])["model.norm.weight"]
    first, end = tensor["data_offsets"]
    assert tensor["dtype"] == "F32" and end - first == 4 * PARAMETERS, tensor
    return list(struct.unpack_from(f"<{PARAMETERS}I", content, 8 + length + first))


class Exact(stage.Stage):
    """A training gives the manifest's digests of the files; the rest of each run is drawn."""

    def told(self, *words):
        done = self.samara(*words, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def states_of(self, manifest, rounds):
        """The run at its end, and the states before each of its rounds."""
        run = samara_exact.Run(manifest, PARAMETERS)
        states = [list(run.state.integers)]
        for r, records in enumerate(rounds):
            run.put(r, [record.exact() for record in records])
            states.append(list(run.state.integers))
        return run, states

    def check_run(self, rng, number, like):
        manifest, rounds = random_manifest(rng, number, like), random_rounds(rng)
        log, base, out = self.path(f"{number}.samlog"), self.shared / "tiny.gguf", self.path(f"out{number}")
        pathlib.Path(log).write_bytes(log_of(manifest, rounds))
        run, states = self.states_of(manifest, rounds)
        bits = run.state.bits
        for at in (ROUNDS, rng.randrange(ROUNDS)):
            self.assertEqual(self.told("verify", log, "--base", base, "--round", at)["state_digest"],
                             samara_exact.digest_of(states[at], bits), f"run {number} before round {at}: {manifest}")
        done = self.samara("replay", "--log", log, "--base", base, "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(weights_of(out), run.weights([0x3F800000] * PARAMETERS), f"run {number}: {manifest}")
        mean = self.told("average", log, "--base", base, "--from", 4, "--to", 11)["state_digest"]
        self.assertEqual(mean, samara_exact.digest_of(samara_exact.mean_of(states[4:12]), bits), f"run {number}")
        shown = self.samara("log", "--oneline", log).stdout.splitlines()
        self.assertEqual([line.split()[0] for line in shown], [str(r) for r in range(ROUNDS)], "also the empty one")
        self.check_without(manifest, rounds, log)

    def check_without(self, manifest, rounds, log):
        """Of worker 2 in some rounds: a revert names them in its manifest."""
        reverted = self.told("revert", log, "--worker", 2, "--rounds", "3..9", "--out", self.path("reverted.samlog"),
                             "--base", self.shared / "tiny.gguf")
        entry = {"from": "3", "to": "9", "worker": 2}
        run, _ = self.states_of({**manifest, "parent": {"without": [entry]}}, rounds)
        self.assertEqual(reverted["state_digest"], run.digest(), str(manifest))
        pathlib.Path(self.path("reverted.samlog")).unlink()

    def test_any_log_leads_to_the_state_of_the_second_implementation(self):
        self.train("--rounds", 1, "--out", self.path("plain"))
        content = pathlib.Path(self.path("plain/run.samlog")).read_bytes()
        like = json.loads(content[12:12 + struct.unpack_from("<I", content, 8)[0]])
        rng = random.Random(11)
        for number in range(RUNS):
            with self.subTest(run=number):
                self.check_run(rng, number, like)


if __name__ == "__main__":
    unittest.main()
