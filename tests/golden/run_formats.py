"""Writes libs/run/run_golden.h: one small run as bytes, made from docs/formats alone (no code of Samara).

    python3 tests/golden/run_formats.py > libs/run/run_golden.h
"""
import hashlib
import json


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


def u64(value):
    return value.to_bytes(8, "little")


MANIFEST = {
    "format": "samara-run/1", "name": "film-reviews \u00e9", "mode": "sync", "objective": "choice",
    "estimator": "two-point", "base": "ab" * 32, "data": {"dev": "cd" * 32, "train": "ef" * 32},
    "task": {"template": "a\n\"b\"\t\u20ac", "labels": ["no", "yes"], "\U0001f600": 1, "\ufb33": 2},
    "seed": "18446744073709551615", "rounds": "2000", "slots": 3, "probes": 2, "batch": 16, "balance": True,
    "epsilon": {"log2": -9, "units": 1}, "quantum_log2": -8, "directions": {"family": "sketch", "log2_k": 20},
    "eta_log2": -30,
    "trainable": {"blocks": [24, 30], "embeddings": False, "final_norm": False, "norms": True},
    "rate": "1200000", "schedule": {"floor": 0, "horizon": "400", "kind": "inverse", "warmup": "0"},
    "normaliser": {"kind": "running", "shift": 6}, "guard": {"clip": 1024, "kind": "clip"},
    "evaluation": {"chunks": 4, "every": 50}, "lease_ms": 60000,
}


def by_utf16(value):
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return {key: by_utf16(value[key]) for key in keys}
    return [by_utf16(item) for item in value] if isinstance(value, list) else value


def round_bytes(previous, number, committed_ms, slots, evaluations):
    out = varint(number) + varint(committed_ms)
    for worker, codes in slots:
        out += varint(worker) + (bytes(codes) if worker else b"")
    out += varint(len(evaluations)) + b"".join(varint(v) for e in evaluations for v in e)
    return out + blake(previous, out)


def array(name, data):
    rows = [data[i:i + 24] for i in range(0, len(data), 24)]
    body = ",\n".join("    " + ", ".join(str(byte) for byte in row) for row in rows)
    print(f"static const unsigned char {name}[] = {{\n{body}}};\n")


def main():
    text = json.dumps(by_utf16(MANIFEST), ensure_ascii=False, separators=(",", ":")).encode()
    run = blake(text)
    first = round_bytes(run, 0, 1700000000123, [(7, [0x12, 0x80]), (0, []), (300, [0xFF, 0x00])], [(0, 872, 444, 601234567)])
    second = round_bytes(first[-32:], 1, 1700000000456, [(1, [1, 2]), (2, [3, 4]), (4294967295, [5, 6])], [])
    log = b"SAMLOG1\n" + u32(len(text)) + text + b"".join(u32(len(r)) + r for r in (first, second))
    request = (b"SYQ2" + varint(3) + varint(41) + varint(2) + varint(20000) + b"\1" + varint(4)
               + b"\1" + varint(41) + varint(5) + varint(1500) + varint(2) + b"\x12\x80"
               + b"\0" + difference(6, 5 + 1) + varint(1500) + b"\x01\x02"
               + b"\0" + difference(4, 6 + 1) + varint(3) + b"\x03\x04"
               + b"\2" + varint(40) + varint(1) + varint(900) + varint(218) + varint(111) + varint(150000000))
    reply = (b"SYR2" + b"\1" + varint(2) + varint(6) + varint(2) + varint(len(first)) + first
             + varint(len(second)) + second + varint(4)
             + b"\2" + varint(2) + varint(3) + difference(60000, 0)
             + b"\1" + varint(2) + varint(0) + difference(120000, 120000)
             + b"\0" + difference(1, 1) + difference(180000, 180000)
             + b"\0" + difference(7, 2) + difference(200000, 240000))
    print("/* Made by tests/golden/run_formats.py from the format pages; do not edit. */")
    print("#ifndef SAM_RUN_GOLDEN_H\n#define SAM_RUN_GOLDEN_H\n")
    print("/* clang-format off */")
    print(f'#define GOLDEN_ID "{run.hex()}"\n')
    array("GOLDEN_MANIFEST", text)
    array("GOLDEN_ROUND_0", first)
    array("GOLDEN_ROUND_1", second)
    array("GOLDEN_LOG", log)
    array("GOLDEN_REQUEST", request)
    array("GOLDEN_REPLY", reply)
    print("/* clang-format on */\n\n#endif")


main()
