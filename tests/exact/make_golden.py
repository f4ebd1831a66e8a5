#!/usr/bin/env python3
"""Writes docs/formats/golden/exact-zone.json from samara_exact.py: the vectors of each section, and small whole runs.

    tests/exact/make_golden.py            # writes
    tests/exact/make_golden.py --check    # compares with the file in the tree; exit status 1 where they differ

A run's settings are the fields of a manifest, with 64-bit integers as decimal text. Elsewhere what may pass 2^53 or is
a bit pattern stands as hexadecimal text, but for amounts; codes are two digits each.
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
    {"family": "sketch", "log2_k": 8},
    {"family": "rademacher", "log2_pool": 0},
    {"family": "gaussian", "log2_pool": 0},
    {"family": "sketch", "log2_k": 6},
    {"family": "rademacher", "log2_pool": 3},
    {"family": "gaussian", "log2_pool": 12},
]
SCHEDULES = ["constant", "linear", "cosine", "inverse"]
SCALES = ["fixed", "running", "first"]
GUARDS = ["clip", "trimmed", "median"]
LAGS = [0, 1, 3]
SLOTS, PROBES, PARAMETERS, ROUNDS = 4, 2, 600, 12
EPOCHS_MAX = 4096  # of a run


def hex64(value):
    return "%016x" % value


def hex32(value):
    return "%08x" % value


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


def numbering_vectors():
    vectors = []
    for slots, probes, epoch_rounds in ((1, 1, 0), (4, 2, 3), (3, 5, 1), (4096, 256, 2**28)):
        numbering = exact.Numbering({"mode": "sync", "slots": slots, "probes": probes,
                                     "directions": {"epoch_rounds": str(epoch_rounds)} if epoch_rounds else {}})
        rounds = [r for r in (0, 1, 2, 3, 4095, 2**28 - 1, 2**28, 2**40 - 1) if numbering.epoch(r) < EPOCHS_MAX]
        places = [(r, place, probe) for r in rounds for place in (0, slots - 1) for probe in (0, probes - 1)]
        vectors.append({"mode": "sync", "slots": slots, "probes": probes, "epoch_rounds": hex64(epoch_rounds),
                        "places": [[hex64(r), place, probe] for r, place, probe in places],
                        "numbers": [[hex64(numbering.epoch(r)), hex64(numbering.minibatch(r, place)),
                                     hex64(numbering.direction(r, place, probe))] for r, place, probe in places]})
    return vectors


def direction_vectors():
    vectors = []
    for i, family in enumerate(FAMILIES):
        for number, first, epoch in ((0, 0, 0), (2**35 + i, 837, 3), (12345, 250, 0)):
            state = exact.new_state({"directions": family, "seed": str(SEED + i), "eta_log2": -20})
            vectors.append({"directions": family, "seed": str(SEED + i), "epoch": epoch, "number": hex64(number),
                            "direction": hex64(state.direction(epoch, number)), "first": first,
                            "z": state.row(epoch, number, first, 40)})
    return vectors


def random_code(chance):
    draw = chance.random()
    if draw < 0.15:
        return exact.NO_VALUE
    if draw < 0.25:
        return chance.choice((0x00, 0x7F, 0xFF, 0x01, 0x81))
    return chance.randrange(40, 72) | chance.choice((0, 0x80))


def round_records(chance, i, number, missing):
    """Of the i-th round of a run: places fail to answer, and are heard of later; some say nothing."""
    records = []
    if i == 5:
        return records
    for place in range(SLOTS):
        if i in (2, 7, 9) and chance.random() < 0.5:
            missing.append((number, place))
            continue
        records.append((number, place, [random_code(chance) for _ in range(PROBES)]))
    if i in (1, 8):
        records = [(*origin, [0x30] * PROBES) for *origin, _ in records]  # equal sums: the order decides
    if i in (0, 6):
        records[chance.randrange(SLOTS)][2][:] = [exact.NO_VALUE] * PROBES
    if i == 10:
        records = [(*origin, [exact.NO_VALUE] * PROBES) for *origin, _ in records]
    if i in (4, 8, 11):
        late = [missing.pop() for _ in range(len(missing) // 2 + 1) if missing]
        records += [(*origin, [random_code(chance) for _ in range(PROBES)]) for origin in late]
    return sorted(records)


def random_base(chance, count):
    base = [struct.unpack("<I", struct.pack("<f", chance.gauss(0, 0.05)))[0] for _ in range(count)]
    base[:4] = [0, 0x80000000, 1, 0x3F800000]
    return base


def scale_rule(chance, kind):
    return {"fixed": {"kind": kind, "rms": chance.choice((1, 3 << 16, 1 << 19))},
            "running": {"kind": kind, "shift": chance.randrange(4)},
            "first": {"kind": kind, "window": chance.randrange(1, 8)}}[kind]


def guard_rule(chance, kind):
    clip = chance.choice((256, 300, 700, 1 << 24))
    return {"clip": {"clip": clip, "kind": kind},
            "trimmed": {"clip": clip, "kind": kind, "trim": chance.choice((70, 128))},
            "median": {"cap": chance.choice((256, 290, 600)), "clip": clip, "kind": kind}}[kind]


def decks(chance):
    """Settings of the runs: each guard with each scale and schedule, and the rest dealt out evenly."""
    rules = [(guard, scale, schedule) for guard in GUARDS for scale in SCALES for schedule in SCHEDULES]
    lags, families, epochs = [], FAMILIES * 6, [0, 3, 5] * 12
    for _ in GUARDS:
        lags += chance.sample(LAGS * 4, 12)
    chance.shuffle(families)
    chance.shuffle(epochs)
    return zip(rules, lags, families, epochs)


def manifest_of(chance, number, rules, lag, family, epoch_rounds):
    guard, scale, schedule = rules
    start = 0 if number % 3 else chance.getrandbits(36)
    if start and epoch_rounds:
        epoch_rounds += start // 2  # a new epoch where the run is under way
    directions = {**family, "epoch_rounds": str(epoch_rounds)} if epoch_rounds else family
    manifest = {"mode": "sync", "slots": SLOTS, "probes": PROBES, "seed": str(chance.getrandbits(64)),
                "directions": directions, "eta_log2": chance.choice((-9, -24)),
                "rate": str(chance.choice((1000, 1 << 14, 1 << 40))),
                "schedule": {"floor": 16 * chance.randrange(2), "horizon": str(start + chance.choice((9, 40))),
                             "kind": schedule, "warmup": str(start + chance.choice((0, 3)) if start else number % 5)},
                "scale": scale_rule(chance, scale), "guard": guard_rule(chance, guard)}
    return start, {**manifest, "lag": lag} if lag else manifest


def put_round(run, plain, number, records):
    """What a round of this run is, and does; the same move by move gives the same state."""
    weights = run.record_weights([exact.Record(*record) for record in records])
    moves, scale = run.put(number, records), run.scale_before(number + 1)
    plain.reach(run.numbering.epoch(number))
    for move in moves:
        plain.move(*move)
    assert plain.digest() == run.digest(), "the Walsh transform is not the sum of the moves"
    return {"round": number, "records": [[r, place, bytes(codes).hex()] for r, place, codes in records],
            "weights": weights, "moves": [list(move) for move in moves],
            "mean_square": hex64(scale.mean_square), "rounds_seen": scale.rounds_seen, "digest": run.digest()}


def finished_run(chance, manifest, rounds_of):
    run, plain = exact.Run(manifest, PARAMETERS), exact.new_state(manifest, PARAMETERS)
    rounds = [put_round(run, plain, number, records) for number, records in rounds_of]
    base, first = random_base(chance, 24), 240
    return {"manifest": manifest, "parameters": PARAMETERS, "rounds": rounds,
            "weights": {"first": first, "base": [hex32(b) for b in base],
                        "theta": [hex32(t) for t in run.weights(base, first)]}}


def run_vector(chance, number, settings):
    start, manifest = manifest_of(chance, number, *settings)
    missing = []
    return finished_run(chance, manifest, [(start + i, round_records(chance, i, start + i, missing))
                                           for i in range(ROUNDS)])


def still_run(chance):
    """Two epochs and nothing moved: the weights show the signs of zeros."""
    manifest = manifest_of(chance, 1, ("clip", "running", "constant"), 0, FAMILIES[0], 1)[1]
    run = finished_run(chance, manifest, [(r, [(r, 0, [exact.NO_VALUE] * PROBES)]) for r in range(2)])
    base = [0x80000000] * 12 + [0] * 4
    state = exact.Run(manifest)
    state.put(0, []), state.put(1, [])
    run["weights"] = {"first": 0, "base": [hex32(b) for b in base], "theta": [hex32(t) for t in state.weights(base)]}
    return run


def run_vectors(chance):
    return [run_vector(chance, number, settings) for number, settings in enumerate(decks(chance))] + [still_run(chance)]


def sampler_vectors(chance):
    vectors = []
    for examples, classes, batch in ((10, 1, 4), (23, 2, 7), (40, 3, 2), (1, 1, 3)):
        labels = None if classes == 1 else [i % classes if i < classes else chance.randrange(classes)
                                            for i in range(examples)]
        sampler = exact.Sampler(SEED, examples, batch, labels)
        numbers = [0, 1, 2, 3, 9, 10, 11, 2**30, 2**52 - 1]
        vectors.append({"seed": str(SEED), "examples": examples, "classes": classes, "labels": labels, "batch": batch,
                        "numbers": [hex64(v) for v in numbers],
                        "minibatches": [sampler.minibatch(v) for v in numbers]})
    return vectors


def digest_vectors():
    inputs = [b"", b"abc", bytes(range(127)), bytes(range(128)), bytes(range(129)), bytes(1000)]
    return [[data.hex() if len(data) < 1000 else "1000 zeros", hashlib.blake2b(data, digest_size=32).hexdigest()]
            for data in inputs]


def golden():
    chance = random.Random(20240229)  # Python promises the same sequence for the methods used here
    return {"about": "Written by tests/exact/make_golden.py; the page is docs/formats/exact-zone.md.",
            "philox": philox_vectors(), "code": code_vectors(chance), "schedules": schedule_vectors(),
            "numbering": numbering_vectors(), "directions": direction_vectors(), "runs": run_vectors(chance),
            "samplers": sampler_vectors(chance),
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
