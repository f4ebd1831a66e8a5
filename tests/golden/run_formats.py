"""Writes libs/run/run_golden.h: one small run as bytes, made from docs/formats alone (no code of Samara).

    python3 tests/golden/run_formats.py > libs/run/run_golden.h
"""
import hashlib
import itertools
import json
from typing import NamedTuple


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def difference(value, expected):
    """Zigzag: 0, -1, 1, -2 ... are 0, 1, 2, 3 ..."""
    far = value - expected
    return varint(2 * far if far >= 0 else -2 * far - 1)


def blake(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def u32(value):
    return value.to_bytes(4, "little")


MANIFEST = {
    "format": "samara-run/2", "name": "film-reviews \u00e9", "mode": "sync", "objective": "choice",
    "estimator": "two-point", "base": "ab" * 32, "data": {"dev": "cd" * 32, "train": "ef" * 32},
    "task": {"template": "a\n\"b\"\t\u20ac", "labels": ["no", "yes"], "\U0001f600": 1, "\ufb33": 2},
    "seed": "18446744073709551615", "rounds": "2000", "slots": 3, "probes": 2, "batch": 16, "balance": True,
    "epsilon": {"log2": -9, "units": 1}, "quantum_log2": -8, "directions": {"family": "sketch", "log2_k": 20},
    "eta_log2": -30,
    "trainable": {"blocks": [24, 30], "embeddings": False, "final_norm": False, "norms": True},
    "rate": "1200000", "schedule": {"floor": 0, "horizon": "400", "kind": "inverse", "warmup": "0"},
    "scale": {"kind": "running", "shift": 6}, "guard": {"clip": 1024, "kind": "clip"},
    "evaluation": {"chunks": 4, "every": 50}, "lease_ms": 60000,
}


def by_utf16(value):
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return {key: by_utf16(value[key]) for key in keys}
    return [by_utf16(item) for item in value] if isinstance(value, list) else value


class Record(NamedTuple):
    """Of log.md: a loss of -1 is none."""

    origin: int
    place: int
    author: int
    loss: int
    codes: list
    weight: int = 1


def heads(number, records):
    """Of each record what its head reads."""
    next_place = 0
    for i, record in enumerate(records):
        if i and record.origin != records[i - 1].origin:
            next_place = 0
        yield (varint(number - record.origin) + varint(record.place - next_place) + varint(record.weight)
               + varint(len(record.codes)))
        next_place = record.place + 1


def differences(values):
    return b"".join(difference(value, before) for value, before in zip(values, [0, *values]))


def round_bytes(previous, number, committed_ms, records, evaluations):
    out = varint(number) + varint(committed_ms) + varint(len(records))
    for head, shared in itertools.groupby(heads(number, records)):
        out += varint(len(list(shared)) - 1) + head
    out += differences([record.author for record in records]) + differences([record.loss for record in records])
    out += b"".join(bytes(record.codes) for record in records)
    out += varint(len(evaluations)) + b"".join(varint(v) for e in evaluations for v in e)
    return out + blake(previous, out)


def request_bytes():
    """Slots beside one another, an evaluation, and a slot again; of a worker that has work in hand and leaves."""
    return (b"SYQ3" + varint(3) + varint(41) + varint(2) + varint(20000) + b"\5" + varint(5)
            + b"\1" + varint(41) + varint(5) + varint(1500) + varint(1) + varint(2) + difference(700, 0) + b"\x12\x80"
            + b"\0" + difference(6, 5 + 1) + varint(1500) + difference(690, 700) + b"\x01\x02"
            + b"\0" + difference(4, 6 + 1) + varint(3) + difference(-1, 690) + b"\x03\x04"
            + b"\2" + varint(40) + varint(1) + varint(900) + varint(218) + varint(111) + varint(150000000)
            + b"\1" + varint(42) + varint(0) + varint(8) + varint(300) + varint(1) + difference(705, -1) + b"\xff")


def reply_bytes(rounds):
    return (b"SYR3" + b"\1" + varint(2) + varint(6) + varint(len(rounds))
            + b"".join(varint(len(r)) + r for r in rounds) + varint(4)
            + b"\2" + varint(2) + varint(3) + difference(60000, 0)
            + b"\1" + varint(2) + varint(0) + difference(120000, 120000)
            + b"\0" + difference(1, 1) + difference(180000, 180000)
            + b"\0" + difference(7, 2) + difference(200000, 240000))


def array(name, data):
    rows = [data[i:i + 24] for i in range(0, len(data), 24)]
    body = ",\n".join("    " + ", ".join(str(byte) for byte in row) for row in rows)
    print(f"static const unsigned char {name}[] = {{\n{body}}};\n")


# Of the manifest's shape, 3 slots of 2 probes: slot 1 of round 0 was left empty, and one author saw no loss.
ROUND_0 = [Record(0, 0, 7, 1043, [0x12, 0x80]), Record(0, 2, 300, -1, [0xFF, 0x00])]
ROUND_1 = [Record(1, 0, 1, 5, [1, 2]), Record(1, 1, 2, 900, [3, 4]), Record(1, 2, 4294967295, 0, [5, 6])]

# Of 200 slots of 1 probe: many that share a head, and gaps.
ROUND_WIDE = [Record(2, place, 3, 512 + place % 3, [place]) for place in [*range(130), 140, 141, 142, 199]]

# Of a shape that allows it: records that come late, with weights and numbers of codes of their own.
ROUND_LATE = [Record(3, 5, 2, -1, [1, 2, 3], 3), Record(5, 0, 2, 40, [4, 5, 6], 3), Record(5, 1, 9, 41, [7, 8, 9], 3),
              Record(6, 0, 4, 39, [10, 11, 12], 3), Record(6, 1, 4, -1, [13], 1000), Record(6, 2, 1, -1, [14], 1000)]


def main():
    text = json.dumps(by_utf16(MANIFEST), ensure_ascii=False, separators=(",", ":")).encode()
    run = blake(text)
    first = round_bytes(run, 0, 1700000000123, ROUND_0, [(0, 872, 444, 601234567)])
    second = round_bytes(first[-32:], 1, 1700000000456, ROUND_1, [])
    log = b"SAMLOG2\n" + u32(len(text)) + text + b"".join(u32(len(r)) + r for r in (first, second))
    print("/* Made by tests/golden/run_formats.py from the format pages; do not edit. */")
    print("#ifndef SAM_RUN_GOLDEN_H\n#define SAM_RUN_GOLDEN_H\n")
    print("/* clang-format off */")
    print(f'#define GOLDEN_ID "{run.hex()}"\n')
    array("GOLDEN_MANIFEST", text)
    array("GOLDEN_ROUND_0", first)
    array("GOLDEN_ROUND_1", second)
    array("GOLDEN_ROUND_WIDE", round_bytes(second[-32:], 2, 1700000000789, ROUND_WIDE, []))
    array("GOLDEN_ROUND_LATE", round_bytes(second[-32:], 6, 1700000001000, ROUND_LATE, [(5, 10, 4, 7), (6, 10, 5, 6)]))
    array("GOLDEN_LOG", log)
    array("GOLDEN_REQUEST", request_bytes())
    array("GOLDEN_REPLY", reply_bytes([first, second]))
    print("/* clang-format on */\n\n#endif")


main()
