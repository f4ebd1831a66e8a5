#!/usr/bin/env python3
"""Writes docs/formats/golden/exact-zone.json from samara_exact.py: the vectors of each section, and small whole runs.

    tests/exact/make_golden.py            # writes
    tests/exact/make_golden.py --check    # compares with the file in the tree; exit status 1 where they differ

What may pass 2^53 or is a bit pattern stands as hexadecimal text; codes of a round are two digits each, slot after slot.
"""

import hashlib
import json
import os
import random
import struct
import sys

import samara_exact as exact

GOLDEN = os.path.join(os.path.dirname(__file__), "../../docs/formats/golden/exact-zone.json")

SEED = 0x0123456789ABCDEF
ALL = 0xFFFFFFFF

# Random123's published known answers for philox4x32-10: zeros, ones, digits of pi.
PHILOX_KNOWN = [
    (0, (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (2**64 - 1, (ALL, ALL, ALL, ALL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (0x299F31D0A4093822, (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]

FAMILIES = [
    {"family": "sketch", "log2_k": 8, "log2_pool": 0},
    {"family": "rademacher", "log2_k": 0, "log2_pool": 0},
    {"family": "gaussian", "log2_k": 0, "log2_pool": 0},
    {"family": "sketch", "log2_k": 6, "log2_pool": 0},
    {"family": "rademacher", "log2_k": 0, "log2_pool": 3},
    {"family": "gaussian", "log2_k": 0, "log2_pool": 12},
]
SCHEDULES = ["constant", "linear", "cosine", "inverse"]
NORMALISERS = ["none", "running", "first"]
GUARDS = ["clip", "trimmed", "median"]


def hex64(value):
    return "%016x" % value


def hex32(value):
    return "%08x" % value


def new_state(family, seed, parameters, eta_log2, epoch):
    if family["family"] == "sketch":
        return exact.Sketch(seed, family["log2_k"], eta_log2, epoch)
    pool = 1 << family["log2_pool"] if family["log2_pool"] else 0
    return exact.Dense(seed, parameters, eta_log2, family["family"], pool, epoch)


def philox_vectors():
    for key, counter, words in PHILOX_KNOWN:
        assert exact.philox(key, *counter) == words, "not Philox4x32-10"
    return [{"key": hex64(k), "counter": list(c), "words": list(w)} for k, c, w in PHILOX_KNOWN]


def encoded_floats(chance):
    """Doubles around every size and every middle between two sizes, and what lies beyond."""
    sizes = [exact.size_of(code) for code in range(128)]
    middles = [(a + b) / 2 for a, b in zip(sizes, sizes[1:])]
    chosen = [float(size) for size in chance.sample(sizes, 16)] + chance.sample(middles, 40)
    nudged = [x for m in chance.sample(middles, 12) for x in (m * (1 + 2**-50), m * (1 - 2**-50))]
    odd = [0.0, -0.0, 5e-324, 0.5, 0.49999999999999994, 1.5, 2.5, 7.5, 15.5, 253951.9, 253952.0, 1e300,
           float("inf"), float("-inf"), float("nan")]
    return [x * chance.choice((1, -1)) for x in chosen + nudged] + odd


def code_vectors(chance):
    encoded = [[struct.pack(">d", x).hex(), exact.encode(x)] for x in encoded_floats(chance)]
    return {"values": [exact.decode(code) for code in range(256)], "encode": encoded}


def schedule_vectors():
    vectors = []
    for kind in SCHEDULES:
        for warmup, horizon, floor in ((0, 100, 0), (7, 64, 500), (3, 2, 0), (0, 2**40, 1)):
            rounds = [0, 1, 2, 3, 6, 7, 8, 20, 31, 50, 63, 64, 99, 100, 101, 1000, 2**39 + 1, 2**63]
            vectors.append({"kind": kind, "warmup": warmup, "horizon": horizon, "floor": floor,
                            "rounds": [hex64(r) for r in rounds],
                            "shares": [exact.schedule(kind, r, warmup, horizon, floor) for r in rounds]})
    return vectors


def probe_vectors():
    vectors = []
    for number, family in enumerate(FAMILIES):
        for probe, first, epoch in ((0, 0, 0), (2**35 + number, 837, 3), (12345, 250, 0)):
            state = new_state(family, SEED + number, 0, -20, epoch)
            vectors.append({**family, "seed": hex64(SEED + number), "epoch": epoch, "probe": hex64(probe),
                            "direction": hex64(state.direction(probe)), "first": hex64(first),
                            "z": state.row(probe, first, 40)})
    return vectors


def random_code(chance):
    draw = chance.random()
    if draw < 0.15:
        return exact.NO_VALUE
    if draw < 0.25:
        return chance.choice((0x00, 0x7F, 0xFF, 0x01, 0x81))
    return chance.randrange(40, 72) | chance.choice((0, 0x80))


def round_codes(chance, number, slots, probes):
    codes = [[random_code(chance) for _ in range(probes)] for _ in range(slots)]
    if number == 5:
        return [[exact.NO_VALUE] * probes for _ in range(slots)]
    if number in (0, 7):
        codes[chance.randrange(slots)] = [exact.NO_VALUE] * probes
    if number == 8:
        codes = [[0x30] * probes for _ in range(slots)]  # equal sums: the order among slots decides
    return codes


def random_base(chance, count):
    base = [struct.unpack("<I", struct.pack("<f", chance.gauss(0, 0.05)))[0] for _ in range(count)]
    base[:4] = [0, 0x80000000, 1, 0x3F800000]
    return base


def run_vector(chance, number, guard, normaliser):
    family, slots, probes, parameters = FAMILIES[number % len(FAMILIES)], 4, 2, 600
    eta_log2, epoch = (-24, 0) if number % 2 == 0 else (-9, number)
    seed, first_round = chance.getrandbits(64), 0 if number < 6 else chance.getrandbits(40)
    rule = {"rate": chance.choice((1000, 1 << 14, 1 << 40)), "schedule": SCHEDULES[number % 4],
            "warmup": first_round + number % 3, "horizon": first_round + 11, "floor": 16 * (number % 2),
            "normaliser": normaliser, "shift": number % 4, "window": 3 + number % 5,
            "guard": guard, "clip": 256 + 64 * number, "trim": 70 + 15 * number, "cap": 256 + 32 * number}
    state, update = new_state(family, seed, parameters, eta_log2, epoch), exact.Update(**rule)
    rounds = []
    for i in range(12):
        codes = round_codes(chance, i, slots, probes)
        amounts = state.apply_round(first_round + i, codes, update)
        rounds.append({"codes": "".join("%02x" % code for slot in codes for code in slot),
                       "amounts": [amount or 0 for slot in amounts for amount in slot],
                       "mean_square": hex64(update.mean_square), "rounds_seen": update.rounds_seen,
                       "digest": state.digest()})
    base, first = random_base(chance, 24), 240
    return {**family, **rule, "seed": hex64(seed), "epoch": epoch, "parameters": parameters, "eta_log2": eta_log2,
            "slots": slots, "probes": probes, "first_round": hex64(first_round), "rounds": rounds,
            "weights": {"first": first, "base": [hex32(b) for b in base],
                        "theta": [hex32(t) for t in state.weights(base, first)]}}


def run_vectors(chance):
    pairs = [(guard, normaliser) for guard in GUARDS for normaliser in NORMALISERS]
    return [run_vector(chance, number, *pairs[number % 9]) for number in range(12)]


def sampler_vectors(chance):
    vectors = []
    for examples, classes, batch, slots in ((10, 1, 4, 2), (23, 2, 7, 3), (40, 3, 2, 1), (1, 1, 3, 1)):
        labels = None if classes == 1 else [i % classes if i < classes else chance.randrange(classes)
                                            for i in range(examples)]
        sampler = exact.Sampler(SEED, examples, batch, slots, labels)
        rounds = [0, 1, 2, 3, 9, 2**30]
        vectors.append({"seed": hex64(SEED), "examples": examples, "classes": classes, "labels": labels,
                        "batch": batch, "slots": slots, "rounds": rounds,
                        "batches": [[sampler.slot(r, s) for s in range(slots)] for r in rounds]})
    return vectors


def digest_vectors():
    inputs = [b"", b"abc", bytes(range(127)), bytes(range(128)), bytes(range(129)), bytes(1000)]
    return [[data.hex() if len(data) < 1000 else "1000 zeros", hashlib.blake2b(data, digest_size=32).hexdigest()]
            for data in inputs]


def golden():
    chance = random.Random(20240229)  # Python promises the same sequence for the methods used here
    return {"about": "Written by tests/exact/make_golden.py; the page is docs/formats/exact-zone.md.",
            "philox": philox_vectors(), "code": code_vectors(chance), "schedules": schedule_vectors(),
            "probes": probe_vectors(), "runs": run_vectors(chance), "samplers": sampler_vectors(chance),
            "blake2b_256": digest_vectors()}


def as_text(value):
    """One vector a line: small, and a change shows as the line it is."""
    parts = []
    for name, section in value.items():
        if name in ("about", "code"):
            parts.append('"%s": %s' % (name, json.dumps(section, separators=(",", ":"))))
            continue
        lines = ",\n  ".join(json.dumps(item, separators=(",", ":")) for item in section)
        parts.append('"%s": [\n  %s\n]' % (name, lines))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main():
    text = as_text(golden())
    if "--check" in sys.argv[1:]:
        with open(GOLDEN, encoding="ascii") as file:
            if file.read() != text:
                sys.exit("exact-zone.json is not what samara_exact.py computes; run tests/exact/make_golden.py")
        return
    os.makedirs(os.path.dirname(GOLDEN), exist_ok=True)
    with open(GOLDEN, "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    main()
