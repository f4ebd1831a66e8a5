#!/usr/bin/env python3
"""The run of exact_digest.c a second time, through samara_exact.py.

    exact_digest.py                          prints its lines
    exact_digest.py --against COMMAND...     runs the command and compares; exit status 1 where a line differs
"""

import hashlib
import struct
import subprocess
import sys
from fractions import Fraction

import samara_exact as exact

MOVES, WEIGHTS, ROUNDS, SLOTS, PROBES = 3000, 300, 120, 5, 3


class SplitMix:
    def __init__(self, state):
        self.state = state

    def draw(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & exact.MASK64
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & exact.MASK64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & exact.MASK64
        return z ^ z >> 31


def digest(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def hashes():
    data = bytes(7 * i % 256 for i in range(1000))
    for length in (0, 1, 127, 128, 129, 256, 1000):
        yield "blake2b-%d %s" % (length, digest(data[:length]))


def random_moves(chance, epochs):
    moves = []
    while len(moves) < MOVES:
        for _ in range(min(1 + chance.draw() % 40, MOVES - len(moves))):
            number, word = chance.draw(), chance.draw()
            size = word >> (2 + word % 50)
            moves.append(exact.Move(number % epochs, number >> 20, -size if chance.draw() & 1 else size))
    return moves


def random_base(chance):
    words = [chance.draw() for _ in range(WEIGHTS)]
    return [word & 0x807FFFFF | (103 + (word >> 32) % 32) << 23 for word in words]


def family_run(name, state, epochs):
    chance = SplitMix(state.seed)
    state.move_all(random_moves(chance, epochs))
    yield "%s-state %s" % (name, state.digest())
    theta = state.weights(random_base(chance), first=100)
    yield "%s-weights %s" % (name, digest(struct.pack("<%dI" % WEIGHTS, *theta)))


def random_code(chance):
    word = chance.draw()
    size = Fraction(word >> 20 & 0xFFFFF, 1 << word % 24)  # 20 bits over a power of two: also exact as a double
    if word >> 60 == 0:
        return exact.NO_VALUE
    return exact.encode(float(-size if word >> 59 & 1 else size))


def manifest_of(number):
    return {
        "mode": "sync", "slots": SLOTS, "probes": PROBES, "seed": "0", "eta_log2": 0,
        "directions": {"family": "sketch", "log2_k": 0, **({"epoch_rounds": str(7 * number)} if number % 2 else {})},
        "rate": str(1 << (10 + number)),
        "schedule": {"kind": ("constant", "linear", "cosine", "inverse")[number % 4], "warmup": str(10 * number),
                     "horizon": "300", "floor": number},
        "scale": {"kind": ("fixed", "running", "first")[number % 3], "rms": 1000 + 300 * number, "shift": number % 7,
                  "window": 5 * number},
        "guard": {"kind": ("clip", "trimmed", "median")[number // 3 % 3], "clip": 256 + 90 * number,
                  "trim": 20 * number, "cap": 256 + 50 * number},
        "lag": number % 5}


def random_records(chance, r):
    empty = chance.draw() % SLOTS
    places = [place for place in range(SLOTS) if place != empty or r % 3 == 0]
    return [exact.Record(r, place, [random_code(chance) for _ in range(PROBES)]) for place in places]


def rounds_run(number):
    chance, data = SplitMix(number), b""
    run = exact.Run(manifest_of(number))
    for r in range(ROUNDS):
        records = random_records(chance, r)
        weights, moves = run.record_weights(records), run.put(r, records)
        data += struct.pack("<%dQ" % len(weights), *weights)
        data += b"".join(struct.pack("<QQq", *move) for move in moves)
        data += struct.pack("<2Q", *run.scale_before(r + 1))
    yield "rounds-%d %s" % (number, digest(data))


def lines():
    yield from hashes()
    yield from family_run("sketch-6", exact.Sketch(1, 6, -60), 1)
    yield from family_run("sketch-13", exact.Sketch(2, 13, -66), 3)
    yield from family_run("rademacher", exact.Dense(3, 700, -30), 1)
    yield from family_run("rademacher-pool", exact.Dense(4, 401, 0, pool=512), 4)
    yield from family_run("gaussian", exact.Dense(5, 700, -28, kind="gaussian"), 2)
    for number in range(12):
        yield from rounds_run(number)


def main():
    if sys.argv[1:2] != ["--against"]:
        print("\n".join(lines()))
        return
    theirs = subprocess.run(sys.argv[2:], check=True, capture_output=True, text=True).stdout.splitlines()
    ours = list(lines())
    differing = [(a, b) for a, b in zip(ours, theirs) if a != b]
    for a, b in differing:
        print("here  %s\nthere %s" % (a, b))
    if differing or len(ours) != len(theirs):
        sys.exit("%d of %d digests differ (%d lines there)" % (len(differing), len(ours), len(theirs)))
    print("%d digests agree" % len(ours))


if __name__ == "__main__":
    main()
